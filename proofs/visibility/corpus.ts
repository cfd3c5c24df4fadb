/** One query of the corpus: its query string; `plain` when a person could mean it, and so must be served. */
export interface Item {
  readonly query: string;
  readonly plain: boolean;
}

/** Chance that is the same for the same seed. */
export interface Dice {
  /** 0 to below 1. */
  next(): number;
  /** 0 to below `count`. */
  below(count: number): number;
  pick<T>(from: readonly T[]): T;
  isOneIn(count: number): boolean;
}

/** Makes dice of a seed (mulberry32). */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
    isOneIn: (count) => below(count) === 0,
  };
}

/** What a query of the corpus may speak of. */
export interface Subjects {
  /** vovserver accounts. */
  readonly accounts: readonly string[];
  /** Ids of jobs of everybody, and some that there are not. */
  readonly jobIds: readonly number[];
}

const FIELDS = ['id', 'idint', 'user', 'jobname', 'command', 'dir', 'env', 'resources', 'jobclass', 'jobproj', 'group'];
const OTHERS = ['statusnc', 'status', 'priority', 'host', 'osgroup', 'isjob', 'exit', 'submittime', 'commandlength'];
const OPERATORS = ['==', '!=', '=', '>', '>=', '<', '<=', '~', '!~', '~~', '^', '!^', '^^', ':', '!:', '::'];
const CASES: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => `${name.slice(0, 1)}_${name.slice(1)}`,
  (name) => `${name.slice(0, 2).toUpperCase()}${name.slice(2)}`,
];

/** Ways to break out of a rule, or to be read by two programs in two ways. */
const BREAKS = [
  ')|(isjob',
  'isjob)|(isjob',
  '")|(isjob|"',
  '"',
  '\\"',
  "'",
  "')|(isjob|('",
  '|isjob',
  ' OR isjob',
  '||isjob',
  '&&isjob|isjob',
  ',isjob',
  '\0)|(isjob',
  '\n)|(isjob',
  '\u2028',
  '--',
  ';isjob',
  '#',
  '%',
  '%29%7C%28isjob',
  '%2529%257C%2528isjob',
  '{isjob}',
  '$user',
  '[user]',
  '`isjob`',
  '\ud800',
];

const SELECTS = ['count(*)', '*,count', 'user AS owner', 'command;user', '"command"', 'command,,user', '', '@USER@'];
const FORMATS = ['json', 'csv', 'csv-noheader', 'CSV', 'xml', 'json,csv', ''];
const LIMITS = ['0', '1', '2', '5', '100', '1000000', '-1', '1e9', '0x10', '', '1;2', '99999999999'];

const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());

