import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRowFilter, createVisibility, planQuery, type RowsPlan, withheld } from '../../src/access/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { bodyOf, createFarm, filtered, see, visibility } from './visibility-world.ts';

const BOB = { name: 'bob', shared: false };
const TEAM = { name: 'svc-ci', shared: true };
const isRefused = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_NOT_FILTERABLE';
const isInvalid = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_UPSTREAM_INVALID';

function rewrite(query: string, reader = BOB): RowsPlan {
  const plan = planQuery(query, reader, ['hosts']);
  if (plan.kind !== 'rows') throw new Error(`${query} is plain`);
  const { kind: _, ...rows } = plan;
  return rows;
}

const sent = (query: string, reader = BOB): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(rewrite(query, reader).target.split('?')[1]));

describe('rewriting a query', () => {
  it('asks for the owner and for the account’s own rows', () => {
    const rewritten = rewrite('select=id,statusnc&from=System%3AUser%3Abob&order=id+DESC&limit=5', BOB);
    assert.deepEqual(rewritten, {
      target:
        '/api/v3/query?select=id%2Cstatusnc%2Cuser&from=System%3AUser%3Abob&where=user%3D%3Dbob&order=id%20DESC&limit=5',
      strip: ['user'],
      limit: null,
      format: 'json',
      jobId: null,
      isSet: false,
    });
  });

  it('puts the caller’s rule in brackets', () => {
    assert.equal(sent('from=jobs&where=isjob|user==alice').where, 'user==bob&(isjob|user==alice)');
    assert.equal(sent('from=jobs&where=').where, 'user==bob');
    assert.equal(sent('from=jobs', { name: 'b.o-b', shared: false }).where, 'user=="b.o-b"');
  });

  it('adds no column that is there', () => {
    assert.deepEqual(rewrite('select=US_ER,id&from=jobs', BOB).strip, []);
    assert.deepEqual(rewrite('from=jobs', TEAM).strip, []);
    assert.deepEqual(rewrite('select=host&from=jobs', TEAM).strip, ['user', 'id']);
    assert.deepEqual(rewrite('select=idint&from=jobs', TEAM).strip, ['user']);
  });

  it('keeps the limit of a shared account for itself', () => {
    assert.equal(rewrite('from=jobs&limit=3', TEAM).limit, 3);
    assert.equal(sent('from=jobs&limit=3', TEAM).limit, '50001');
    assert.equal(rewrite('from=jobs', TEAM).limit, null);
  });

  it('leaves alone what holds no jobs', () => {
    for (const from of ['1', 'project', 'objects', 'hosts']) {
      assert.deepEqual(planQuery(`from=${from}`, BOB, ['hosts']), {
        kind: 'plain',
        target: `/api/v3/query?from=${from}`,
      });
    }
  });

  it('asks for JSON whatever the caller wants in the end', () => {
    assert.equal(rewrite('from=jobs&format=csv').format, 'csv');
    assert.equal(sent('from=jobs&format=csv-noheader').format, 'json');
    assert.equal(sent('from=jobs').format, undefined);
  });

  it('tells a set and a single job from all jobs', () => {
    for (const from of ['jobs', 'System:jobs', 'System:User:bob']) {
      assert.deepEqual([rewrite(`from=${from}`).isSet, rewrite(`from=${from}`).jobId], [false, null], from);
    }
    for (const from of ['Class:x', 'users', 'Jobs']) assert.equal(rewrite(`from=${from}`).isSet, true);
    assert.equal(rewrite('from=000045080').jobId, '45080');
    assert.equal(sent('from=000045080').from, '45080');
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
    ...['From=jobs', 'from=jobs&limit', 'from=a%20b', 'from=%ff', 'from=jobs%00', 'from=jobs&format=xml', 'from=%'],
    ...[
      'from=jobs&format=CSV',
      'from=System:User:alice',
      'from=system:user:alice',
      'from=jobs&select=id,ID',
      'from=jobs&select=command,comm_and',
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
    it(`refuses ${query}`, () => assert.throws(() => rewrite(query, BOB), isRefused));
  }

  for (const where of ['x=="(" y==")"', 'a=="1","2"', '(a|b)&!(c)', 'x~"[a-z]+"', 'user=="alice"', 'x==(a)']) {
    it(`takes ${where}`, () => {
      assert.equal(sent(`from=jobs&where=${encodeURIComponent(where)}`).where, `user==bob&(${where})`);
    });
  }
});

const PLAN = { strip: [], limit: null, format: 'json', jobId: null, isSet: false } as const;

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

  for (const path of ['/api/v3/project/1/version', '/api/v3/projects/1', '/api/v3/hosts/farm1', '/api/v3/objects']) {
    it(`lets through ${path}`, () => assert.deepEqual(plan(path), { kind: 'plain', target: path }));
  }

  it('looks first whether a number below an open object is the job of somebody else', () => {
    const target = '/api/v3/hosts/45080/command';
    assert.deepEqual(plan(target), { kind: 'plain', target, number: '45080' });
    assert.deepEqual(plan('/api/v3/hosts/00045080'), { ...plan('/api/v3/hosts/45080') });
    assert.deepEqual(plan('/api/v3/hosts/1/name'), { kind: 'plain', target: '/api/v3/hosts/1/name' });
    for (const name of ['3node', '10-0-0-1', 'farm1.example.com', 'e5', 'node7']) {
      assert.deepEqual(plan(`/api/v3/hosts/${name}`), { kind: 'plain', target: `/api/v3/hosts/${name}` });
    }
    for (const odd of ['45080.0', '0xb018', '0o130030', '4508e1', '45_080', '1234567890123', '-45080', '.5']) {
      assert.throws(() => plan(`/api/v3/hosts/${odd}/command`), isRefused, odd);
    }
  });

  for (const [path, says] of [
    ['/api/v3/project/45080/command', /Below project no other number than 1 can be read/],
    ['/api/v3/objects/1', /Below objects no id can be read/],
    ['/api/v3/jobs/abc', /by its number/],
    ['/api/v3/jobs/1/a/b', /Behind jobs at most an id and the name of one field/],
    ['/api/v3/hosts/0x10', /Below hosts an id is a name, or a number of 1 to 12 digits/],
    ['/api/v3/users/1', /this names users/],
  ] as const) {
    it(`says why it refuses ${path}`, () => assert.throws(() => plan(path), { message: says }));
  }

  it('blames no query where there was none', () => {
    const text = (target: string): string => withheld(405, { ...PLAN, target }).body.toString();
    assert.match(text('/api/v3/jobs'), /refused the list.*ask \/api\/v3\/query\?from=jobs/);
    assert.doesNotMatch(text('/api/v3/jobs'), /names of the fields/);
    assert.match(text('/api/v3/query?from=jobs'), /names of the fields, and where/);
  });

  it('has no say in what is no read of vovserver', () => {
    assert.deepEqual(plan('/healthz'), { kind: 'pass' });
  });

  it('spells a query of something else anew', () => {
    assert.deepEqual(plan('/api/v3/query', 'from=project&select=project'), {
      kind: 'plain',
      target: '/api/v3/query?select=project&from=project',
    });
  });

  it('filters the bare list of jobs', () => {
    assert.deepEqual(plan('/api/v3/jobs'), { kind: 'rows', target: '/api/v3/jobs', ...PLAN });
    assert.throws(() => plan('/api/v3/jobs', 'limit=1'), isRefused);
  });

  for (const [path, query] of [
    ['/api/v3/users/1', ''],
    ['/api/v3/hosts/a/b/c', ''],
    ['/api/v3/nodes/45080', ''],
    ['/api/v3/Jobs/45080', ''],
    ['/api/v3/Query', 'from=jobs'],
    ['/api/v3/jobs/45080/a/b', ''],
    ['/api/v3/jobs/45080/us-er', ''],
    ['/api/v3/jobs/45080', 'from=45083'],
    ['/api/v3/jobs/45080', 'format=csv&format=json'],
    ['/api/v3/project/1/version', 'from=jobs'],
    ['/api/v3/project/45080', ''],
    ['/api/v3/project/01', ''],
    ['/api/v3/projects/45080/command', ''],
    ['/api/v3/objects/45080', ''],
    ['/api/v3/objects/1', ''],
    ['/api/v3/', ''],
  ] as const) {
    it(`refuses ${path}?${query}`, () => assert.throws(() => plan(path, query), isRefused));
  }

  it('refuses the head of a list, whose length would tell', () => {
    assert.throws(() => plan('/api/v3/query', 'from=jobs', 'HEAD'), isRefused);
  });

  it('passes writes, which Ownership looks at', () => {
    assert.deepEqual(plan('/api/v3/jobs/45080', '', 'PUT'), { kind: 'pass' });
  });

  it('passes everything with visibility: server', () => {
    const open = createVisibility({ visibility: 'server', openObjects: [] });
    assert.deepEqual(open.plan('GET', { path: '/api/v3/query', query: 'x' }, BOB), { kind: 'pass' });
  });
});

