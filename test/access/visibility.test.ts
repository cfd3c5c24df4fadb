import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVisibility, ownRowsOf, rewriteQuery, type SeenAnswer } from '../../src/access/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { bodyOf, createFarm, see, visibility } from './visibility-world.ts';

const BOB = { name: 'bob', shared: false };
const TEAM = { name: 'svc-ci', shared: true };
const isRefused = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_BAD_REQUEST';
const isInvalid = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_UPSTREAM_INVALID';

const sent = (query: string, reader = BOB): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(rewriteQuery(query, reader)?.target.split('?')[1] ?? ''));

describe('rewriting a query', () => {
  it('asks for the owner and for the account’s own rows', () => {
    const rewritten = rewriteQuery('select=id,statusnc&from=System%3AUser%3Abob&order=id+DESC&limit=5', BOB);
    assert.deepEqual(rewritten, {
      target:
        '/api/v3/query?select=id%2Cstatusnc%2Cuser&from=System%3AUser%3Abob&where=user%3D%3Dbob&order=id%20DESC&limit=5',
      strip: ['user'],
      limit: null,
    });
  });

  it('puts the caller’s rule in brackets', () => {
    assert.equal(sent('from=jobs&where=isjob|user==alice').where, 'user==bob&(isjob|user==alice)');
    assert.equal(sent('from=jobs&where=').where, 'user==bob');
    assert.equal(sent('from=jobs', { name: 'b.o-b', shared: false }).where, 'user=="b.o-b"');
  });

  it('adds no column that is there', () => {
    assert.deepEqual(rewriteQuery('select=US_ER,id&from=jobs', BOB)?.strip, []);
    assert.deepEqual(rewriteQuery('from=jobs', TEAM)?.strip, []);
    assert.deepEqual(rewriteQuery('select=host&from=jobs', TEAM)?.strip, ['user', 'id']);
    assert.deepEqual(rewriteQuery('select=idint&from=jobs', TEAM)?.strip, ['user']);
  });

  it('keeps the limit of a shared account for itself', () => {
    assert.equal(rewriteQuery('from=jobs&limit=3', TEAM)?.limit, 3);
    assert.equal(sent('from=jobs&limit=3', TEAM).limit, '50001');
    assert.equal(rewriteQuery('from=jobs', TEAM)?.limit, null);
  });

  it('leaves alone what holds no jobs', () => {
    for (const from of ['1', 'project', 'objects']) assert.equal(rewriteQuery(`from=${from}`, BOB), null);
  });

  for (const query of [
    ...[
      '',
      'select=id',
      'from=',
      'from=jobs&from=jobs',
      'from=1&from=jobs',
      'from=jobs&x=1',
      'from=jobs&',
      '&from=jobs',
    ],
    ...['From=jobs', 'from=jobs&limit', 'from=a%20b', 'from=%ff', 'from=jobs%00', 'from=jobs&format=csv', 'from=%'],
    ...[
      'from=jobs&format=csv-noheader',
      'from=jobs&limit=-1',
      'from=jobs&limit=1e3',
      'from=jobs&limit=',
      'from=jobs;x',
    ],
    ...['from=jobs&select=', 'from=jobs&select=id,', 'from=jobs&select=command+AS+user', 'from=jobs&select=id;user'],
    ...['from=jobs&order=', 'from=jobs&order=id+UP', 'from=jobs&order=id;user', 'from=jobs&select=@USER@'],
    ...['isjob)|(isjob', '(isjob', 'isjob)', 'x=="', 'x=="a', 'x=="a"b', 'x==a"b"', 'x==a\\)', "x==')'", 'x=={)}'].map(
      (where) => `from=jobs&where=${encodeURIComponent(where)}`,
    ),
    ...['x==[a]', 'x==$a', 'x;y', 'x#y', 'x`y', 'x\ny', 'x\0y', 'x\u200by', '"a""b"', 'x=="a\\""'].map(
      (where) => `from=jobs&where=${encodeURIComponent(where)}`,
    ),
  ]) {
    it(`refuses ${query}`, () => assert.throws(() => rewriteQuery(query, BOB), isRefused));
  }

  for (const where of ['x=="(" y==")"', 'a=="1","2"', '(a|b)&!(c)', 'x~"[a-z]+"', 'user=="alice"', 'x==(a)']) {
    it(`takes ${where}`, () => {
      assert.equal(sent(`from=jobs&where=${encodeURIComponent(where)}`).where, `user==bob&(${where})`);
    });
  }
});