/** Makes queries of the grammar and of everything beside it. */
export function createCorpus(dice: Dice, { accounts, jobIds }: Subjects) {
  const field = (): string => dice.pick(CASES)(dice.pick(dice.isOneIn(3) ? OTHERS : FIELDS));
  const word = (): string =>
    dice.pick([...accounts, 'zq', 'own', '.', '.*', '*', '4', 'BASE', '/', 'users', String(dice.pick(jobIds))]);
  const value = (): string => {
    const one = word();
    return dice.isOneIn(3) ? `"${one}"` : one.replace(/[^A-Za-z0-9_./*-]/g, '');
  };
  const predicate = (): string => {
    if (dice.isOneIn(5)) return dice.pick(['isjob', 'jobname', 'priority']);
    return `${field()}${dice.pick(OPERATORS)}${value()}${dice.isOneIn(4) ? `,${value()}` : ''}`;
  };
  const rule = (depth: number): string => {
    if (depth <= 0 || dice.isOneIn(2)) return predicate();
    if (dice.isOneIn(4)) return `!(${rule(depth - 1)})`;
    if (dice.isOneIn(4)) return `(${rule(depth - 1)})`;
    return `${rule(depth - 1)}${dice.pick([' ', '&', '|', '||', ' OR ', ' AND ', ' & '])}${rule(depth - 1)}`;
  };
  const fieldsOnce = (): string => {
    const names = [...FIELDS, ...OTHERS].filter(() => dice.isOneIn(4));
    return (names.length === 0 ? ['command'] : names).map((name) => dice.pick(CASES)(name)).join(',');
  };
  const source = (): string =>
    dice.isOneIn(2)
      ? dice.pick(['jobs', 'System:jobs'])
      : dice.pick([
          ...accounts.map((name) => `System:User:${name}`),
          ...['Class:zq', 'users', 'hosts', 'objects', 'project', '1', 'Jobs', 'JOBS', 'jobs ', 'sets', 'nodes', ''],
          ...[String(dice.pick(jobIds)), String(dice.pick(jobIds)).padStart(9, '0'), `jobs,${dice.pick(jobIds)}`],
        ]);
  const order = (): string => `${field()}${dice.pick(['', ' DESC', ' ASC', ' desc', ',id', ';id', ' UP'])}`;

  const plain = (): Item => {
    const parts: [string, string][] = [['from', dice.pick(['jobs', 'System:jobs'])]];
    if (!dice.isOneIn(5)) parts.push(['select', dice.isOneIn(6) ? '*' : fieldsOnce()]);
    if (!dice.isOneIn(3)) parts.push(['where', rule(2)]);
    if (dice.isOneIn(2)) parts.push(['order', `${dice.pick(FIELDS)}${dice.pick(['', ' DESC'])},idint`]);
    if (dice.isOneIn(2)) parts.push(['limit', dice.pick(['1', '2', '5', '100'])]);
    if (dice.isOneIn(4)) parts.push(['format', dice.pick(['json', 'csv', 'csv-noheader'])]);
    return { query: parts.map(([name, text]) => `${name}=${encoded(text)}`).join('&'), plain: true };
  };
  const twisted = (): string => {
    const inRule = rule(3);
    const where = dice.isOneIn(2) ? `${dice.isOneIn(2) ? '' : inRule}${dice.pick(BREAKS)}` : inRule;
    const parts: [string, string][] = [['from', source()]];
    if (!dice.isOneIn(4)) parts.push(['select', dice.isOneIn(4) ? dice.pick(SELECTS) : fieldsOnce()]);
    if (!dice.isOneIn(4)) parts.push(['where', where]);
    if (dice.isOneIn(3)) parts.push(['order', order()]);
    if (dice.isOneIn(2)) parts.push(['limit', dice.pick(LIMITS)]);
    if (dice.isOneIn(3)) parts.push(['format', dice.pick(FORMATS)]);
    return parts.map(([name, text]) => `${name}=${encoded(text)}`).join('&');
  };
  /** The same in another spelling, with parameters twice, in lists, of other names, or very long. */
  const twist = (query: string): string => (dice.isOneIn(2) ? query : respelled(query));
  const respelled = (query: string): string =>
    dice.pick<() => string>([
      () => query,
      () => query,
      () => query.replaceAll('%20', '+'),
      () => query.replace('from', '%66rom').replace('where', 'wher%65'),
      () => query.replace('from', 'From').replace('where', 'WHERE'),
      () => query.replace(/=(?=[^&])/g, '[]='),
      () => `${query}&from=jobs&where=isjob`,
      () => `from=jobs&${query}`,
      () => `${query}&where=isjob`,
      () => `${query}&%77here=isjob`,
      () => `${query};where=isjob`,
      () => `${query}&limit=1000&limit=1`,
      () => `${query}&select=command`,
      () => `${query}&x=1`,
      () => `${query}&cache=1&owner=${dice.pick(accounts)}&user=${dice.pick(accounts)}`,
      () => query.replaceAll('%', '%25'),
      () => `${query}%00`,
      () => `${query}%FF%C0%AE`,
      () => `${query}&select=${Array.from({ length: 700 }, () => 'command').join(',')}`,
      () => `${query}&where=${'('.repeat(300)}isjob${')'.repeat(300)}`,
      () => `?${query}`,
      () => `&&${query}&`,
    ])();

  return {
    next: (): Item => (dice.isOneIn(3) ? plain() : { query: twist(twisted()), plain: false }),
  };
}

/** Reads and writes that are no query, about one job of somebody else. */
export function strayCalls(dice: Dice, jobId: number): { method: string; path: string; body?: string }[] {
  const id = dice.pick([
    String(jobId),
    String(jobId).padStart(9, '0'),
    `%3${String(jobId)[0]}${String(jobId).slice(1)}`,
  ]);
  const field = dice.pick([
    'command',
    'USER',
    'dir',
    'env',
    'jobname',
    'resources',
    '*',
    'jobclass',
    'id',
    'nofield',
    '',
  ]);
  const more = dice.pick([
    '',
    '?format=csv',
    '?format=csv-noheader',
    '?from=jobs',
    '?select=*',
    '?format=json&format=csv',
    '?x',
  ]);
  const action = dice.pick(['stop', 'suspend', 'resume', 'rerun', 'nothing']);
  const json = (value: unknown): string => JSON.stringify(value);
  return [
    { method: 'GET', path: `/api/v3/jobs/${id}${more}` },
    { method: 'GET', path: `/api/v3/jobs/${id}/${field}${more}` },
    { method: 'HEAD', path: `/api/v3/jobs/${id}` },
    { method: 'PUT', path: `/api/v3/jobs/${id}`, body: json({ action }) },
    {
      method: 'PATCH',
      path: `/api/v3/jobs/${id}${dice.pick(['', '/'])}`,
      body: json({ jobname: 'taken', 'priority,sched': 15 }),
    },
    { method: 'DELETE', path: `/api/v3/jobs/${id}${more}` },
    { method: 'GET', path: `/gateway/v1/jobs/${jobId}` },
    { method: 'GET', path: `/gateway/v1/jobs/${jobId}/origin` },
    {
      method: dice.pick(['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS']),
      path: dice.pick([
        ...[
          '/api/v3/jobs',
          '/api/v3/jobs/',
          '/api/v3/Jobs',
          `/api/v3/nodes/${id}`,
          `/api/v3/JOBS/${id}`,
          '/api/v3/users/1',
        ],
        ...[
          `/api/v3/jobs/${id}/command/x`,
          `/api/v3/jobs/${id},${id}`,
          '/api/v3/sets/System:jobs',
          '/api/v3/',
          '/api/v3/query',
        ],
        ...[
          `/api/v3/job/${id}`,
          `/api/v3/jobs/${id}%2Fcommand`,
          `/api/v3/jobs/./${id}`,
          `/api/v2/jobs/${id}`,
          '/api/v3/hosts/1',
        ],
        ...[
          `/api/v3/project/${id}`,
          `/api/v3/project/1/${id}`,
          `/api/v3/projects/${id}/command`,
          '/api/v3/jobs/*',
          '/api/v3/query/',
        ],
      ]),
    },
  ];
}
