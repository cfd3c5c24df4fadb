import type { Row } from './sign-in-rows.ts';

type Tree = Record<string, unknown>;

const GROUPS = { identity: { groups: { cad: ['alice'] } } };
const SAYS = ['allowKeys', 'denyKeys', 'fields', 'defaults'];
const policy = (...rules: Tree[]): Tree => ({
  ...GROUPS,
  jobs: {
    policy: rules.map((rule, at) => ({
      name: `rule-${at}`,
      ...(SAYS.some((key) => key in rule) ? {} : { denyKeys: ['wrapper'] }),
      ...rule,
    })),
  },
});
const quotas = (...entries: Tree[]): Tree => ({
  ...GROUPS,
  jobs: { quotas: entries.map((entry, at) => ({ name: `quota-${at}`, liveJobs: 10, ...entry })) },
});
const field = (rule: Tree): Tree => policy({ fields: { env: rule } });
const shared = (...paths: string[]): Tree => ({
  queues: [{ name: 'chips', urls: ['https://vov:6310'], coalesce: { shared: paths } }],
});
const coalesce = (patch: Tree): Tree => ({
  queues: [{ name: 'chips', urls: ['https://vov:6310'], coalesce: patch }],
});
const cached = (...cache: Tree[]): Tree =>
  coalesce({ cache: cache.map((entry) => ({ route: '/api/v3/query', life: '2s', ...entry })) });
const lanes = (patch: Tree): Tree => ({ limits: { lanes: patch } });

const ENV = 'jobs.policy[0].fields.env';
const STALLS = 'policy patterns compile and cannot stall';
const FOLDERS = 'policy folders are absolute';
const NAMES = 'policy rules name possible fields';
const MET = 'policy rules can be met';
const KEPT = 'policy defaults keep the rule';
const THROUGH = 'policy lets submissions through';
const KNOWN = 'policy and quotas name known groups';
const TIMES = 'durations are possible';
const FIELDS = 'policy fields are fields of jobs';
const SAYING = 'a policy rule says something';
const CAN_BE = 'policy fields can be met';
const SOMEBODY = 'policy rules concern somebody';
const WAITS = 'waits last from one look to some minutes';
const CACHED = 'cached routes are templates, each once, for at most a minute';
const PATHS = 'shared paths are paths of the API';

const ALL = ['command', 'logfile', 'rundir', 'env'];