describe('the plan of a read', () => {
  const plan = (path: string, query = '', method = 'GET') => visibility.plan(method, { path, query }, BOB);

  for (const path of [
    '/api/v3/jobs/45080',
    '/api/v3/jobs/000045080/',
    '/api/v3/jobs/45080/*',
    '/api/v3/jobs/45080/host',
  ]) {
    it(`looks whose job it is first: ${path}`, () => {
      assert.deepEqual(plan(path, 'format=csv'), { kind: 'owner', jobId: '45080' });
      assert.deepEqual(plan(path, '', 'HEAD'), { kind: 'owner', jobId: '45080' });
    });
  }

  for (const path of ['/api/v3/project/1/version', '/api/v3/projects/1', '/api/v3/project/1/', '/healthz']) {
    it(`lets through ${path}`, () => assert.deepEqual(plan(path), { kind: 'pass', target: null }));
  }

  it('spells a query of something else anew', () => {
    assert.deepEqual(plan('/api/v3/query', 'from=project&select=project'), {
      kind: 'pass',
      target: '/api/v3/query?select=project&from=project',
    });
  });

  it('filters the bare list of jobs', () => {
    assert.deepEqual(plan('/api/v3/jobs'), { kind: 'rows', target: '/api/v3/jobs', strip: [], limit: null });
    assert.throws(() => plan('/api/v3/jobs', 'limit=1'), isRefused);
  });

  for (const [path, query] of [
    ['/api/v3/hosts/1', ''],
    ['/api/v3/nodes/45080', ''],
    ['/api/v3/Jobs/45080', ''],
    ['/api/v3/Query', 'from=jobs'],
    ['/api/v3/jobs/45080/a/b', ''],
    ['/api/v3/jobs/45080/us-er', ''],
    ['/api/v3/jobs/45080', 'from=45083'],
    ['/api/v3/jobs/45080', 'format=csv&format=json'],
    ['/api/v3/project/2', ''],
    ['/api/v3/project/1/version', 'from=jobs'],
    ['/api/v3/', ''],
  ] as const) {
    it(`refuses ${path}?${query}`, () => assert.throws(() => plan(path, query), isRefused));
  }

  it('refuses the head of a list, whose length would tell', () => {
    assert.throws(() => plan('/api/v3/query', 'from=jobs', 'HEAD'), isRefused);
  });

  it('passes writes, which Ownership looks at', () => {
    assert.deepEqual(plan('/api/v3/jobs/45080', '', 'PUT'), { kind: 'pass', target: null });
  });

  it('passes everything with visibility: server', () => {
    const open = createVisibility({ visibility: 'server' });
    assert.deepEqual(open.plan('GET', { path: '/api/v3/query', query: 'x' }, BOB), { kind: 'pass', target: null });
  });
});

const reply = (value: unknown, headers: string[] = [], status = 200): SeenAnswer => ({
  status,
  headers: ['Content-Type', 'application/json', ...headers],
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});
const columns = (...fields: string[]) => fields.map((field, col) => ({ col, field }));
const PLAN = { target: '', strip: [], limit: null };
const own = ownRowsOf(BOB, () => undefined);

function kept(answer: SeenAnswer, plan: { strip: string[]; limit: number | null } = PLAN) {
  const filtered = visibility.filter(answer, { target: '', ...plan }, own);
  assert.ok(filtered.kind === 'answer');
  return { ...filtered.answer, value: bodyOf(filtered.answer) };
}

