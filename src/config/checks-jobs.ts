import { type PatternFault, patternFault } from './bounded-pattern.ts';
import type { Check, CheckFinding } from './checks.ts';
import { mapsGroups, unknown } from './checks-mapping.ts';
import { POLICY_CHECKS } from './checks-policy.ts';
import { twice } from './checks-queue.ts';
import type { Draft } from './draft.ts';
import {
  defined,
  type FieldDraft,
  fieldRule,
  namesIn,
  policyRule,
  type QuotaDraft,
  quotaRule,
} from './jobs-entries.ts';

/** Longest text that the policy runs a pattern on; two open repetitions in a row and two `?`: 30 ms at worst. */
const LONGEST = 4096;
const STEPS = 4 * (LONGEST + 1) ** 2;

const PATTERN_MEND: Readonly<Record<PatternFault, string>> = {
  syntax: 'Correct brackets and escapes; single quotes keep YAML from reading \\ itself.',
  nested: 'Write it without a repetition within a repetition.',
  alternatives: 'Use a character class such as [ab] instead of a repeated group of alternatives.',
  backreference: 'Write it without \\1 and \\k<…>.',
  many: 'Use at most two of *, + and {n,m}; two rules may look at one field.',
};

/** What a submission must have ("Using Accelerator's REST API", page 9). */
const REQUIRED = ['command', 'logfile', 'rundir', 'env'];

const FIELD_NAME = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

const isFolder = (path: string): boolean =>
  path === '/' || (/^(?:\/[^/\0]+)+\/?$/.test(path) && !/\/\.{1,2}(?:\/|$)/.test(path) && !/[~$]/.test(path));

function* groupLists(draft: Draft): Generator<readonly [path: string, group: string]> {
  const lists = [
    ...(draft.jobs?.quotas ?? []).flatMap((quota, at) => [
      [`jobs.quotas[${at}].groups`, quota?.groups] as const,
      [`jobs.quotas[${at}].exceptGroups`, quota?.exceptGroups] as const,
    ]),
    ...(draft.jobs?.policy ?? []).flatMap((rule, at) => [
      [`jobs.policy[${at}].groups`, rule?.groups] as const,
      [`jobs.policy[${at}].exceptGroups`, rule?.exceptGroups] as const,
    ]),
  ];
  for (const [path, groups] of lists) {
    for (const [at, group] of (groups ?? []).entries()) if (group !== undefined) yield [`${path}[${at}]`, group];
  }
}

/** Whether a default would break the field's rule in the same rule of the policy; patterns have a check of their own. */
function breaks(value: string | number, { oneOf, most }: FieldDraft): string | null {
  if (oneOf !== undefined && !oneOf.includes(String(value))) return 'is not in oneOf of this field';
  return most !== undefined && !(Number(value) <= most) ? 'is more than most of this field' : null;
}

/** Queues of an entry that the configuration lacks. */
function* unknownQueues(draft: Draft, path: string, queues: QuotaDraft['queues']): Generator<CheckFinding> {
  const known = (draft.queues ?? []).map((queue) => queue?.name);
  if (known.length === 0 || known.includes(undefined)) return;
  for (const [at, name] of (queues ?? []).entries()) {
    if (name !== undefined && !known.includes(name)) {
      yield unknown(`${path}.queues[${at}]`, 'queue', name, defined(known));
    }
  }
}

/** Rules of jobs.quotas. */
const QUOTA_CHECKS: readonly Check[] = [
  {
    name: 'each quota has its own name',
    *run({ jobs }) {
      const names = (jobs?.quotas ?? []).map((quota, at) => [`jobs.quotas[${at}].name`, quota?.name] as const);
      yield* twice(names, 'Refusals, metrics and the log name the quota; give each its own.');
    },
  },
  quotaRule('a quota limits something', function* ({ submissionsPerMinute, submissionsPerDay, liveJobs }, path) {
    if ([submissionsPerMinute, submissionsPerDay, liveJobs].some((most) => most !== undefined)) return;
    const mend = 'Give submissionsPerMinute, submissionsPerDay or liveJobs.';
    yield { path, reason: 'limits nothing', mend };
  }),
  quotaRule('a quota per group names its groups', function* ({ per, groups }, path) {
    if (per !== 'group' || groups === undefined || groups.length > 0) return;
    const mend = 'Name the groups whose members are counted together, or count per user.';
    yield { path: `${path}.groups`, reason: 'is empty, so that nobody is counted', mend };
  }),
  quotaRule('a quota for the day exceeds that for the minute', function* (quota, path) {
    const { submissionsPerMinute: minute, submissionsPerDay: day } = quota;
    if (minute === undefined || day === undefined || day > minute) return;
    const reason = `is at most submissionsPerMinute (${minute}), which therefore never decides`;
    yield { path: `${path}.submissionsPerDay`, reason, mend: 'Raise it, or leave one out.', level: 'warning' };
  }),
  quotaRule('quotas name known queues', function* ({ queues }, path, draft) {
    yield* unknownQueues(draft, path, queues);
  }),
];