/** At least one row for each check of jobs, limits.lanes and queues[].coalesce. */
export const JOBS_ROWS: readonly Row[] = [
  {
    check: 'each policy rule has its own name',
    patch: policy({ name: 'a' }, { name: 'b' }, { name: 'a' }),
    paths: ['jobs.policy[2].name'],
    says: /jobs\.policy\[0\]/,
  },
  { check: STALLS, patch: field({ pattern: '(' }), paths: [`${ENV}.pattern`], says: /no regular expression/ },
  { check: STALLS, patch: field({ pattern: 'a)|(b' }), paths: [`${ENV}.pattern`], says: /no regular expression/ },
  { check: STALLS, patch: field({ pattern: '(a+)+' }), paths: [`${ENV}.pattern`], says: /stall/ },
  { check: STALLS, patch: field({ pattern: '(a|ab)*' }), paths: [`${ENV}.pattern`] },
  { check: STALLS, patch: field({ pattern: '(a)\\1' }), paths: [`${ENV}.pattern`] },
  { check: STALLS, patch: field({ pattern: '.*a.*b.*' }), paths: [`${ENV}.pattern`], says: /stall/ },
  ...['proj', '', './proj', '/proj/..', '/proj/./x', '//proj', '~', '/~x', '/$HOME', '/a\0'].map((folder) => ({
    check: FOLDERS,
    patch: field({ under: ['/fine', folder] }),
    paths: [`${ENV}.under[1]`],
  })),
  { check: NAMES, patch: policy({ denyKeys: ['wrapper', ' force'] }), paths: ['jobs.policy[0].denyKeys[1]'] },
  { check: NAMES, patch: policy({ allowKeys: [...ALL, 'é'] }), paths: ['jobs.policy[0].allowKeys[4]'] },
  { check: NAMES, patch: policy({ defaults: { '': 'x' } }), paths: ['jobs.policy[0].defaults.'] },
  { check: NAMES, patch: policy({ fields: { 'a\t': { required: true } } }), paths: ['jobs.policy[0].fields.a\t'] },
  {
    check: MET,
    patch: policy({ denyKeys: ['jobname'], fields: { jobname: { required: true } } }),
    paths: ['jobs.policy[0].fields.jobname'],
    says: /denyKeys/,
  },
  {
    check: MET,
    patch: policy({ allowKeys: ALL, defaults: { jobclass: 'x' } }),
    paths: ['jobs.policy[0].defaults.jobclass'],
    says: /lacks/,
  },
  {
    check: KEPT,
    patch: policy({ fields: { env: { oneOf: ['A'] } }, defaults: { env: 'B' } }),
    paths: [defaultAt('env')],
  },
  {
    check: KEPT,
    patch: policy({ fields: { 'priority,sched': { most: 4 } }, defaults: { 'priority,sched': 5 } }),
    paths: [defaultAt('priority,sched')],
  },
  {
    check: KEPT,
    patch: policy({ fields: { 'priority,sched': { most: 4 } }, defaults: { 'priority,sched': 'x' } }),
    paths: [defaultAt('priority,sched')],
  },
  {
    check: THROUGH,
    patch: policy({ allowKeys: ['command', 'rundir'] }),
    paths: ['jobs.policy[0].allowKeys'],
    says: /logfile, env/,
    warns: true,
  },
  { check: THROUGH, patch: policy({ denyKeys: ['env'] }), paths: ['jobs.policy[0].denyKeys'], warns: true },
  {
    check: 'policy rules name known queues',
    patch: policy({ queues: ['chips', 'chps'] }),
    paths: ['jobs.policy[0].queues[1]'],
    says: /queue chps/,
  },
  { check: KNOWN, patch: policy({ groups: ['eda'] }), paths: ['jobs.policy[0].groups[0]'], warns: true },
  {
    check: KNOWN,
    patch: policy({ exceptGroups: ['cad', 'eda'] }),
    paths: ['jobs.policy[0].exceptGroups[1]'],
    warns: true,
  },
  {
    check: 'open objects hold no jobs',
    patch: { jobs: { openObjects: ['hosts', 'Jobs', 'nodes', 'System:jobs'] } },
    paths: ['jobs.openObjects[1]', 'jobs.openObjects[2]', 'jobs.openObjects[3]'],
  },
  {
    check: 'each quota has its own name',
    patch: quotas({ name: 'a' }, { name: 'a' }),
    paths: ['jobs.quotas[1].name'],
    says: /jobs\.quotas\[0\]/,
  },
  { check: 'a quota limits something', patch: quotas({ liveJobs: undefined }), paths: ['jobs.quotas[0]'] },
  {
    check: 'a quota per group names its groups',
    patch: quotas({}, { per: 'group' }),
    paths: ['jobs.quotas[1].groups'],
    says: /nobody is counted/,
  },
  {
    check: 'a quota for the day exceeds that for the minute',
    patch: quotas({ submissionsPerMinute: 60, submissionsPerDay: 60 }),
    paths: ['jobs.quotas[0].submissionsPerDay'],
    warns: true,
  },
  {
    check: 'quotas name known queues',
    patch: quotas({ queues: ['chips', 'chps'] }),
    paths: ['jobs.quotas[0].queues[1]'],
    says: /queue chps/,
  },
  {
    check: KNOWN,
    patch: quotas({ per: 'group', groups: ['cad', 'eda'] }),
    paths: ['jobs.quotas[0].groups[1]'],
    warns: true,
  },
  ...['control', 'submit', 'read', 'list'].map((lane) => ({
    check: 'a lane starts below its most',
    patch: lanes({ [lane]: { concurrency: 9, most: 8 } }),
    paths: [`limits.lanes.${lane}.most`],
  })),
  {
    check: 'a lane starts below its most',
    patch: lanes({ list: { concurrency: 17 } }),
    paths: ['limits.lanes.list.most'],
  },
  {
    check: 'waits and queues of lanes fit into each other',
    patch: lanes({ maxWait: '61s' }),
    paths: ['limits.lanes.longestWait'],
    warns: true,
  },
  {
    check: 'waits and queues of lanes fit into each other',
    patch: lanes({ queueLength: 100 }),
    paths: ['limits.lanes.identityQueueLength'],
    warns: true,
  },
  {
    check: 'absence is proved before jobs can be forgotten',
    patch: { jobs: { settle: { dead: '29m', readAge: '60s' } } },
    paths: ['jobs.settle.dead'],
  },
  {
    check: 'absence is proved before jobs can be forgotten',
    patch: { jobs: { settle: { lost: '30m' } } },
    paths: ['jobs.settle.lost'],
  },
  { check: TIMES, patch: { jobs: { settle: { lost: '0s' } } }, paths: ['jobs.settle.lost'] },
  { check: TIMES, patch: { jobs: { keyLife: '0s' } }, paths: ['jobs.keyLife'] },
  { check: TIMES, patch: { jobs: { originLife: '3651d' } }, paths: ['jobs.originLife'] },
  { check: TIMES, patch: { jobs: { watch: { interval: '0s' } } }, paths: ['jobs.watch.interval'] },
  { check: TIMES, patch: { jobs: { watch: { maxWait: '25d' } } }, paths: ['jobs.watch.maxWait'] },
  { check: TIMES, patch: lanes({ longestWait: '25d' }), paths: ['limits.lanes.longestWait'] },
  { check: PATHS, patch: shared('/api/v3/project/1/version', '/healthz'), paths: [sharedAt(1)] },
  { check: PATHS, patch: shared('/api/v3/project/1/version?x'), paths: [sharedAt(0)] },
  { check: PATHS, patch: shared('/api/v3/'), paths: [sharedAt(0)] },
  ...['/api/v3/', '/api/v3/query?x', '/healthz', '/api/v3/jobs/{id', '/api/v3/jobs//host'].map((route) => ({
    check: CACHED,
    patch: cached({}, { route }),
    paths: ['queues[0].coalesce.cache[1].route'],
  })),
  { check: CACHED, patch: cached({}, {}), paths: ['queues[0].coalesce.cache[1].route'], says: /cache\[0\]/ },
  { check: TIMES, patch: cached({ life: '0s' }), paths: ['queues[0].coalesce.cache[0].life'] },
  { check: CACHED, patch: cached({ life: '61s' }), paths: ['queues[0].coalesce.cache[0].life'] },
  {
    check: CACHED,
    patch: coalesce({ join: 'off', cache: [{ route: '/api/v3/query', life: '2s' }] }),
    paths: ['queues[0].coalesce.cache'],
    says: /join/,
  },
  { check: 'what is shared shows nothing of jobs', patch: shared('/api/v3/query'), paths: [sharedAt(0)] },
  { check: 'what is shared shows nothing of jobs', patch: shared('/api/v3/jobs/1/host'), paths: [sharedAt(0)] },
];

