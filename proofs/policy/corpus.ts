// A corpus of submissions and changes: good ones, forbidden ones, and spellings that one reader may take for another.
import type { Person } from './rules.ts';

/** One request. `expect`: pass, deny, or either as long as nothing forbidden arrives. */
export interface Item {
  readonly who: Person;
  readonly method: 'POST' | 'PATCH' | 'PUT';
  readonly what: string;
  readonly expect: 'pass' | 'deny' | 'either';
  readonly body: Buffer;
  readonly type: string | null;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly chunked: boolean;
  /** Below /api/v3. */
  readonly path: string;
}

type Fields = Record<string, unknown>;

/** A small generator with a seed (mulberry32, public domain). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const PEOPLE: readonly Person[] = ['alice', 'bob', 'carol'];
const JSON_TYPE = 'application/json';

const GOOD: Readonly<Record<string, readonly unknown[]>> = {
  rundir: ['/proj/a', '/proj', '/scratch/chips/x/y', '/proj/a.b/c-d', '/proj/a/'],
  env: ['BASE', 'CLEAN'],
  command: ['sleep 1', 'run', 'run a b 3', 'sleep 10'],
  jobname: ['a', 'x.y-z_9'],
  'priority,sched': [1, 4, '3'],
  jobclass: ['small', 'tiny'],
};
/** Allowed to those whom no rule of interns or resources concerns. */
const WIDER: Readonly<Record<string, readonly unknown[]>> = {
  resources: ['RAM/100', 'RAM/500'],
  autokill: [0, 3600, '60'],
  group: ['/time/users'],
};

const BAD: Readonly<Record<string, readonly unknown[]>> = {
  rundir: [
    '/home/x',
    '/project',
    '/scratch',
    '/proj/../etc',
    '/proj/./a',
    '/proj//a',
    'proj/a',
    '/PROJ/a',
    '/proj/..',
    '/proj/a/../../etc',
    '/proj/a\u0000b',
    '/proj/a;rm',
    '/proj/$HOME',
    '/proj/a b;c',
    ' /proj/a',
    '/proj/a\n',
    '/proj\u2215a',
    '/proj/%2e%2e/etc',
    '/proj\\..\\etc',
    '~/x',
    '',
    ['/proj/a'],
    { a: '/proj' },
    null,
    true,
    7,
  ],
  env: ['base', 'BASE ', 'ＢＡＳＥ', 'BASE\u0000', 'BASE+X', '', null, ['BASE'], 0, { env: 'BASE' }, 'DEBUG'],
  command: ['rm -rf x', 'sleep 1; rm x', 'sleep 1\nrm x', 'run A', 'Sleep 1', '', null, [], 1],
  jobname: ['a b', 'a/b', '', 'a'.repeat(41), 'ä', 'a\n', null, ['a'], {}],
  logfile: ['/etc/p1.log', 'p1.log.sh', '../p1.log', 'P1.log', 'p1.log\n', '', null, ['p1.log'], 5],
  wrapper: ['vw', '', null, false],
  force: [1, true, '0', null],
  'interactive,flag': [1, 0],
};
const BAD_OF_INTERNS: Readonly<Record<string, readonly unknown[]>> = {
  'priority,sched': [5, 15, '9', 4.5, '4x', '0x4', null, [4], '１', '1e1'],
  jobclass: ['big', 'SMALL', '', null],
  resources: ['RAM/100'],
  autokill: [1],
  group: ['/x'],
  user: ['root'],
};
const BAD_OF_MOST: Readonly<Record<string, readonly unknown[]>> = {
  resources: ['RAM/1000', 'ram/100', 'RAM/100 CPU/9', '', null, ['RAM/100']],
  autokill: [3601, '3601', '99999', '1e9', null, [1]],
};