/** What holds jobs by whatever name, as far as is publicly known. */
const HOLDS_JOBS = /^(?:jobs?|nodes?|sets?|query|queries|files?|places?|events?|alerts?)$/i;
const OBJECT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** From then on a job may have run and be forgotten, so that its absence proves nothing. */
const FORGOTTEN_MS = 30 * 60_000;

/** From then on proxies in front of the gateway may have ended a call that waits. */
const LONG_WAIT_MS = 10 * 60_000;

/** Rules of times that belong together. */
const TIME_CHECKS: readonly Check[] = [
  {
    name: 'a key is remembered until its submission is decided',
    *run({ jobs }) {
      const { lost, dead, readAge } = jobs?.settle ?? {};
      if (lost === undefined || dead === undefined || readAge === undefined) return;
      const decided = Math.max(lost, dead) + readAge;
      const life = jobs?.keyLife ?? 0;
      if (life <= 0 || life >= decided) return;
      const reason = 'is shorter than jobs.settle says that it takes to know what became of a lost submission';
      const mend = `Write ${Math.ceil(decided / 1000)}s or more: a repeat after it would be sent again.`;
      yield { path: 'jobs.keyLife', reason, mend };
    },
  },
  {
    name: 'waits last from one look to some minutes',
    *run({ jobs }) {
      const { interval, maxWait } = jobs?.watch ?? {};
      const path = 'jobs.watch.maxWait';
      if (maxWait === undefined) return;
      if (interval !== undefined && maxWait < interval) {
        const reason = 'is shorter than jobs.watch.interval: waits end before vovserver is asked again';
        yield { path, reason, mend: 'Make it some times as long, for example 60s.', level: 'warning' };
      }
      if (maxWait > LONG_WAIT_MS) {
        const reason = 'is longer than 10m, and what stands between may end calls that are silent so long';
        yield { path, reason, mend: 'Write some minutes at most: callers simply wait again.', level: 'warning' };
      }
    },
  },
];

