import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_PROFILE, MARKER } from '../../standin/vovserver/index.ts';
import { createObjectClass } from '../../standin/vovserver/object-class.ts';
import { queryReply } from '../../standin/vovserver/query-reply.ts';
import { type Client, createPair, type QueryBody, submit } from './client.ts';

const query = async (client: Client, parameters: Record<string, string>, user = 'alice'): Promise<QueryBody> =>
  (await client.as(user, 'GET', `/api/v3/query?${new URLSearchParams(parameters)}`)).json();

/** Two jobs of alice (45080, 45086) and one of bob (45083). */
async function prepared(options: Parameters<typeof createPair>[0] = {}): Promise<Client> {
  const client = await createPair(options);
  await submit(client, 'alice', 'a', { 'priority,sched': 4 });
  await submit(client, 'bob', 'b', { jobclass: 'hercules' });
  await submit(client, 'alice', 'c', { 'priority,sched': 9 });
  return client;
}

/** A plain reader of RFC 4180. */
function readCsv(text: string): string[][] {
  const cell = /(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n)/gy;
  const rows: string[][] = [[]];
  for (const [, quoted, bare, end] of text.matchAll(cell)) {
    rows.at(-1)?.push(quoted === undefined ? (bare ?? '') : quoted.replaceAll('""', '"'));
    if (end !== ',') rows.push([]);
  }
  return rows.slice(0, -1);
}

const ids = (body: QueryBody): number[] => (body.rows ?? []).map(([id]) => Number(id));