/** Rules of policy and quotas that cannot be meant. */
export const MEANT_ROWS: readonly Row[] = [
  ...(
    [
      ['rundr', /rundir\?/],
      ['logifle', /logfile\?/],
      ['priority', /priority,sched\?/],
      ['interactive', /interactive,flag\?/],
      ['comand', /command\?/],
    ] as const
  ).map(([name, says]) => ({
    check: FIELDS,
    patch: policy({ denyKeys: ['wrapper', name] }),
    paths: ['jobs.policy[0].denyKeys[1]'],
    says,
    warns: true as const,
  })),
  {
    check: FIELDS,
    patch: policy({ fields: { rundr: { required: true }, Env: { required: true }, cmd: { required: true } } }),
    paths: ['rundr', 'Env', 'cmd'].map((name) => `jobs.policy[0].fields.${name}`),
    warns: true,
  },
  {
    check: FIELDS,
    patch: policy({ defaults: { setname: 'x' } }),
    paths: [defaultAt('setname')],
    says: /setName\?/,
    warns: true,
  },
  { check: SAYING, patch: policy({ denyKeys: [], exceptGroups: ['cad'] }), paths: ['jobs.policy[0]'] },
  { check: SAYING, patch: policy({ fields: {}, mode: 'observe' }), paths: ['jobs.policy[0]'] },
  { check: 'a policy field has a rule', patch: policy({ fields: { rundir: {} } }), paths: [fieldAt('rundir')] },
  {
    check: 'a policy field has a rule',
    patch: policy({ fields: { rundir: { required: false } } }),
    paths: [fieldAt('rundir')],
  },
  {
    check: CAN_BE,
    patch: field({ required: true, oneOf: ['a'], pattern: 'b' }),
    paths: [`${ENV}.oneOf`],
    says: /pattern/,
  },
  {
    check: CAN_BE,
    patch: field({ oneOf: ['/proj', '/project/a', 'a'], under: ['/proj/a', '/x'] }),
    paths: [`${ENV}.oneOf`],
    says: /under/,
  },
  { check: CAN_BE, patch: field({ oneOf: ['5', 'x'], most: 4 }), paths: [`${ENV}.oneOf`], says: /most/ },
  { check: CAN_BE, patch: field({ oneOf: ['b1', 'a2'], pattern: '[ab]' }), paths: [`${ENV}.oneOf`] },
  ...['rundir', 'logfile', 'command'].map((name) => ({
    check: CAN_BE,
    patch: policy({ fields: { [name]: { most: 4 } } }),
    paths: [`${fieldAt(name)}.most`],
    says: /numbers/,
  })),
  { check: CAN_BE, patch: field({ most: 4, under: ['/proj'] }), paths: [`${ENV}.most`], says: /paths/ },
  { check: SOMEBODY, patch: policy({ groups: ['cad'], exceptGroups: ['cad'] }), paths: [exceptAt('policy')] },
  {
    check: 'quotas concern somebody',
    patch: quotas({ groups: ['cad'], exceptGroups: ['cad'] }),
    paths: [exceptAt('quotas')],
  },
  // A second fault would be untrue: the limit is there, though it is none.
  { check: 'a quota limits something', patch: quotas({ liveJobs: 'many' }), paths: ['jobs.quotas[0].liveJobs'] },
  { check: SAYING, patch: policy({ denyKeys: 5 }), paths: ['jobs.policy[0].denyKeys'] },
  { check: SAYING, patch: policy({ denyKeys: [], feilds: {} }), paths: ['jobs.policy[0].feilds'] },
  ...['179s', '1ms'].map((keyLife) => ({
    check: 'a key is remembered until its submission is decided',
    patch: { jobs: { keyLife } },
    paths: ['jobs.keyLife'],
    says: /settle/,
  })),
  { check: WAITS, patch: { jobs: { watch: { maxWait: '2h' } } }, paths: ['jobs.watch.maxWait'], warns: true },
  { check: WAITS, patch: { jobs: { watch: { maxWait: '4s' } } }, paths: ['jobs.watch.maxWait'], warns: true },
  ...['/api/v3/jobs/45080', '/api/v3/querry', '/api/v3/sets/{id}', '/api/v3/jobs/{jobid}'].map((route) => ({
    check: CACHED,
    patch: cached({}, { route }),
    paths: ['queues[0].coalesce.cache[1].route'],
    says: /no read/,
  })),
];

