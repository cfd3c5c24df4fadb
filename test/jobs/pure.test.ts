import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fingerprintOf } from '../../src/jobs/fingerprint.ts';
import { normalJobId, readIdempotencyKey } from '../../src/jobs/index.ts';
import { readVerdict } from '../../src/jobs/job-id.ts';
import { logQuery, markQuery } from '../../src/jobs/job-query.ts';
import { createMark, putMark } from '../../src/jobs/mark.ts';
import { readRows } from '../../src/jobs/query-rows.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { parseSelection, type Rule } from '../../standin/vovserver/selection-parser.ts';

const isBadRequest = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_BAD_REQUEST';
const answer = (status: number, body: string) => ({ status, headers: [], body: Buffer.from(body) });
const zeros = (bytes: number): Buffer => Buffer.alloc(bytes, 0xab);

describe('Idempotency-Key', () => {
  const read = (...values: string[]) => readIdempotencyKey(values.flatMap((value) => ['Idempotency-Key', value]));

  const good: readonly [string, string][] = [
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    [' build/77:step=3 ', 'build/77:step=3'],
    ['"a;b,c"', 'a;b,c'],
    [`"${'k'.repeat(255)}"`, 'k'.repeat(255)],
  ];
  for (const [value, key] of good) {
    it(`takes ${value.slice(0, 50)}`, () => assert.equal(read(value), key));
  }

  it('undoes the two escapes of a quoted string', () => assert.equal(read('"a\\"b\\\\c"'), 'a"b\\c'));

  const bad = [
    '',
    '""',
    'a b',
    '"a b"',
    '"a',
    'a"',
    '"a";p=1',
    'a,b',
    'a;b',
    '"\\n"',
    'schlüssel',
    'a\tb',
    '"a\u0000"',
  ];
  for (const value of [...bad, 'k'.repeat(256), `"${'k'.repeat(256)}"`]) {
    it(`refuses ${JSON.stringify(value.slice(0, 20))}`, () => assert.throws(() => read(value), isBadRequest));
  }

  it('is null without the header, and refuses two, whatever their case', () => {
    assert.equal(readIdempotencyKey(['Accept', 'idempotency-key']), null);
    assert.throws(() => readIdempotencyKey(['Idempotency-Key', 'a', 'IDEMPOTENCY-KEY', 'a']), isBadRequest);
  });
});

describe('fingerprint', () => {
  const of = (body: string, query = ''): string => fingerprintOf(query, Buffer.from(body));

  it('looks through white space, escapes and the order of members', () => {
    assert.equal(of('{"a":1,"b":{"c":[1,2],"d":"é"}}'), of(' { "b" : {"d":"\\u00e9","c":[1, 2]} , "a" : 1 } '));
  });

  it('tells apart what differs', () => {
    const bodies = [
      '{"a":1}',
      '{"a":"1"}',
      '{"a":[1]}',
      '{"a":{"1":1}}',
      '{"a":null}',
      '{}',
      '[]',
      '{"a":12345678901234567890}',
    ];
    const all = [
      ...bodies,
      '{"a":12345678901234567891}',
      'a=1',
      '',
      '{"a":1',
      '{"a":[1,2]}',
      '{"a":[2,1]}',
      '"a"',
      'null',
    ];
    assert.equal(new Set(all.map((body) => of(body))).size, all.length);
    assert.notEqual(of('{}', '?x=1'), of('{}'));
  });

  it('takes bytes that are no UTF-8, and nesting without end, as bytes', () => {
    assert.notEqual(fingerprintOf('', Buffer.from([0xff])), fingerprintOf('', Buffer.from([0xfe])));
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    assert.notEqual(of(deep), of(`${deep} `));
  });

  it('takes what is long, or holds many values, by its bytes: nobody waits for its reading', () => {
    const many = (values: number): string => JSON.stringify({ a: Array.from({ length: values }, () => 1) });
    const long = (bytes: number): string => JSON.stringify({ command: 'x'.repeat(bytes) });
    for (const [small, large] of [
      [many(2000), many(2100)],
      [long(65_000), long(66_000)],
      [`[${'[],'.repeat(1000)}[]]`, `[${'[],'.repeat(1100)}[]]`],
    ] as const) {
      assert.equal(of(small), of(`${small} `));
      assert.notEqual(of(large), of(`${large} `));
      assert.equal(of(large), of(large));
    }
  });

  it('is the same for every way to write the same value, and another for another value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.jsonValue(), (one, two) => {
        assert.equal(of(JSON.stringify(one)), of(JSON.stringify(one, null, 2)));
        if (JSON.stringify(one) !== JSON.stringify(two) && !isObject(one)) {
          assert.notEqual(of(JSON.stringify(one)), of(JSON.stringify(two)));
        }
      }),
    );
  });
});

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

