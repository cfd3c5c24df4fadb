import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createWorld } from '../world/world.ts';

type Reply = { readonly columns: { readonly field: string }[]; readonly rows?: unknown[][]; readonly errmsg?: string };

/** Who they are: alice and carol have accounts of their own; ann and ben share `team`; olga is an operator, root an admin. */
const PEOPLE = ['alice', 'carol', 'ann', 'ben', 'olga', 'root'] as const;
type Person = (typeof PEOPLE)[number];

const IDENTITY = {
  rules: [
    { match: { userPattern: '(ann|ben)' }, shared: 'team' },
    { match: { userPattern: '(alice|carol|olga|root)' }, account: '$1' },
  ],
  roles: { operator: { users: ['olga'] }, admin: { users: ['root'] } },
};

async function createFarm(jobs: object, profile: object = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'vovgw-visibility-'));
  for (const name of ['alice', 'carol', 'team', 'olga', 'root'])
    await writeFile(join(dir, name), `pw-${name}`, { mode: 0o600 });
  const credentials = [
    { type: 'shared', account: 'team', passwordFile: join(dir, 'team') },
    { type: 'file', dir },
  ];
  const world = await createWorld({
    config: { limits: { mode: 'off' }, log: { level: 'error' }, jobs, identity: IDENTITY, credentials },
    users: ['alice', 'carol', 'team', 'olga', 'root'],
    vovserver: { profile },
  });
  const tokens = new Map<Person, string>();
  const jobIds = new Map<Person, number>();
  const call = async (who: Person, method: string, path: string, more: { json?: unknown; headers?: object } = {}) => {
    const { json, headers = {} } = more;
    const answer = await world.call(method, path, {
      token: tokens.get(who) ?? '',
      headers: headers as Record<string, string>,
      ...(json === undefined ? {} : { json }),
    });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  };
  for (const who of PEOPLE) {
    tokens.set(who, await world.token(who));
    const job = { command: `run secret-of-${who}`, rundir: '/tmp', env: 'BASE', logfile: `log-${who}` };
    const made = await call(who, 'POST', '/api/v3/jobs', { json: job });
    assert.equal(made.status, 200, made.text);
    jobIds.set(who, Number((JSON.parse(made.text) as { jobid: unknown }).jobid));
  }
  return {
    world,
    call,
    job: (who: Person): number => jobIds.get(who) ?? 0,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const rowsOf = (text: string): unknown[][] => (JSON.parse(text) as Reply).rows ?? [];
const fieldsOf = (text: string): string[] =>
  (JSON.parse(text) as Reply).columns.map(({ field }) => field.toLowerCase());

function hugeAnswer(): string {
  const columns = ['id', 'user', 'command'].map((field, col) => ({ col, field }));
  const rows = Array.from({ length: 60_000 }, (_, nth) => [nth, 'team', 'true']);
  const body = JSON.stringify({ columns, rows });
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

describe('jobs.visibility: own on the road', () => {
  let farm: Awaited<ReturnType<typeof createFarm>>;
  before(async () => {
    farm = await createFarm({ visibility: 'own' });
  });
  after(() => farm[Symbol.asyncDispose]());

  for (const who of ['alice', 'carol', 'ann', 'ben'] as const) {
    it(`shows ${who} one’s own rows and nothing else`, async () => {
      for (const more of ['', '&select=*&order=id', '&select=command', '&select=command&limit=1', '&where=isjob']) {
        const { status, text } = await farm.call(who, 'GET', `/api/v3/query?from=jobs${more}`);
        assert.equal(status, 200, text);
        assert.equal(rowsOf(text).length, 1, `${more}: ${text}`);
        assert.match(text, new RegExp(`secret-of-${who}`));
        assert.equal(text.match(/secret-of-/g)?.length, 1);
      }
    });

    it(`has nothing of another’s job for ${who}: neither to read nor to control`, async () => {
      const none = await farm.call(who, 'GET', '/api/v3/jobs/999999');
      assert.equal(none.status, 404);
      const said = (text: string) => ({ ...JSON.parse(text), request_id: '' });
      for (const other of PEOPLE.filter((name) => name !== who)) {
        const path = `/api/v3/jobs/${farm.job(other)}`;
        const tries = [
          await farm.call(who, 'GET', path),
          await farm.call(who, 'GET', `${path}/command`),
          await farm.call(who, 'GET', `${path}/*?format=csv`),
          await farm.call(who, 'GET', `/api/v3/query?from=${farm.job(other)}`),
          await farm.call(who, 'PUT', path, { json: { action: 'stop' } }),
          await farm.call(who, 'PATCH', path, { json: { jobname: 'x' } }),
          await farm.call(who, 'DELETE', path),
          await farm.call(who, 'DELETE', '/api/v3/jobs/999999'),
        ];
        for (const { status, text } of tries) assert.deepEqual([status, said(text)], [404, said(none.text)]);
        assert.equal((await farm.call(who, 'HEAD', path)).status, 404);
      }
      const own = await farm.call(who, 'GET', `/api/v3/jobs/${farm.job(who)}`);
      assert.match(own.text, new RegExp(`secret-of-${who}`));
      const query = await farm.call(who, 'GET', `/api/v3/query?select=command&from=000${farm.job(who)}`);
      assert.match(query.text, new RegExp(`secret-of-${who}`));
    });

    it(`gives ${who} CSV without what was added`, async () => {
      const { text, headers } = await farm.call(who, 'GET', '/api/v3/query?select=command&from=jobs&format=csv');
      assert.equal(headers.get('content-type'), 'text/csv');
      assert.equal(text, `COMMAND\r\nvw run secret-of-${who} > log-${who}\r\n`);
      const bare = await farm.call(who, 'GET', '/api/v3/query?select=command&from=jobs&format=csv-noheader');
      assert.equal(bare.text, `vw run secret-of-${who} > log-${who}\r\n`);
    });
  }

  it('answers in the columns that were asked for', async () => {
    const { text } = await farm.call('ann', 'GET', '/api/v3/query?select=host,command&from=jobs');
    assert.deepEqual(fieldsOf(text), ['host', 'command']);
    assert.equal(rowsOf(text)[0]?.length, 2);
  });

  it('says nothing of sets and of errors in which others might be', async () => {
    const one = await farm.call('ann', 'GET', '/api/v3/query?from=Class:unknown');
    const two = await farm.call('ann', 'GET', '/api/v3/query?from=unknown');
    assert.deepEqual([one.status, one.text], [two.status, two.text]);
    assert.equal(rowsOf(one.text).length, 0);
    const bad = await farm.call('alice', 'GET', '/api/v3/query?from=jobs&where=nofield');
    assert.equal(bad.status, 200);
    assert.match((JSON.parse(bad.text) as Reply).errmsg ?? '', /reason is not shown/);
    assert.doesNotMatch(bad.text, /no such field/);
  });

  it('gives no header that speaks of the whole answer, and heeds no condition', async () => {
    const headers = { 'if-none-match': '*', range: 'bytes=0-3', 'if-modified-since': new Date().toUTCString() };
    const { status, text, headers: got } = await farm.call('ann', 'GET', '/api/v3/query?from=jobs', { headers });
    assert.equal(status, 200);
    assert.equal(rowsOf(text).length, 1);
    for (const name of ['etag', 'last-modified', 'content-range', 'accept-ranges']) assert.equal(got.get(name), null);
    assert.equal(got.get('cache-control'), 'no-store');
  });

  it('shows everything to operators and admins; an operator still controls only their own', async () => {
    for (const who of ['olga', 'root'] as const) {
      assert.equal(rowsOf((await farm.call(who, 'GET', '/api/v3/query?from=jobs')).text).length, PEOPLE.length);
      assert.equal((await farm.call(who, 'GET', `/api/v3/jobs/${farm.job('ann')}`)).status, 200);
    }
    const stop = await farm.call('olga', 'DELETE', `/api/v3/jobs/${farm.job('ann')}`);
    assert.equal(stop.status, 403);
    assert.match(stop.text, /GW_NOT_YOURS/);
  });

  it('refuses reads that cannot be filtered, before vovserver sees them', async () => {
    const mark = farm.world.vovserver.ledger.seq;
    for (const path of [
      '/api/v3/sets/1',
      '/api/v3/hosts/1',
      '/api/v3/jobs/1/command/x',
      '/api/v3/query?from=System:User:carol',
      '/api/v3/query?from=jobs&where=user==a)|(isjob',
      '/api/v3/query?from=jobs&from=jobs',
      '/api/v3/query?from=jobs&x=1',
    ]) {
      const { status, text } = await farm.call('alice', 'GET', path);
      assert.equal(status, 403, `${path}: ${text}`);
      assert.match(text, /GW_NOT_FILTERABLE/);
    }
    assert.equal((await farm.call('alice', 'HEAD', '/api/v3/query?from=jobs')).status, 403);
    assert.equal(farm.world.vovserver.ledger.requests.filter(({ seq }) => seq > mark).length, 0);
  });

  it('lets the queue itself be read', async () => {
    assert.equal((await farm.call('alice', 'GET', '/api/v3/project/1/version')).status, 200);
    assert.equal((await farm.call('alice', 'GET', '/api/v3/projects/1')).status, 404, 'the stand-in has none');
    assert.match((await farm.call('ben', 'GET', '/api/v3/query?select=project&from=1')).text, /"rows":\[\["test"\]\]/);
  });

  it('lets people who ask at the same moment share a call, and none sees the rows of the other', async () => {
    using _slow = farm.world.vovserver.addFault({ kind: 'delay', ms: 150, path: '/query' });
    const mark = farm.world.vovserver.ledger.seq;
    const asked = Array.from({ length: 20 }, (_, nth) => (nth % 2 === 0 ? 'ann' : 'ben'));
    const answers = await Promise.all(
      asked.map((who) => farm.call(who as Person, 'GET', '/api/v3/query?select=command&from=System:jobs')),
    );
    for (const [at, { text }] of answers.entries()) {
      assert.match(text, new RegExp(`secret-of-${asked[at]}`));
      assert.equal(text.match(/secret-of-/g)?.length, 1);
    }
    const calls = farm.world.vovserver.ledger.requests.filter(({ seq, target }) => seq > mark && /query/.test(target));
    assert.ok(calls.length <= 3, `${calls.length} calls`);
  });

  const raw = (status: string, body: string) =>
    ({
      kind: 'raw',
      path: '/query',
      text: `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    }) as const;

  for (const [what, fault] of [
    ['that breaks off', { kind: 'truncated-json', path: '/query' }],
    ['that is cut', { kind: 'reset-mid-body', path: '/query' }],
    ['whose columns have odd names', raw('200 OK', '{"columns":[{"col":0,"field":"us\\u00e9r"}],"rows":[["x"]]}')],
    ['that does not tell whose its rows are', raw('200 OK', '{"columns":[{"col":0,"field":"id"}],"rows":[[1]]}')],
    ['that is a page', raw('200 OK', '<html>of secret-of-carol</html>')],
  ] as const) {
    it(`answers 502 to a list ${what}, and shows nothing of it`, async () => {
      using _broken = farm.world.vovserver.addFault(fault);
      const { status, text } = await farm.call('ann', 'GET', '/api/v3/query?from=jobs&order=id');
      assert.equal(status, 502, text);
      assert.match(text, /GW_UPSTREAM_INVALID/);
      assert.doesNotMatch(text, /secret-of/);
    });
  }

  it('stops at a list that is too long to be looked through, and says what to do', async () => {
    using _huge = farm.world.vovserver.addFault({ kind: 'raw', path: '/query', text: hugeAnswer() });
    const { status, text } = await farm.call('ann', 'GET', '/api/v3/query?from=jobs&order=id');
    assert.equal(status, 403, text);
    assert.match(text, /more than 50000 rows; narrow it with where/);
  });

  it('keeps to itself what vovserver says when it fails', async () => {
    using _failed = farm.world.vovserver.addFault(raw('500 Failed', '{"error":"job 45080 of carol"}'));
    for (const more of ['', '&format=csv']) {
      const { status, text } = await farm.call('alice', 'GET', `/api/v3/query?from=jobs&order=id${more}`);
      assert.equal(status, 500, text);
      assert.doesNotMatch(text, /carol/);
    }
  });

  it('lets one’s own job be controlled', async () => {
    for (const who of ['carol', 'ben'] as const) {
      const path = `/api/v3/jobs/${farm.job(who)}`;
      assert.equal((await farm.call(who, 'PATCH', path, { json: { jobname: `of-${who}` } })).status, 200);
      assert.match((await farm.call(who, 'GET', `${path}/jobname`)).text, new RegExp(`"of-${who}"`));
    }
  });
});

describe('jobs.visibility', () => {
  it('own opens the objects that the administrator lists', async () => {
    await using farm = await createFarm({ visibility: 'own', openObjects: ['hosts'] });
    assert.match((await farm.call('alice', 'GET', '/api/v3/query?select=name&from=hosts&limit=1')).text, /farm1/);
    assert.match((await farm.call('alice', 'GET', '/api/v3/hosts/2/name')).text, /farm2/);
    assert.equal((await farm.call('alice', 'GET', '/api/v3/users/1')).status, 403);
    const path = `/api/v3/hosts/${farm.job('alice')}`;
    for (const tail of ['', '/command', '/*']) {
      const { status, text } = await farm.call('carol', 'GET', `${path}${tail}`);
      assert.deepEqual([status, /GW_NOT_FOUND/.test(text)], [404, true], tail);
    }
    const ofBen = `/api/v3/hosts/${farm.job('ben')}/command`;
    assert.match((await farm.call('ann', 'GET', ofBen)).text, /GW_NOT_FOUND/, 'nor on a shared account');
    assert.doesNotMatch((await farm.call('alice', 'GET', `${path}/command`)).text, /GW_NOT_FOUND/);
  });

  it('server, the default, shows what vovserver shows', async () => {
    await using farm = await createFarm({});
    const { text } = await farm.call('ann', 'GET', '/api/v3/query?from=jobs');
    assert.equal(rowsOf(text).length, PEOPLE.length);
    assert.equal((await farm.call('ann', 'GET', `/api/v3/jobs/${farm.job('alice')}`)).status, 200);
    assert.equal((await farm.call('ann', 'DELETE', `/api/v3/jobs/${farm.job('alice')}`)).status, 403);
  });
});
