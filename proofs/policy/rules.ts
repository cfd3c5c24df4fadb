// The rules of the proof, as configuration and, written a second time by hand, as a check of what a job may be.

/** `jobs.policy` of the gateway; every rule in this mode. */
export const policyOf = (mode: 'enforce' | 'observe') => [
  {
    name: 'folders',
    mode,
    fields: {
      rundir: { under: ['/proj', '/scratch/chips'], required: true },
      env: { oneOf: ['BASE', 'CLEAN'], required: true },
    },
    denyKeys: ['wrapper', 'force', 'interactive,flag'],
  },
  {
    name: 'names',
    mode,
    fields: {
      jobname: { pattern: '[A-Za-z0-9_.-]{1,40}' },
      logfile: { pattern: 'p[0-9]+\\.log', required: true },
      command: { pattern: '(?:sleep|run)[ 0-9a-z]*', required: true },
    },
  },
  {
    name: 'interns',
    mode,
    groups: ['interns'],
    allowKeys: ['command', 'logfile', 'rundir', 'env', 'jobname', 'priority,sched', 'jobclass'],
    fields: { 'priority,sched': { most: 4 }, jobclass: { oneOf: ['small', 'tiny'] } },
    defaults: { jobclass: 'small' },
  },
  {
    name: 'resources',
    mode,
    exceptGroups: ['cad'],
    fields: { resources: { oneOf: ['RAM/100', 'RAM/500'] }, autokill: { most: 3600 } },
  },
  { name: 'elsewhere', mode, queues: ['other'], fields: { env: { oneOf: ['NEVER'] } } },
];

export const GROUPS = { interns: ['carol'], cad: ['bob'] };
export type Person = 'alice' | 'bob' | 'carol';

/** What PATCH calls a field beside its own name (the vendor's short forms). */
const SHORT: Readonly<Record<string, string>> = { cmd: 'command', dir: 'rundir', res: 'resources' };

/** The field that a lenient reader may take a name for. */
export const leniently = (name: string): string => {
  const folded = name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^a-z0-9,_]/g, '');
  return SHORT[folded] ?? folded;
};

const REQUIRED = ['command', 'logfile', 'rundir', 'env'] as const;
const isText = (value: unknown): value is string => typeof value === 'string';
const below = (path: string): boolean =>
  /^\/(?:proj|scratch\/chips)(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*\/?$/.test(path);
const atMost = (value: unknown, most: number): boolean =>
  (typeof value === 'number' || (isText(value) && /^[0-9]{1,9}$/.test(value))) && Number(value) <= most;

/** Which values a field may have, for everyone but for whom a rule is not meant. */
const VALUE: Readonly<Record<string, (value: unknown, who: Person) => boolean>> = {
  rundir: (value) => isText(value) && below(value),
  env: (value) => value === 'BASE' || value === 'CLEAN',
  jobname: (value) => isText(value) && /^[A-Za-z0-9_.-]{1,40}$/.test(value),
  logfile: (value) => isText(value) && /^p[0-9]+\.log$/.test(value),
  command: (value) => isText(value) && /^(?:sleep|run)[ 0-9a-z]*$/.test(value),
  wrapper: () => false,
  force: () => false,
  'interactive,flag': () => false,
  'priority,sched': (value, who) => who !== 'carol' || atMost(value, 4),
  jobclass: (value, who) => who !== 'carol' || value === 'small' || value === 'tiny',
  resources: (value, who) => who === 'bob' || value === 'RAM/100' || value === 'RAM/500',
  autokill: (value, who) => who === 'bob' || atMost(value, 3600),
};

const OF_INTERNS = new Set(['command', 'logfile', 'rundir', 'env', 'jobname', 'priority,sched', 'jobclass']);

/** Every field that this person may not have so, by what any reader could take the pairs for. */
export function broken(who: Person, pairs: readonly (readonly [string, unknown])[], whole: boolean): string[] {
  const wrong = pairs.flatMap(([written, value]) => {
    const name = leniently(written);
    if (who === 'carol' && !OF_INTERNS.has(name)) return [name];
    return VALUE[name]?.(value, who) === false ? [name] : [];
  });
  const there = new Set(pairs.map(([name]) => name));
  const missing = whole ? REQUIRED.filter((name) => !there.has(name)) : [];
  const classless = whole && who === 'carol' && !there.has('jobclass') ? ['jobclass'] : [];
  return [...new Set([...wrong, ...missing, ...classless])];
}

/** The names and values of a flat JSON object; null when it is none, or when a name comes twice. */
export function pairsOf(text: string): (readonly [string, unknown])[] | null {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const pairs = Object.entries(value);
    const written = text.match(/"(?:[^"\\]|\\.)*"\s*:/g) ?? [];
    return written.length === pairs.length ? pairs : null;
  } catch {
    return null;
  }
}