describe('mark', () => {
  it('is put first and leaves every other byte alone', () => {
    const body = Buffer.from(' {\n "command" : "x", "n": 1.50e1 }\n');
    const mark = createMark('jobname', body, zeros);
    assert.ok(mark !== null);
    assert.match(mark.text, /^vovgw[0-9a-f]{32}$/);
    assert.equal(putMark(body, mark).toString(), ` {"jobname":"${mark.text}",\n "command" : "x", "n": 1.50e1 }\n`);
  });

  it('goes into an empty object, and into a property list', () => {
    const mark = createMark('proplist', Buffer.from('{ }'), zeros);
    assert.ok(mark !== null);
    assert.deepEqual(JSON.parse(putMark(Buffer.from('{ }'), mark).toString()), { proplist: `VOVGW_MARK=${mark.text}` });
  });

  const without: readonly [string, string][] = [
    ['no JSON', 'command=x'],
    ['a list', '[{}]'],
    ['a field of the caller', '{"jobname":"mine"}'],
    ['a field of the caller in other letters', '{"JobName":""}'],
    ['a field of the caller in another spelling', '{"job_name":"mine"}'],
  ];
  for (const [what, body] of without) {
    it(`is not put where there is ${what}`, () => assert.equal(createMark('jobname', Buffer.from(body), zeros), null));
  }

  it('is not made when the configuration says none', () => {
    assert.equal(createMark('none', Buffer.from('{}'), zeros), null);
  });
});

describe('the verdict of an answer', () => {
  const verdicts: readonly [number, string, string][] = [
    [200, '{"jobid":45080}', '45080'],
    [201, '{"jobid":"000045080"}', '45080'],
    [200, '{"JOBID":"45080"}', '45080'],
    [200, '{"jobid":0.5}', 'unreadable'],
    [200, '{"jobid":"4508x"}', 'unreadable'],
    [200, '{"jobid":', 'nonsense'],
    [200, '<html>OK</html>', 'nonsense'],
    [200, '', 'nonsense'],
    [200, '[45080]', 'nonsense'],
    [200, '{}', 'unreadable'],
    [200, '{"errmsg":"Acl Denied"}', 'refused'],
    [200, '{"errormsg":"Acl Denied"}', 'refused'],
    [400, '{"error":"Bad Request"}', 'refused'],
    [401, '{"error":"Unauthorized"}', 'refused'],
    [403, '{"errmsg":"Acl Denied"}', 'refused'],
    [422, '{"errormsg":"no such field"}', 'refused'],
    [400, '{"jobid":1}', 'doubted'],
    [403, '<html>Forbidden</html>', 'doubted'],
    [404, '', 'doubted'],
    [413, '{"message":"too large"}', 'doubted'],
    [302, '', 'failed'],
    [408, '{"error":"Request Timeout"}', 'failed'],
    [425, '', 'failed'],
    [429, '{"error":"Too Many Requests"}', 'failed'],
    [499, '', 'failed'],
    [500, '{"jobid":1}', 'failed'],
    [503, '', 'failed'],
  ];
  for (const [status, body, expected] of verdicts) {
    it(`${status} ${body} is ${expected}`, () => {
      const verdict = readVerdict(answer(status, body));
      assert.equal(verdict.kind === 'accepted' ? verdict.jobId : verdict.kind, expected);
    });
  }

  it('reads job ids in every form, and nothing else', () => {
    assert.deepEqual(['45080', '000045080', '45080/', '0'].map(normalJobId), ['45080', '45080', '45080', '0']);
    assert.deepEqual(
      ['', '/', '45080//', '-1', '1e3', '*', '1234567890123', '45080/user'].map(normalJobId),
      Array(8).fill(null),
    );
  });
});