describe('a query', () => {
  it('has the keys of the tutorial', async () => {
    await using client = await createPair();
    assert.deepEqual(await query(client, { select: 'project', from: '1' }), {
      startrow: 1,
      endrow: 1,
      query: 'SELECT project FROM 1',
      errmsg: '',
      columns: [{ col: 0, field: 'project' }],
      rows: [['vnc']],
    });
  });

  it('lists as nc_list does, in upper case', async () => {
    await using client = await prepared();
    const body = await query(client, { select: 'id,statusnc,PRIORITYPP,host,command', from: 'System:User:alice' });
    assert.deepEqual(
      body.columns?.map(({ field }) => field),
      ['ID', 'STATUSNC', 'PRIORITYPP', 'HOST', 'COMMAND'],
    );
    assert.deepEqual(body.rows?.[0], ['000045080', 'Idle', 'normal', '', 'vw sleep 30 > log.a']);
    assert.deepEqual(ids(body), [45_080, 45_086]);
  });

  for (const [from, expected] of [
    ['jobs', [45_080, 45_083, 45_086]],
    ['System:jobs', [45_080, 45_083, 45_086]],
    ['System:User:bob', [45_083]],
    ['System:User:nobody', []],
    ['Class:hercules', [45_083]],
    ['45086', [45_086]],
    ['000045086', [45_086]],
  ] as const) {
    it(`from ${from}`, async () => {
      await using client = await prepared();
      assert.deepEqual(ids(await query(client, { select: 'idint', from })), expected);
    });
  }

  for (const [where, expected] of [
    ['user==alice', [45_080, 45_086]],
    ['user==a|isjob', [45_080, 45_083, 45_086]],
    ['user==alice idint>45080', [45_086]],
    ['idint==45080,45083', [45_080, 45_083]],
    ['jobclass', [45_083]],
    ['id==45080', [45_080]],
  ] as const) {
    it(`where ${where}`, async () => {
      await using client = await prepared();
      assert.deepEqual(ids(await query(client, { select: 'idint', from: 'jobs', where })), expected);
    });
  }

  it('a set of another user is open to everyone, so a gateway has to guard it', async () => {
    await using client = await prepared();
    assert.deepEqual(ids(await query(client, { select: 'idint', from: 'System:User:bob' }, 'reader')), [45_083]);
  });

  it('orders and limits', async () => {
    await using client = await prepared();
    const base = { select: 'idint', from: 'jobs' };
    assert.deepEqual(ids(await query(client, { ...base, order: 'IDINT DESC' })), [45_086, 45_083, 45_080]);
    assert.deepEqual(ids(await query(client, { ...base, order: 'user desc,idint' })), [45_083, 45_080, 45_086]);
    assert.deepEqual(ids(await query(client, { ...base, order: 'idint DESC', limit: '1' })), [45_086]);
    assert.deepEqual(ids(await query(client, { ...base, limit: '2' })), [45_080, 45_083]);
    client.server.setProfile({ defaultLimit: 1 });
    assert.deepEqual(ids(await query(client, base)), [45_080]);
  });

  it('without rows leaves `rows` out, or has an empty list', async () => {
    await using client = await createPair();
    const parameters = { select: 'id', from: 'jobs' };
    assert.equal('rows' in (await query(client, parameters)), false);
    client.server.setProfile({ emptyRows: 'list' });
    assert.deepEqual((await query(client, parameters)).rows, []);
  });

  for (const bad of [
    { select: 'id', from: 'nonsense' },
    { select: 'id', from: '' },
    { select: 'id', from: '99999' },
    { select: 'id', from: 'jobs', where: 'user==' },
    { select: 'id', from: 'jobs', where: '(user==a' },
    { select: 'id', from: 'jobs', where: 'user~"("' },
    { select: 'id', from: 'jobs', limit: '-1' },
    { select: 'id', from: 'jobs', order: 'id sideways' },
  ]) {
    it(`${new URLSearchParams(bad)} is 200 with errmsg, or 400`, async () => {
      await using client = await createPair();
      const body = await query(client, bad);
      assert.ok(body.errmsg);
      assert.equal(body.rows, undefined);
      client.server.setProfile({ badQuery: '400' });
      const path = `/api/v3/query?${new URLSearchParams(bad)}`;
      assert.equal((await client.as('alice', 'GET', path)).status, 400);
    });
  }

  for (const bad of [
    { select: 'id,nonsense', from: 'jobs' },
    { select: 'id', from: 'jobs', order: 'nonsense' },
  ]) {
    it(`${new URLSearchParams(bad)} names the unknown field`, async () => {
      await using client = await createPair();
      assert.match((await query(client, bad)).errmsg ?? '', /nonsense/);
    });
  }

  it('names its error and its columns as the profile says', async () => {
    await using client = await prepared();
    const field = async (): Promise<string | undefined> =>
      (await query(client, { select: 'StatusNC', from: 'jobs' })).columns?.[0]?.field;
    client.server.setProfile({ errorKey: 'errormsg' });
    const body = await query(client, { select: 'id', from: 'nonsense' });
    assert.ok(body.errormsg);
    assert.equal('errmsg' in body, false);
    assert.equal(await field(), 'STATUSNC');
    client.server.setProfile({ columnCase: 'lower' });
    assert.equal(await field(), 'statusnc');
    client.server.setProfile({ columnCase: 'requested' });
    assert.equal(await field(), 'StatusNC');
    client.server.setProfile({ columnCase: 'upper' });
    assert.deepEqual((await query(client, { select: 'project', from: '1' })).columns, [{ col: 0, field: 'PROJECT' }]);
  });

  it('lists the kinds of objects', async () => {
    await using client = await createPair();
    const { rows = [] } = await query(client, { select: 'objectname', from: 'objects' });
    assert.ok(rows.flat().includes('jobs'));
    assert.ok(rows.flat().includes('project'));
  });

  it('comes as CSV', async () => {
    await using client = await prepared();
    const path = '/api/v3/query?select=idint,user&from=System:User:bob&format=';
    assert.equal((await client.as('alice', 'GET', `${path}csv`)).text, 'IDINT,USER\r\n45083,bob\r\n');
    assert.equal((await client.as('alice', 'GET', `${path}csv-noheader`)).text, '45083,bob\r\n');
    assert.equal((await client.as('alice', 'GET', `${path}yaml`)).status, 400);
  });
});