const variants = (name: string): readonly string[] => [
  name.toUpperCase(),
  name[0]?.toUpperCase() + name.slice(1),
  ` ${name}`,
  `${name} `,
  `${name}\u200b`,
  `\ufeff${name}`,
  name.replace('e', 'ｅ'),
  name.replace('o', '０'),
  name.normalize('NFKD'),
  `-${name}`,
  `${name}\u0000`,
];

const FORBIDDEN_ORDER = {
  method: 'PUT',
  what: 'PUT: a field beside the order',
  expect: 'deny',
  body: Buffer.from('{"action":"resume","rundir":"/etc"}'),
} as const;

/** Makes items without end; `serial` names each. */
export function createCorpus(seed: number) {
  const random = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const chance = (share: number): boolean => random() < share;

  const base = (who: Person, serial: number): Fields => {
    const some = (names: Readonly<Record<string, readonly unknown[]>>, share: number): Fields =>
      Object.fromEntries(
        Object.entries(names).flatMap(([name, values]) => (chance(share) ? [[name, pick(values)]] : [])),
      );
    const must = { command: pick(GOOD.command ?? []), rundir: pick(GOOD.rundir ?? []), env: pick(GOOD.env ?? []) };
    const more = who === 'carol' ? {} : some(WIDER, 0.3);
    return { ...some(GOOD, 0.4), ...must, logfile: `p${serial}.log`, ...more };
  };
  const plain = { type: JSON_TYPE, query: '', headers: {}, chunked: false, path: '/jobs', method: 'POST' } as const;
  const json = (fields: Fields): Buffer => Buffer.from(JSON.stringify(fields));
  const badOf = (who: Person): Readonly<Record<string, readonly unknown[]>> => ({
    ...BAD,
    ...(who === 'carol' ? BAD_OF_INTERNS : {}),
    ...(who === 'alice' ? BAD_OF_MOST : {}),
  });

  type Made = Pick<Item, 'what' | 'expect' | 'body'> & Partial<Item>;
  type Maker = (who: Person, serial: number) => Made;

  const value: Maker = (who, serial) => {
    const [name, values] = pick(Object.entries(badOf(who)));
    const given = pick(values);
    // An object of its own: the serial stays readable where the log file itself is what is wrong.
    const body = { ...base(who, serial), [name]: given, ...(name === 'logfile' ? { jobname: `p${serial}.log` } : {}) };
    return { what: `value of ${name}`, expect: 'deny', body: json(body) };
  };
  const several: Maker = (who, serial) => {
    const all = Object.entries(badOf(who)).filter(([name]) => name !== 'logfile');
    const names = [pick(all), pick(all), pick(all)];
    const more = Object.fromEntries(names.map(([name, values]) => [name, pick(values)]));
    return { what: 'several at once', expect: 'deny', body: json({ ...base(who, serial), ...more }) };
  };
  const missing: Maker = (who, serial) => {
    const name = pick(['command', 'rundir', 'env']);
    const { [name]: _, ...rest } = base(who, serial);
    return { what: 'a field is missing', expect: 'deny', body: json(rest) };
  };
  const spelling: Maker = (who, serial) => {
    const name = pick(['rundir', 'env', 'command', 'wrapper', 'force', 'jobname']);
    const [first] = BAD[name] ?? [];
    const body = { ...base(who, serial), [pick(variants(name))]: first };
    return { what: 'another spelling beside it', expect: 'either', body: json(body) };
  };
  const doubled: Maker = (who, serial) => {
    const name = pick(['rundir', 'env', 'command', 'jobname']);
    const text = JSON.stringify(base(who, serial));
    const bad = `${JSON.stringify(name)}:${JSON.stringify(BAD[name]?.[0])}`;
    const escaped = `"${[...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}":"/etc"`;
    const more = pick([bad, escaped]);
    const body = chance(0.5) ? `{${more},${text.slice(1)}` : `${text.slice(0, -1)},${more}}`;
    // A name that was not there before comes once only: then it is just a bad value.
    return { what: 'a name twice', expect: 'deny', body: Buffer.from(body) };
  };
  const shape: Maker = (who, serial) => {
    const good = base(who, serial);
    const text = JSON.stringify(good);
    const wrap = pick<() => Buffer>([
      () => Buffer.from(`[${text}]`),
      () => Buffer.from(`\ufeff${text}`),
      () => Buffer.from(text, 'utf16le'),
      () => Buffer.from(`${text}${text}`),
      () => Buffer.from(`${text}\u0000`),
      () => Buffer.from(`${text},`),
      () => Buffer.from(text.replace('}', ',}')),
      () => Buffer.from(text.replaceAll('"', "'")),
      () => Buffer.from(`/* */${text}`),
      () =>
        Buffer.concat([
          Buffer.from(text.slice(0, -1)),
          Buffer.from(',"x":"'),
          Buffer.from([0xc0, 0xaf]),
          Buffer.from('"}'),
        ]),
      () => Buffer.from(`{"a":${'['.repeat(200)}${']'.repeat(200)},${text.slice(1)}`),
      () => Buffer.from(`{"__proto__":{"rundir":"/etc"},"env":"BASE"}`),
      () => Buffer.from(`{"job":${text}}`),
      () => Buffer.alloc(0),
      () => Buffer.from('null'),
      () => Buffer.from(JSON.stringify({ ...good, jobname: 'x'.repeat(1_100_000) })),
    ]);
    return { what: 'another shape', expect: 'deny', body: wrap() };
  };
  const type: Maker = (who, serial) => {
    const bad = { ...base(who, serial), rundir: '/etc' };
    const form = new URLSearchParams(Object.entries(bad).map(([k, v]): [string, string] => [k, String(v)]));
    const [kind, body] = pick<readonly [string | null, string]>([
      ['application/x-www-form-urlencoded', form.toString()],
      [
        'multipart/form-data; boundary=b',
        `--b\r\nContent-Disposition: form-data; name="rundir"\r\n\r\n/etc\r\n--b--\r\n`,
      ],
      ['text/plain', JSON.stringify(bad)],
      ['application/json; charset=utf-16', JSON.stringify(bad)],
      ['application/json; charset=latin1', JSON.stringify(bad)],
      ['application/vnd.api+json', JSON.stringify(bad)],
      ['application/json, text/plain', JSON.stringify(bad)],
      [null, JSON.stringify(bad)],
    ]);
    return { what: 'another content type', expect: 'deny', body: Buffer.from(body), type: kind };
  };
  const beside: Maker = (who, serial) => ({
    what: 'fields in the query',
    expect: 'deny',
    body: json(base(who, serial)),
    query: pick(['?rundir=/etc', '?env=X&wrapper=1', '?_method=PUT']),
  });
  const headers: Maker = (who, serial) => {
    const bad = chance(0.7);
    const fields = base(who, serial);
    return {
      what: 'headers that speak of another method or body',
      expect: bad ? 'deny' : 'either',
      body: json(bad ? { ...fields, env: 'X' } : fields),
      headers: pick<Record<string, string>>([
        { 'X-HTTP-Method-Override': 'GET' },
        { 'X-Original-URL': '/api/v3/jobs' },
        { 'X-HTTP-Method': 'PATCH' },
        { 'Content-Encoding': 'identity' },
      ]),
      chunked: chance(0.5),
    };
  };
  const elsewhere: Maker = (who, serial) => ({
    what: 'another route of class submit',
    expect: 'deny',
    body: json({ ...base(who, serial), rundir: '/etc' }),
    path: '/jobs/1/copy',
  });
  const good: Maker = (who, serial) => ({
    what: 'good',
    expect: 'pass',
    body: Buffer.from(JSON.stringify(base(who, serial), null, chance(0.3) ? 2 : 0)),
    chunked: chance(0.2),
  });

  const MAKERS: readonly Maker[] = [
    ...[good, good, good, good, value, value, value, value],
    ...[several, missing, spelling, doubled, shape, type, beside, headers, elsewhere],
  ];
  const CHANGES: readonly (readonly [string, unknown, Item['expect']])[] = [
    ['rundir', '/etc', 'deny'],
    ['dir', '/etc', 'deny'],
    ['dir', '/proj/b', 'either'],
    ['env', 'X', 'deny'],
    ['cmd', 'rm x', 'deny'],
    ['command', 'sleep 2', 'either'],
    ['jobname', 'a b', 'deny'],
    ['CMD', 'rm x', 'either'],
    ['jobname', 'ok', 'pass'],
    ['wrapper', 'x', 'deny'],
  ];

  /** Orders to a job that carry fields along, and changes that say them elsewhere. */
  const order = (who: Person, jobId: number): Item => {
    const item = { ...plain, who, path: `/jobs/${jobId}` };
    const put = (what: string, body: string, expect: Item['expect'], more: Partial<Item> = {}): Item => ({
      ...item,
      ...{ method: 'PUT', what: `PUT: ${what}`, expect, body: Buffer.from(body) },
      ...more,
    });
    return pick([
      put('an order', '{"action":"rerun"}', 'pass'),
      put('an order as a form', '{"action":"resume"}', 'pass', { type: 'application/x-www-form-urlencoded' }),
      put('an order without a type', '{"action":"resume"}', 'pass', { type: null }),
      { ...item, ...FORBIDDEN_ORDER },
      put('a short form', '{"action":"resume","dir":"/etc"}', 'deny'),
      put('another case', '{"action":"resume","RunDir":"/etc"}', 'deny'),
      put('a denied key', '{"action":"resume","wrapper":"x"}', 'deny'),
      put('a name twice', '{"action":"resume","env":"X","env":"BASE"}', 'deny'),
      put('as a form', '{"action":"resume","env":"X"}', 'deny', { type: 'application/x-www-form-urlencoded' }),
      put('a form', 'rundir=/etc', 'deny', { type: 'application/x-www-form-urlencoded' }),
      put('in the query', '{"action":"resume"}', 'deny', { query: '?rundir=/etc' }),
      { ...item, method: 'PATCH', what: 'in the query', expect: 'deny', body: json({}), query: '?rundir=/etc' },
      {
        ...item,
        ...{ what: 'an opened route of class control', expect: 'deny', body: json({ env: 'X' }) },
        path: `/jobs/${jobId}/again`,
      },
    ]);
  };

  return {
    /** A submission. The first one is good and the second one is not, so that no corpus is too small for the controls. */
    submission(serial: number): Item {
      const who = pick(PEOPLE);
      if (serial === 0) return { ...plain, who, ...good(who, serial) };
      if (serial === 1)
        return { ...plain, who, what: 'env', expect: 'deny', body: json({ ...base(who, 1), env: 'X' }) };
      return { ...plain, who, ...pick(MAKERS)(who, serial) };
    },
    /** A change of a job of this person; the first one is an order that carries a forbidden field along. */
    change(who: Person, jobId: number, nth: number): Item {
      if (nth === 0) return { ...plain, who, path: `/jobs/${jobId}`, ...FORBIDDEN_ORDER };
      if (chance(0.4)) return order(who, jobId);
      const own: readonly (readonly [string, unknown, Item['expect']])[] =
        who === 'carol'
          ? [
              ['priority,sched', 9, 'deny'],
              ['jobclass', 'big', 'deny'],
              ['res', 'RAM/1', 'deny'],
            ]
          : who === 'alice'
            ? [
                ['res', 'RAM/9000', 'deny'],
                ['resources', 'RAM/9000', 'deny'],
                ['autokill', 9999, 'deny'],
              ]
            : [];
      const [name, given, expect] = pick([...CHANGES, ...own]);
      const body = json({ [name]: given });
      return { ...plain, who, method: 'PATCH', what: `a change of ${name}`, expect, body, path: `/jobs/${jobId}` };
    },
  };
}