const columns = (...fields: string[]) => fields.map((field, col) => ({ col, field }));
const textOf = (value: unknown): string | Buffer =>
  typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value);
const kept = (value: unknown, more: Partial<RowsPlan> = {}, reader = BOB, mine: ReadonlySet<string> = new Set()) =>
  filtered({ target: '', ...PLAN, ...more }, reader, textOf(value), mine);

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

  for (const name of ['USER', 'user', 'U_SER']) {
    it(`goes by the column ${name}`, () => {
      const answer = kept({ startrow: 1, endrow: 7, query: 'q', errmsg: '', columns: columns('ID', name), rows });
      assert.deepEqual(bodyOf(answer), {
        startrow: 1,
        endrow: 1,
        query: 'q',
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
    assert.deepEqual(bodyOf(kept(value)).rows, [['bob', 'bob']]);
  });

  it('takes the added columns off, every byte of the others as it came', () => {
    const text = `{"columns":${JSON.stringify(columns('HOST', 'X', 'USER'))},
      "rows" : [ ["a, \\"]x[",1.50e1,"bob"],["b",2,"alice"], ["\\u00e9\xe9\u2028",12345678901234567890,"bob"]]}`;
    const { body } = kept(text, { strip: ['user'] });
    assert.match(
      body.toString(),
      /"rows":\[\["a, \\"\]x\[",1\.50e1\],\["\\u00e9\xe9\u2028",12345678901234567890\]\]\}$/,
    );
  });

  it('passes bytes that are no UTF-8, of one’s own row only', () => {
    const text = `{"columns":${JSON.stringify(columns('user', 'x'))},"rows":[["bob","\xff"],["alice","\xfe"]]}`;
    const { body } = kept(Buffer.from(text, 'latin1'));
    assert.ok(body.includes(0xff) && !body.includes(0xfe));
  });

  it('does not mind in which pieces it comes', () => {
    const cell = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constant('rows'), fc.constant(null));
    const row = fc.tuple(cell, fc.constantFrom('bob', 'alice', '"rows":[', '\\'), fc.integer({ min: 0, max: 20 }));
    const texts = fc.record({ query: fc.string(), note: fc.constantFrom('"rows":[["bob"]]', '}]', '\\"') });
    fc.assert(
      fc.property(fc.array(row), texts, fc.integer({ min: 1, max: 40 }), (all, { query, note }, pieces) => {
        const value = { note, query, columns: columns('x', 'user', 'id'), rows: all, more: { rows: [['bob']] } };
        const plan: RowsPlan = { target: '', ...PLAN };
        const { body } = filtered(plan, BOB, JSON.stringify(value), new Set(), pieces);
        const wanted = all.filter(([, user]) => user === 'bob');
        assert.deepEqual((JSON.parse(body.toString()) as { rows?: unknown }).rows ?? [], wanted);
        assert.ok(!body.toString().includes('more'));
      }),
    );
  });

  it('writes CSV of one’s own rows', () => {
    const value = {
      columns: columns('a', 'b', 'user'),
      rows: [
        ['x, "y"', 'z\n', 'bob'],
        [1, null, 'bob'],
        ['no', 'no', 'alice'],
      ],
    };
    const { contentType, body } = kept(value, { strip: ['user'], format: 'csv' });
    assert.equal(contentType, 'text/csv');
    assert.equal(body.toString(), 'a,b\r\n"x, ""y""","z\n"\r\n1,\r\n');
    assert.equal(kept({ ...value, rows: [] }, { strip: ['user'], format: 'csv-noheader' }).body.toString(), '');
  });

  it('looks the same whether there were no rows or none of the caller', () => {
    const none = { query: 'q', errmsg: '', columns: columns('user') };
    const bodies = [none, { ...none, rows: [] }, { ...none, rows: [['alice']], startrow: 1, endrow: 1, total: 1 }];
    const texts = bodies.map((body) => kept(body).body.toString());
    assert.equal(new Set(texts).size, 1, texts.join('\n'));
  });

  it('looks the same for a set that is not there, is empty, or holds nothing of the caller', () => {
    const none = { query: 'q', errmsg: '', columns: columns('user') };
    const bodies = [none, { ...none, rows: [['alice']] }, { query: 'q', errormsg: 'no such set x', columns: [] }];
    const texts = bodies.map((body) => kept(body, { isSet: true }).body.toString());
    texts.push(withheld(404, { target: '', ...PLAN, isSet: true }).body.toString());
    assert.equal(new Set(texts).size, 1, texts.join('\n'));
  });

  it('says that there was an error, but not in the words of vovserver', () => {
    for (const key of ['errmsg', 'errormsg', 'error']) {
      const { status, body } = kept({ query: 'q', [key]: 'job 45080 of alice is bad', columns: [] });
      assert.equal(status, 200);
      const value = JSON.parse(body.toString()) as Record<string, unknown>;
      assert.match(String(value[key]), /reason is not shown/);
      assert.doesNotMatch(body.toString(), /alice|45080/);
    }
    assert.doesNotMatch(withheld(400, { target: '', ...PLAN }).body.toString(), /alice/);
    assert.equal(withheld(503, { target: '', ...PLAN, isSet: true }).status, 503);
  });

  const good = columns('user', 'x');
  for (const [why, answer] of [
    ['no JSON', '<html>'],
    ['nothing', ''],
    ['broken off', '{"columns":['],
    ['broken off in a row', `{"columns":${JSON.stringify(good)},"rows":[["bob","`],
    ['broken off behind a row', `{"columns":${JSON.stringify(good)},"rows":[["bob","x"]`],
    ['a list', '[]'],
    ['a list of replies', [{ columns: good, rows: [['bob', 'x']] }]],
    ['no owner', { columns: columns('id'), rows: [[1]] }],
    ['the owner by another name', { columns: columns('owner'), rows: [['bob']] }],
    ['rows without columns', { rows: [['bob']] }],
    ['rows before columns', { rows: [['bob', 'x']], columns: good }],
    ['rows twice', `{"columns":${JSON.stringify(good)},"rows":[],"rows":[["bob","x"]]}`],
    ['rows in disguise', `{"columns":${JSON.stringify(good)},"r\\u006fws":[["bob","x"]]}`],
    ['columns twice', `{"columns":${JSON.stringify(good)},"rows":[["bob","x"]],"columns":[{"col":0,"field":"user"}]}`],
    ['columns in another order', { columns: good.toReversed(), rows: [['bob', 'x']] }],
    ['columns without names', { columns: [{ col: 0 }], rows: [['bob']] }],
    ['a row too long', { columns: columns('user'), rows: [['bob', 'alice']] }],
    ['a row that is none', { columns: columns('user'), rows: ['bob'] }],
    ['a cell that is none', { columns: good, rows: [['bob', ['alice']]] }],
    ['rows that are none', { columns: columns('user'), rows: { 0: ['bob'] } }],
    ['something behind its end', '{"columns":[]}]'],
  ] as const) {
    it(`refuses an answer: ${why}`, () => assert.throws(() => kept(answer), isInvalid));
  }

  it('refuses an answer without the added column', () => {
    const answer = { columns: columns('user', 'host'), rows: [['bob', 'alice']] };
    assert.throws(() => kept(answer, { strip: ['user'] }), isInvalid);
  });

  it('stops at too many rows, and at too many bytes of one’s own', () => {
    const many = (user: string) => ({ columns: columns('user'), rows: Array.from({ length: 50_001 }, () => [user]) });
    for (const user of ['bob', 'alice']) assert.throws(() => kept(many(user)), isRefused);
    const filter = createRowFilter({ target: '', ...PLAN }, BOB);
    filter.take(Buffer.from(`{"columns":${JSON.stringify(good)},"rows":[`));
    const row = (user: string) => Buffer.from(`["${user}","${'x'.repeat(1_000_000)}"],`);
    for (let nth = 0; nth < 40; nth += 1) filter.take(row('alice'));
    for (let nth = 0; nth < 16; nth += 1) filter.take(row('bob'));
    assert.throws(() => filter.take(row('bob')), isRefused);
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
      [45083, 'svc-ci'],
    ],
  };

  it('asks the gateway’s own record for each job once, then keeps the caller’s', () => {
    const filter = createRowFilter({ target: '', ...PLAN }, TEAM);
    filter.take(Buffer.from(JSON.stringify(value)));
    assert.equal(filter.pending, 3);
    assert.deepEqual(filter.asked(), ['45080', '45083']);
    filter.decide(new Set(['45083', '45086']));
    assert.equal(filter.pending, 0);
    assert.deepEqual(JSON.parse(filter.finish().body.toString()).rows, [
      [45083, 'svc-ci'],
      [45083, 'svc-ci'],
    ]);
  });

  it('shows nothing of which nobody knows whose it is', () => {
    assert.equal(bodyOf(kept(value, {}, TEAM)).rows, undefined);
  });

  it('keeps to the limit behind the filter', () => {
    const mine = new Set(['45083']);
    assert.deepEqual(bodyOf(kept(value, { limit: 1 }, TEAM, mine)).rows, [[45083, 'svc-ci']]);
    assert.equal(bodyOf(kept(value, { limit: 0 }, TEAM, mine)).rows, undefined);
  });

  it('is not spoilt by a row of somebody else that cannot be read', () => {
    const text = JSON.stringify(value).replace('[45080,"svc-ci"]', '[45080,"svc-ci",["x"]],["\u0001","svc-ci"]');
    assert.equal(bodyOf(kept(text, {}, TEAM, new Set(['45083']))).rows?.length, 2);
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
