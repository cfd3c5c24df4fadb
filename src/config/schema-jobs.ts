import { z } from 'zod';
import { duration } from './values.ts';

const fieldRule = z.strictObject({
  pattern: z
    .string()
    .optional()
    .describe(
      'Regular expression (JavaScript) that the whole value must match; it is anchored at both ends by itself, and case counts. Values up to 4096 characters; at most two of `*`, `+` and `{n,m}`.',
    ),
  oneOf: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('The value is one of these, character by character. A number is compared as its text: 4 is "4".'),
  under: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      'An absolute path that is one of these folders or below it: /proj takes /proj and /proj/a, not /project. Refused are `.`, `..`, `//` and characters that a shell or Tcl gives a meaning; links are not followed, the text counts.',
    ),
  most: z
    .number()
    .optional()
    .describe(
      'A number of at most this, or a text that holds a plain decimal one: 4, "4", -1, 2.5; not 1e3, +4, 08. There is no lower bound.',
    ),
  required: z
    .boolean()
    .default(false)
    .describe('A submission must have the field, after defaults were put in; a change or an order need not.'),
});

const policyRule = z.strictObject({
  name: z.string().min(1).max(64).describe('Names the rule in refusals, metrics and the log.'),
  groups: z.array(z.string()).default([]).describe('For members of one of these groups; empty: for everyone.'),
  exceptGroups: z.array(z.string()).default([]).describe('But not for members of one of these.'),
  queues: z.array(z.string()).default([]).describe('On these queues; empty: on all.'),
  mode: z
    .enum(['enforce', 'observe'])
    .default('enforce')
    .describe('observe: decide and tell (log, vovgw_policy_decisions_total), but let pass.'),
  allowKeys: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('Only these fields may be in a submission or a change, spelled so.'),
  denyKeys: z
    .array(z.string())
    .default([])
    .describe('These fields may not be in the body, in whatever case and with blanks or underscores between.'),
  fields: z
    .record(z.string(), fieldRule)
    .default({})
    .describe(
      'Rules for values, by field, for example env, rundir, command, resources, jobclass, "priority,sched". The field must be spelled so, its value is a text or a number, and all rules beside each other must be met.',
    ),
  defaults: z
    .record(z.string(), z.union([z.string(), z.number()]))
    .default({})
    .describe(
      'Values that are put into a submission where the field is missing; the first rule that has one wins. Not in observe mode.',
    ),
});

const watch = z.strictObject({
  interval: duration()
    .default(5000)
    .describe(
      'While somebody waits for jobs of a vovserver account, vovserver is asked for them this often, by one replica.',
    ),
  maxWait: duration().default(60_000).describe('Longest `?wait=`; proxies in front of the gateway must allow as much.'),
  waitsPerIdentity: z.number().int().min(1).default(200).describe('Waits (`?wait=`) that one person may have at once.'),
  streamsPerIdentity: z.number().int().min(1).default(20).describe('Event streams that one person may have at once.'),
  total: z.number().int().min(1).default(20_000).describe('Waits and event streams of everyone on one replica.'),
});

const count = (what: string) => z.int().min(1).max(1_000_000_000).optional().describe(what);

const quota = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,40}$/, '1 to 40 letters, digits, dots, dashes and underscores')
    .describe('Names the quota in refusals, headers, metrics and the log.'),
  groups: z.array(z.string()).default([]).describe('For members of one of these groups; empty: for everyone.'),
  exceptGroups: z.array(z.string()).default([]).describe('But not for members of one of these.'),
  queues: z.array(z.string()).default([]).describe('On each of these queues by itself; empty: on each.'),
  per: z
    .enum(['user', 'group'])
    .default('user')
    .describe('user: each person is counted; group: the members of each of `groups` are counted together.'),
  submissionsPerMinute: count('Accepted submissions in any 60 seconds.'),
  submissionsPerDay: count('Accepted submissions in any 24 hours.'),
  liveJobs: count('Jobs that have not ended (Idle, Queued, Running, Transfer, Suspended).'),
  mode: z.enum(['enforce', 'observe']).default('enforce').describe('observe: decide and report, but let pass.'),
});

export const jobsSchema = z.strictObject({
  quotas: z
    .array(quota)
    .default([])
    .describe('How much a person or a group may submit; every quota that concerns the caller must hold.'),
  policy: z
    .array(policyRule)
    .default([])
    .describe('What a submission may hold; every rule that concerns the caller must be met.'),
  visibility: z
    .enum(['server', 'own'])
    .default('server')
    .describe(
      'server: reads show what vovserver shows, which is everybody’s jobs. own: one’s own jobs only; operators and admins see all.',
    ),
  openObjects: z
    .array(z.string())
    .default([])
    .describe(
      'Under visibility: own, objects of vovserver that everyone may read beside project and objects, since they hold nothing of jobs, for example hosts or resourcemaps.',
    ),
  keyLife: duration()
    .default(72 * 3_600_000)
    .describe('An Idempotency-Key is remembered this long: a retry after a weekend must still find it.'),
  implicitKeyLife: duration()
    .default(15 * 60_000)
    .describe(
      'After a submission without a key whose outcome is unknown, or whose caller had gone, an equal one (account, rundir, logfile, command) is answered by what is found of the first, for this long, and until its absence could be proved (settle); by an answer that nobody heard for 15 minutes at most. A script that is to be run again later would lose its job. 0s: never.',
    ),
  marker: z
    .enum(['none', 'jobname', 'proplist'])
    .default('none')
    .describe(
      'Field of the job that carries the mark by which a submission with an unknown outcome is found again; which one vovserver takes is not publicly known. none: it is found by rundir and logfile only.',
    ),
  watch: watch.prefault({}).describe('Waiting for jobs instead of polling.'),
  settle: z
    .strictObject({
      lost: duration()
        .default(10_000)
        .describe(
          'After the answer to a submission was lost: what vovserver has received it has executed by then, or never will.',
        ),
      dead: duration()
        .default(120_000)
        .describe(
          'The same after a gateway died, or lost Redis, while it sent; also time for what was on the network.',
        ),
      readAge: duration()
        .default(60_000)
        .describe(
          'A list of jobs may come from a copy of vovserver (thread.service) that is up to this old; 0s when it makes none.',
        ),
    })
    .prefault({})
    .describe('When the absence of a job proves that a submission with an unknown outcome was never executed.'),
  originLife: duration()
    .default(400 * 86_400_000)
    .describe('Who submitted a job is remembered this long, also after vovserver has forgotten the job.'),
});