describe('filtering an answer', () => {
  const rows = [
    ['000045080', 'alice'],
    ['000045083', 'bob'],
    ['000045084', 'Bob'],
    ['000045085', 'bob '],
    ['000045086', null],
    ['000045087', 5],
    ['000045088', ''],
  ];

  for (const name of ['USER', 'user', 'U_SER', 'OWNER']) {
    it(`goes by the column ${name}`, () => {
      const { value } = kept(reply({ startrow: 1, endrow: 7, errmsg: '', columns: columns('ID', name), rows }));
      assert.deepEqual(value, {
        startrow: 1,
        endrow: 1,
        errmsg: '',
        columns: columns('ID', name),
        rows: [['000045083', 'bob']],
      });
    });
  }

  it('takes two columns of users only when they agree', () => {
    const value = {
      columns: columns('user', 'USER'),
      rows: [
        ['bob', 'alice'],
        ['bob', 'bob'],
      ],
    };
    assert.deepEqual(kept(reply(value)).value.rows, [['bob', 'bob']]);
  });

  it('takes the added columns off', () => {
    const value = {
      columns: columns('HOST', 'USER'),
      rows: [
        ['a', 'bob'],
        ['b', 'alice'],
      ],
    };
    assert.deepEqual(kept(reply(value), { strip: ['user'], limit: null }).value, {
      startrow: 1,
      endrow: 1,
      columns: columns('HOST'),
      rows: [['a']],
    });
  });

  it('keeps to the limit behind the filter', () => {
    const value = {
      columns: columns('id', 'user'),
      rows: [
        [1, 'alice'],
        [2, 'bob'],
        [3, 'bob'],
      ],
    };
    assert.deepEqual(kept(reply(value), { strip: [], limit: 1 }).value.rows, [[2, 'bob']]);
  });

  it('looks the same whether there were no rows or none of the caller', () => {
    const none = { query: 'q', errmsg: '', columns: columns('user') };
    const bodies = [none, { ...none, rows: [] }, { ...none, rows: [['alice']], startrow: 1, endrow: 1, total: 1 }];
    const texts = bodies.map((body) => kept(reply(body)).body.toString());
    assert.equal(new Set(texts).size, 1, texts.join('\n'));
  });

  it('keeps error texts and nothing else that it does not know', () => {
    assert.deepEqual(kept(reply({ errormsg: 'bad', columns: [], rest: [['alice']] })).value, {
      startrow: 0,
      endrow: 0,
      errormsg: 'bad',
      columns: [],
    });
    assert.equal(kept(reply({ error: 'Acl Denied' })).value.error, 'Acl Denied');
  });

  it('drops headers that speak of the whole answer', () => {
    const headers = ['ETag', '"1"', 'Content-Length', '9', 'X-Own', 'etag', 'Last-Modified', 'x'];
    const answer = kept(reply({ columns: columns('user') }, headers));
    assert.deepEqual(answer.headers, ['Content-Type', 'application/json', 'X-Own', 'etag']);
  });

  it('leaves refusals of vovserver alone', () => {
    const answer = reply('<html>', [], 403);
    assert.deepEqual(visibility.filter(answer, PLAN, own), { kind: 'answer', answer });
  });

  for (const [why, answer] of [
    ['no JSON', reply('<html>')],
    ['broken off', reply('{"columns":[')],
    ['no UTF-8', { ...reply(''), body: Buffer.from([0x22, 0xff, 0x22]) }],
    ['a list', reply('[]')],
    ['no owner', reply({ columns: columns('id'), rows: [[1]] })],
    ['rows without columns', reply({ rows: [['bob']] })],
    [
      'columns in another order',
      reply({
        columns: [
          { col: 1, field: 'user' },
          { col: 0, field: 'id' },
        ],
        rows: [['bob', 1]],
      }),
    ],
    ['columns without names', reply({ columns: [{ col: 0 }], rows: [['bob']] })],
    ['a row too long', reply({ columns: columns('user'), rows: [['bob', 'alice']] })],
    ['a row that is none', reply({ columns: columns('user'), rows: ['bob'] })],
    ['a cell that is none', reply({ columns: columns('user', 'x'), rows: [['bob', ['alice']]] })],
    ['rows that are none', reply({ columns: columns('user'), rows: { 0: ['bob'] } })],
    ['too many rows', reply({ columns: columns('user'), rows: Array.from({ length: 50_001 }, () => ['bob']) })],
    ['compressed', reply({ columns: columns('user') }, ['Content-Encoding', 'gzip'])],
  ] as const) {
    it(`refuses an answer: ${why}`, () => assert.throws(() => visibility.filter(answer, PLAN, own), isInvalid));
  }

  it('refuses an answer without the added column', () => {
    const answer = reply({ columns: columns('user', 'host'), rows: [['bob', 'alice']] });
    assert.throws(() => visibility.filter(answer, { ...PLAN, strip: ['user'] }, own), isInvalid);
  });
});

describe('a shared account', () => {
  const value = {
    columns: columns('IDINT', 'USER'),
    rows: [
      [45080, 'svc-ci'],
      [45083, 'svc-ci'],
      [45086, 'bob'],
      ['x', 'svc-ci'],
      [45080, 'svc-ci'],
    ],
  };

  it('asks the gateway’s own record for each job once, then keeps the caller’s', () => {
    const first = visibility.filter(
      reply(value),
      PLAN,
      ownRowsOf(TEAM, () => undefined),
    );
    assert.deepEqual(first, { kind: 'ask', jobIds: ['45080', '45083'] });
    const mine = ownRowsOf(TEAM, (id) => id === '45083');
    const second = visibility.filter(reply(value), PLAN, mine, true);
    assert.ok(second.kind === 'answer');
    assert.deepEqual(bodyOf(second.answer).rows, [[45083, 'svc-ci']]);
  });

  it('shows nothing of which nobody knows whose it is', () => {
    const second = visibility.filter(
      reply(value),
      PLAN,
      ownRowsOf(TEAM, () => undefined),
      true,
    );
    assert.ok(second.kind === 'answer');
    assert.equal(bodyOf(second.answer).rows, undefined);
  });

  it('refuses to ask for too many', () => {
    const many = { columns: columns('id', 'user'), rows: Array.from({ length: 5001 }, (_, id) => [id, 'svc-ci']) };
    assert.throws(
      () =>
        visibility.filter(
          reply(many),
          PLAN,
          ownRowsOf(TEAM, () => undefined),
        ),
      isInvalid,
    );
  });
});

describe('with the stand-in', () => {
  it('shows bob his own rows of everybody’s, as nc_list asks for them', async () => {
    await using farm = await createFarm('secret');
    const body = bodyOf(await see(farm.client, farm.seers.bob, 'select=id,jobname&from=jobs&order=id+DESC&limit=2'));
    assert.deepEqual(
      body.columns?.map(({ field }) => field),
      ['ID', 'JOBNAME'],
    );
    assert.deepEqual(
      body.rows?.map(([, name]) => name),
      ['open3', 'open2'],
    );
    assert.equal(body.endrow, 2);
  });

  it('shows a person behind a shared account their own rows', async () => {
    await using farm = await createFarm('secret');
    const body = bodyOf(await see(farm.client, farm.seers.ben, 'select=jobname&from=System:User:leader&limit=3'));
    assert.deepEqual(body.rows, [['open0'], ['open1'], ['open2']]);
  });
});