/** What is only near one of these checks. */
export const JOBS_QUIET: readonly Tree[] = [
  policy({}, { groups: ['cad'] }),
  policy({ denyKeys: ['Wrapper', 'dir', 'site_flag'], fields: { license: { required: true } } }),
  { ...policy({ groups: ['cad', 'b'], exceptGroups: ['b'] }), identity: { groups: { cad: [], b: [] } } },
  field({ oneOf: ['a', 'b1'], pattern: '[ab]' }),
  field({ oneOf: ['/x', '/proj/a'], under: ['/proj/'] }),
  field({ oneOf: ['/x'], under: ['/'] }),
  { jobs: { keyLife: '180s', watch: { interval: '5s', maxWait: '10m' } } },
  { jobs: { settle: { lost: '1s', dead: '2s', readAge: '0s' }, keyLife: '2s' } },
  {
    ...cached({ route: '/api/v3/sets/{id}' }),
    access: { extraRoutes: [{ method: 'POST', template: '/api/v3/sets/{id}', class: 'control' }] },
  },
  quotas({ per: 'group', groups: ['cad'], queues: ['chips'] }, { submissionsPerMinute: 60, submissionsPerDay: 61 }),
  quotas({ liveJobs: undefined, submissionsPerDay: 1, mode: 'observe' }),
  policy({ fields: { env: { pattern: '[A-Z]+(?:\\+[A-Z]+)?' }, command: { pattern: '.*a.*' } } }),
  field({ under: ['/', '/proj', '/proj/', '/proj/a.b/..c'] }),
  policy({ allowKeys: [...ALL, 'priority,sched'], defaults: { 'priority,sched': 4 } }),
  policy({ fields: { env: { oneOf: ['4'], most: 4, required: true } }, defaults: { env: 4 } }),
  policy({ allowKeys: ALL, denyKeys: ['wrapper'], queues: ['chips'] }),
  lanes({ list: { concurrency: 8, most: 8 }, maxWait: '60s', queueLength: 200 }),
  lanes({ maxWait: '500ms' }),
  lanes({ mode: 'fixed', list: { concurrency: 17 } }),
  { jobs: { implicitKeyLife: '0s', keyLife: '90d', originLife: '3650d' } },
  { jobs: { settle: { lost: '1s', dead: '28m', readAge: '0s' } } },
  shared('/api/v3/project/1/version', '/api/v3/projects/1'),
  shared(),
  cached({ life: '60s' }, { route: '/api/v3/jobs/{id}/*', life: '1ms' }, { route: '/api/v3/project/1/{field}' }),
  coalesce({ join: 'running', cache: [{ route: '/api/v3/jobs', life: '1s' }] }),
];

function defaultAt(name: string): string {
  return `jobs.policy[0].defaults.${name}`;
}

function fieldAt(name: string): string {
  return `jobs.policy[0].fields.${name}`;
}

function exceptAt(list: 'policy' | 'quotas'): string {
  return `jobs.${list}[0].exceptGroups`;
}

function sharedAt(at: number): string {
  return `queues[0].coalesce.shared[${at}]`;
}