/** Rules of jobs.policy and jobs.quotas. */
export const JOBS_CHECKS: readonly Check[] = [
  {
    name: 'absence is proved before jobs can be forgotten',
    *run({ jobs }) {
      const { lost = 0, dead = 0, readAge = 0 } = jobs?.settle ?? {};
      if (Math.max(lost, dead) + readAge < FORGOTTEN_MS) return;
      const reason = 'with readAge is half an hour or more: a lost submission would stay unknown for ever';
      const mend = 'Make lost, dead and readAge shorter; vovserver forgets a finished job after an hour.';
      yield { path: `jobs.settle.${lost > dead ? 'lost' : 'dead'}`, reason, mend };
    },
  },
  {
    name: 'open objects hold no jobs',
    *run({ jobs }) {
      for (const [at, name] of (jobs?.openObjects ?? []).entries()) {
        const path = `jobs.openObjects[${at}]`;
        if (name === undefined) continue;
        if (!OBJECT_NAME.test(name)) {
          yield { path, reason: 'is no name of an object', mend: 'Name a kind of object, for example hosts.' };
        } else if (HOLDS_JOBS.test(name)) {
          yield {
            path,
            reason: 'holds jobs, or tells of them',
            mend: 'Leave it out: it would show the jobs of others.',
          };
        }
      }
    },
  },
  ...TIME_CHECKS,
  ...QUOTA_CHECKS,
  ...POLICY_CHECKS,
  {
    name: 'each policy rule has its own name',
    *run({ jobs }) {
      const names = (jobs?.policy ?? []).map((rule, at) => [`jobs.policy[${at}].name`, rule?.name] as const);
      yield* twice(names, 'Refusals and the log name the rule; give each its own.');
    },
  },
  fieldRule('policy patterns compile and cannot stall', function* ({ pattern }, path) {
    const fault = pattern === undefined ? null : patternFault(pattern, LONGEST, STEPS);
    if (fault === null) return;
    const reason = fault === 'syntax' ? 'is no regular expression' : 'could stall the gateway on some value';
    yield { path: `${path}.pattern`, reason, mend: PATTERN_MEND[fault] };
  }),
  fieldRule('policy folders are absolute', function* ({ under }, path) {
    for (const [at, folder] of (under ?? []).entries()) {
      if (folder === undefined || isFolder(folder)) continue;
      const mend = 'Write it from the root on, without . and .., ~ and $, for example /proj.';
      yield { path: `${path}.under[${at}]`, reason: 'is no absolute path', mend };
    }
  }),
  policyRule('policy rules name possible fields', function* (rule, path) {
    for (const [where, name] of namesIn(rule, path)) {
      if (FIELD_NAME.test(name)) continue;
      const mend = 'Use 1 to 128 printable ASCII characters without blanks around.';
      yield { path: where, reason: 'is no name of a field', mend };
    }
  }),
  policyRule('policy rules can be met', function* ({ allowKeys, denyKeys, fields, defaults }, path) {
    const allowed = allowKeys === undefined ? null : defined(allowKeys);
    const refuses = (name: string): string | null => {
      if (denyKeys?.includes(name) === true) return 'denyKeys of this rule';
      return allowed === null || allowed.includes(name) ? null : 'allowKeys of this rule, which lacks it';
    };
    const needed = Object.entries(fields ?? {}).flatMap(([name, field]) => (field?.required === true ? [name] : []));
    for (const [key, names] of [
      ['fields', needed],
      ['defaults', Object.keys(defaults ?? {})],
    ] as const) {
      for (const name of names) {
        const by = refuses(name);
        if (by === null) continue;
        yield { path: `${path}.${key}.${name}`, reason: `is refused by ${by}`, mend: 'Allow it or leave it out.' };
      }
    }
  }),
  policyRule('policy defaults keep the rule', function* ({ fields, defaults }, path) {
    for (const [name, value] of Object.entries(defaults ?? {})) {
      const field = fields?.[name];
      const reason = field === undefined || value === undefined ? null : breaks(value, field);
      if (reason !== null) yield { path: `${path}.defaults.${name}`, reason, mend: 'Choose a value that is allowed.' };
    }
  }),
  policyRule('policy lets submissions through', function* ({ allowKeys, denyKeys }, path) {
    const lacking = REQUIRED.filter((name) => allowKeys !== undefined && !allowKeys.includes(name));
    const denied = REQUIRED.filter((name) => denyKeys?.includes(name) === true);
    for (const [key, names] of [['allowKeys', lacking] as const, ['denyKeys', denied] as const]) {
      if (names.length === 0) continue;
      const what = key === 'allowKeys' ? 'lacks' : 'holds';
      const reason = `${what} ${names.join(', ')}, without which vovserver takes no job: nobody can submit`;
      const mend = key === 'allowKeys' ? 'Add them.' : 'Remove them; fields has rules for values.';
      yield { path: `${path}.${key}`, reason, mend, level: 'warning' };
    }
  }),
  policyRule('policy rules name known queues', function* ({ queues }, path, draft) {
    yield* unknownQueues(draft, path, queues);
  }),
  {
    name: 'policy and quotas name known groups',
    *run(draft) {
      const own = new Set(Object.keys(draft.identity?.groups ?? {}));
      // Groups at fault may be those that are named.
      if (mapsGroups(draft) || draft.identity?.groups === undefined) return;
      for (const [path, group] of groupLists(draft)) {
        if (own.has(group)) continue;
        const mend = 'Add it to identity.groups, or let a provider map groups.';
        yield { path, reason: `names ${group}, which is not in identity.groups`, mend, level: 'warning' };
      }
    },
  },
];
