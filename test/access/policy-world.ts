import { jobsSchema } from '../../src/config/schema-jobs.ts';
import type { Identity } from '../../src/kernel/index.ts';

export type JobsConfig = ReturnType<typeof jobsSchema.parse>;

/** `jobs` with these rules, as the configuration would give it. */
export const jobsWith = (...policy: object[]): JobsConfig =>
  jobsSchema.parse({ policy: policy.map((rule, at) => ({ name: `rule-${at + 1}`, ...rule })) });

export const member = (...groups: string[]): Identity => ({
  subject: 'local:alice',
  user: 'alice',
  groups,
  roles: ['user'],
  provider: null,
  attributes: {},
  bound: null,
});

/** The policy of the corpus: a site that lets its users do what its `nc run` did. */
export const SITE = {
  name: 'site',
  allowKeys: ['command', 'logfile', 'rundir', 'env', 'priority,sched', 'resources', 'jobname', 'autokill', 'jobclass'],
  denyKeys: ['wrapper', 'interactive,flag', 'force', 'proplist'],
  fields: {
    env: { oneOf: ['BASE', 'CLEAN+BASE'], required: true },
    rundir: { under: ['/proj', '/scratch/runs'], required: true },
    command: { pattern: '(?:sim|synth)(?: [A-Za-z0-9_./=-]*)?', required: true },
    'priority,sched': { most: 8 },
    jobname: { pattern: '[a-z][a-z0-9_]*' },
  },
  defaults: { 'priority,sched': 4 },
};