describe('rows of a reply', () => {
  const read = (value: unknown, status = 200) => readRows(answer(status, JSON.stringify(value)), ['idint', 'user']);
  const columns = [
    { col: 0, field: 'USER' },
    { col: 1, field: 'ID_INT' },
  ];

  it('are read by folded names, in the order of the columns, as text', () => {
    assert.deepEqual(read({ errmsg: '', columns, rows: [['alice', 7]] }), [{ idint: '7', user: 'alice' }]);
  });

  it('are none when they are left out', () => assert.deepEqual(read({ errormsg: '', columns }), []));

  const bad: readonly [string, unknown, number?][] = [
    ['another status', { columns, rows: [] }, 500],
    ['an error text', { errmsg: 'bad', columns, rows: [] }],
    ['the other error text', { errormsg: 'bad', columns }],
    ['no columns', { rows: [] }],
    ['a column that is missing', { columns: [{ col: 0, field: 'user' }], rows: [] }],
    ['a short row', { columns, rows: [['alice']] }],
    ['a cell of another type', { columns, rows: [['alice', null]] }],
    ['rows that are no list', { columns, rows: {} }],
    ['a list', []],
    ['odd columns', { columns: [null], rows: [] }],
  ];
  for (const [what, value, status] of bad) {
    it(`are not read from ${what}`, () => assert.equal(read(value, status), null));
  }

  it('never throw on what any server may say', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (cols, rows) => {
        const found = read({ columns: cols, rows });
        assert.ok(found === null || Array.isArray(found));
      }),
    );
    assert.equal(readRows(answer(200, '\u0000'), ['user']), null);
  });
});

/** The fields of a rule that is one conjunction of comparisons. */
function fieldsOf(rule: Rule): string[] {
  if (rule.kind === 'predicate') {
    assert.equal(rule.test?.values.length, 1);
    return [rule.field];
  }
  assert.equal(rule.kind, 'and');
  return rule.kind === 'and' ? rule.rules.flatMap(fieldsOf) : [];
}

describe('query', () => {
  const whereOf = (target: string): string => new URL(target, 'http://vov').searchParams.get('where') ?? '';

  it('says the same whatever the account and the log file are called', () => {
    const wild = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('x|isjob', 'a b', 'a"b', 'a,b', '(a', 'a)', '!a', 'a&b', '\\', '-', ''),
    );
    fc.assert(
      fc.property(wild, wild, (account, logfile) => {
        const { target } = logQuery(account, { logfile, rundir: '/x', command: 'y' }, 1_800_000_000.7);
        assert.match(target, /^\/api\/v3\/query\?[A-Za-z0-9%=&.*_-]+$/);
        const fields = fieldsOf(parseSelection(whereOf(target)));
        assert.ok(fields.includes('submittime'));
        assert.ok(fields.every((field) => ['user', 'submittime', 'command'].includes(field)));
      }),
    );
  });

  it('narrows by what is plain only', () => {
    const where = (account: string, logfile: string): string =>
      whereOf(logQuery(account, { logfile, rundir: '/x', command: 'y' }, 1_800_000_000).target);
    assert.equal(where('alice', 'logs/a-1.log'), 'user==alice submittime>=1800000000 command^a-1.log');
    assert.equal(where('alice', 'my log'), 'user==alice submittime>=1800000000');
    assert.equal(where('a|b', '-log'), 'submittime>=1800000000');
  });

  it('asks for a mark by the field that carries it', () => {
    assert.equal(whereOf(markQuery({ marker: 'jobname', text: 'vovgw1' }).target), 'JOBNAME==vovgw1');
    assert.equal(whereOf(markQuery({ marker: 'proplist', text: 'vovgw1' }).target), 'PROP.VOVGW_MARK==vovgw1');
  });
});