describe('any query', () => {
  const objects = createObjectClass<{ n: number; s: string }>('things', { N: ({ n }) => n, S: ({ s }) => s });
  const item = fc.record({ n: fc.nat(5), s: fc.string({ maxLength: 6 }) });
  const columns = objects.fields.map((field) => ({ field, requested: null }));

  it('comes back from its CSV as it went in', () => {
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const result = { query: '', columns, items, isJob: false, single: false };
        const { body } = queryReply(DEFAULT_PROFILE, result, 'csv-noheader');
        assert.deepEqual(
          readCsv(String(body)),
          items.map(({ n, s }) => [String(n), s]),
        );
      }),
    );
  });

  it('says how many rows it has, and has no `rows` without any', () => {
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const result = { query: '', columns, items, isJob: false, single: false };
        const value = JSON.parse(String(queryReply(DEFAULT_PROFILE, result, 'json').body));
        assert.equal(value.endrow, items.length);
        assert.equal(value.startrow, items.length === 0 ? 0 : 1);
        assert.deepEqual(
          value.rows ?? [],
          items.map(({ n, s }) => [n, s]),
        );
        assert.equal('rows' in value, items.length > 0);
      }),
    );
  });
});

describe('project, pages and what is not there', () => {
  it('tells the queue and the version', async () => {
    await using client = await createPair({ queueName: 'vnc_east' });
    const name = await client.as('alice', 'GET', '/api/v3/project/1/project');
    assert.deepEqual(name.json().rows, [['vnc_east']]);
    const version = await client.as('alice', 'GET', '/api/v3/project/1/version');
    assert.deepEqual(version.json().columns, [{ col: 0, field: 'version' }]);
    assert.equal((await client.as('alice', 'GET', '/api/v3/project/2')).status, 404);
    assert.equal((await client.as('alice', 'GET', '/api/v3/hosts/1/name')).json().rows?.[0]?.[0], 'farm1');
  });

  it('needs a login for it, unless the profile opens it', async () => {
    await using client = await createPair();
    assert.equal((await client.call('GET', '/api/v3/project/1/project')).status, 401);
    client.server.setProfile({ projectNeedsLogin: false });
    assert.equal((await client.call('GET', '/api/v3/project/1/project')).status, 200);
    assert.equal((await client.call('GET', '/api/v3/jobs/1')).status, 401);
  });

  for (const path of ['/html/vovrest.html', '/project', '/vov/srvconfig.cgi', '/api/v1/jobs', '/api/v2/query?x=1']) {
    it(`${path} carries the marker and needs no login`, async () => {
      await using client = await createPair();
      const answer = await client.call('GET', path);
      assert.equal(answer.status, 200);
      assert.ok(answer.text.includes(MARKER));
    });
  }

  it('the legacy provider has no v3, but the old pages', async () => {
    await using client = await createPair({ profile: { provider: 'legacy' } });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const login = await client.call('POST', '/api/v3/token', { headers: form, body: 'username=alice&password=pw' });
    assert.equal(login.status, 404);
    assert.equal((await client.call('GET', '/project')).status, 200);
  });

  for (const path of [
    '/',
    '/api/v3',
    '/api/v4/jobs',
    '/api/v3/nonsense/1',
    '/api/v3/jobs/1/a/b',
    '/__proto__',
    '/constructor',
  ]) {
    it(`${path} is not found`, async () => {
      await using client = await createPair();
      assert.equal((await client.as('alice', 'GET', path)).status, 404);
    });
  }

  it('a path that cannot be decoded is a Bad Request', async () => {
    await using client = await createPair();
    await submit(client, 'alice', 'a');
    assert.equal((await client.as('alice', 'GET', '/api/v3/jobs/45080/%zz')).status, 400);
  });
});
