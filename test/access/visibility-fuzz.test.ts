import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import type { Profile } from '../../standin/vovserver/index.ts';
import { OPERATORS } from '../../standin/vovserver/selection-tokens.ts';
import { createFarm, type Seer, see } from './visibility-world.ts';

const FIELDS = ['user', 'USER', 'us_er', 'id', 'IDINT', 'jobname', 'priority', 'jobclass', 'command', 'group', 'isjob'];
const field = fc.constantFrom(...FIELDS);
const word = fc.constantFrom('bob', 'alice', 'leader', '3', '7', '45080', 'secret', 'enigma', '.', '*', 'open');
const value = fc.oneof(
  { weight: 6, arbitrary: word },
  { weight: 3, arbitrary: word.map((one) => `"${one}"`) },
  fc.constantFrom('"a b"', '"("', '")|(isjob"', '"', '\\"', ')', 'a\\ b', "'('", '"a""b"', '"a\\"', '[a-z]', '{x}'),
);

const predicate = fc.oneof(
  field,
  fc
    .tuple(field, fc.constantFrom(...OPERATORS), fc.array(value, { minLength: 1, maxLength: 2 }))
    .map(([name, operator, values]) => `${name}${operator}${values.join(',')}`),
);

const { where: rule } = fc.letrec<{ where: string }>((tie) => ({
  where: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    predicate,
    fc
      .tuple(tie('where'), fc.constantFrom(' ', '&', '|', '&&', '||', ' AND ', ' OR ', ' and '), tie('where'))
      .map(([left, join, right]) => `${left}${join}${right}`),
    tie('where').map((one) => `(${one})`),
    tie('where').map((one) => `!${one}`),
    tie('where').map((one) => `NOT (${one})`),
  ),
}));

/** Ways to break out of brackets that somebody puts around a rule. */
const escaping = fc
  .tuple(
    fc.constantFrom('', ')', 'isjob)', '"', 'x=="', '(', '\\', "'", '"a"b', ' '),
    rule,
    fc.constantFrom('', '|(isjob', ')|(isjob', '(', '"', '\\', "'", '|', '&', '#', '--', '\0', '\n)|(isjob'),
  )
  .map((parts) => parts.join(''));

const select = fc.oneof(
  fc.constantFrom('*', 'user', 'id', 'command', 'user,id', 'id,user', '*,id', 'command,*', 'owner', 'idint,us_er'),
  fc.array(field, { minLength: 1, maxLength: 4 }).map((names) => names.join(', ')),
  fc.subarray(FIELDS, { minLength: 1 }).map((names) => names.join(',')),
  fc.constantFrom('command AS user', 'user;', '"user"', '', 'command,,user'),
);
const from = fc.constantFrom(
  ...[
    'jobs',
    'jobs',
    'jobs',
    'jobs',
    'jobs',
    'jobs',
    'System:jobs',
    'System:jobs',
    'System:User:leader',
    'System:User:alice',
    'System:User:bob',
    'System:User:leader',
  ],
  ...['Class:secret', '45080', '000045083', '45086', '1', 'project', 'objects', 'users', 'hosts', 'Jobs', 'jobs ', ''],
);
const order = fc.constantFrom(
  'user',
  'user DESC',
  'id',
  'jobname DESC, id',
  'priority ASC',
  'command',
  'id',
  'user',
  'bad order x',
);
const limit = fc.constantFrom('0', '1', '1', '2', '2', '3', '3', '100', '100', '-1', 'x', '1e9');

/** Query strings: of the grammar, then parameters twice, in another spelling, or of other names. */
const query = fc
  .record(
    {
      select,
      from,
      where: fc.oneof({ weight: 3, arbitrary: rule }, { weight: 1, arbitrary: escaping }),
      order,
      limit,
      format: fc.constantFrom('json', 'json', 'json', 'json', 'csv', 'csv-noheader', 'xml'),
    },
    { requiredKeys: ['from'] },
  )
  .chain((parts) => {
    const text = new URLSearchParams(parts).toString();
    return fc.constantFrom(
      ...Array<string>(24).fill(text),
      ...[text.replaceAll('+', '%20'), decodeURIComponent(text)],
      ...[`${text}&from=jobs`, `from=1&${text}`, `${text}&where=isjob`, `${text};where=isjob`, `${text}&Where=isjob`],
      ...[`${text}&x`, `${text}&`, text.replace('from', '%66rom'), `${text}&%77here=isjob`, `${text}%00`],
    );
  });

const PROFILES: readonly Partial<Profile>[] = [
  {},
  { columnCase: 'upper', emptyRows: 'list' },
  { columnCase: 'lower', errorKey: 'errormsg', defaultLimit: 3 },
  { columnCase: 'requested', badQuery: '400', unknownField: '400', defaultLimit: 5, jobIdType: 'string' },
];

type Farm = Awaited<ReturnType<typeof createFarm>>;

/** Status and text of what a seer gets, or the code of the refusal. */
async function outcome(farm: Farm, seer: Seer, text: string): Promise<string> {
  try {
    const { status, body } = await see(farm.client, seer, text);
    return `${status} ${body}`;
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    assert.ok(error.code === 'GW_NOT_FILTERABLE', `${error.code} ${error.detail} for ${text}`);
    return error.code;
  }
}

interface Rows {
  readonly columns?: readonly { readonly field: string }[];
  readonly rows?: readonly (readonly unknown[])[];
}

/** Ids and users in an answer, by the names of its columns. */
function namedIn(text: string, wanted: readonly string[]): string[] {
  if (!text.slice(4).startsWith('{')) return [];
  const { columns = [], rows = [] } = JSON.parse(text.slice(4)) as Rows;
  const places = columns.flatMap(({ field: name }, at) =>
    wanted.includes(name.toLowerCase().replaceAll('_', '')) ? [at] : [],
  );
  return rows.flatMap((cells) => places.map((at) => String(cells[at]).replace(/^0+/, '')));
}

describe('queries of everybody, under visibility: own', () => {
  for (const profile of PROFILES) {
    it(`show nothing of the jobs of others: ${JSON.stringify(profile)}`, async () => {
      await using one = await createFarm('secret', profile);
      await using other = await createFarm('enigmatic', profile);
      let answered = 0;
      await fc.assert(
        fc.asyncProperty(query, fc.constantFrom('bob', 'ben'), async (text, who) => {
          const seen = await outcome(one, one.seers[who], text);
          if (!seen.startsWith('2')) return;
          const seer = one.seers[who];
          if (/"rows":\[\[/.test(seen)) answered += 1;
          if (/FROM (?:1|project|objects)[ "]/.test(seen)) return;
          for (const id of namedIn(seen, ['id', 'idint'])) assert.ok(seer.jobs.has(id), `job ${id} for ${text}`);
          for (const user of namedIn(seen, ['user'])) assert.equal(user, seer.account, text);
          // Nothing that others write into their jobs changes an answer, also not what is left out of it.
          assert.equal(await outcome(other, other.seers[who], text), seen, text);
        }),
        { numRuns: 1500 },
      );
      assert.ok(answered >= 10, String(answered));
    });
  }
});
