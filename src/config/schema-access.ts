import { z } from 'zod';
import { duration, name } from './values.ts';

const WHOM = ['user', 'userPattern', 'group', 'subject', 'provider', 'attribute'] as const;

const ruleMatch = z
  .strictObject({
    user: z.string().optional().describe('Exactly this user name.'),
    userPattern: z.string().optional().describe('Regular expression for the whole user name; its groups are $1, $2, …'),
    group: z.string().optional().describe('Member of this group.'),
    subject: z.string().optional().describe('Exactly this subject, for example local:alice or corp:7f3a…'),
    provider: z.string().optional().describe('Signed in at this provider.'),
    attribute: z
      .strictObject({
        name: z
          .string()
          .min(1)
          .describe('Name of the attribute or claim; whoever has more than 256 values of it is not let in.'),
        value: z.string().optional().describe('One of its values is exactly this.'),
        pattern: z.string().optional().describe('One of its values matches this regular expression as a whole.'),
      })
      .optional()
      .describe('An attribute of the assertion; does not fit who did not sign in at a provider.'),
    queue: z.string().optional().describe('Only on this queue.'),
  })
  .refine((match) => WHOM.some((key) => match[key] !== undefined), { error: `needs one of ${WHOM.join(', ')}` })
  .meta({ anyOf: WHOM.map((key) => ({ required: [key] })) });

const rule = z
  .strictObject({
    match: ruleMatch.describe('Whom the rule concerns; all given keys must fit.'),
    account: z.string().optional().describe('vovserver account of its own; $1, $2, … stand for groups of userPattern.'),
    shared: name().optional().describe('vovserver account shared with others.'),
    table: z
      .record(z.string(), z.string())
      .optional()
      .describe('vovserver accounts of their own by user name; a user who is not in it is left to the next rule.'),
    deny: z.literal(true).optional().describe('No vovserver account.'),
  })
  .refine((r) => [r.account, r.shared, r.table, r.deny].filter((v) => v !== undefined).length === 1, {
    error: 'needs exactly one of account, shared, table, deny',
  })
  .meta({ oneOf: ['account', 'shared', 'table', 'deny'].map((key) => ({ required: [key] })) });

const holders = z.strictObject({
  users: z.array(z.string()).default([]).describe('User names.'),
  groups: z.array(z.string()).default([]).describe('Members of these groups.'),
  subjects: z.array(z.string()).default([]).describe('Exactly these subjects, for example local:alice or corp:7f3a…'),
  providers: z
    .array(z.string())
    .optional()
    .describe(
      'Of all these holders only who signed in at one of these providers; without it also who signed in elsewhere.',
    ),
});

export const identitySchema = z.strictObject({
  groups: z
    .record(name(), z.array(z.string()))
    .default({})
    .describe('Groups kept in this file: name and list of user names.'),
  roles: z
    .strictObject({
      operator: holders.prefault({}).describe('May see whose job and token is whose.'),
      admin: holders.prefault({}).describe('May also end the access tokens of others.'),
    })
    .prefault({})
    .describe('Who is more than a user.'),
  rules: z
    .array(rule)
    .default([{ match: { userPattern: '([a-z_][a-z0-9_-]{0,31})' }, account: '$1' }])
    .describe('Which vovserver account an identity has; the first rule that fits decides, none means no account.'),
});

export const accessTokensSchema = z.strictObject({
  maxLife: duration()
    .default(90 * 86_400_000)
    .describe('Longest life of an access token.'),
  defaultLife: duration()
    .default(30 * 86_400_000)
    .describe('Life of an access token that names none.'),
  derivedLife: duration()
    .default(12 * 3_600_000)
    .describe('Life of a token from the vendor’s token endpoint; it never outlives its parent.'),
});

/** Classes of writes: a write that counted as a read would pass by scope, policy, quotas and maintenance. */
const writeClass = z
  .enum(['submit', 'control'])
  .meta({ hint: 'Every route here writes: submit makes a job, control is any other write.' });

export const accessSchema = z.strictObject({
  extraRoutes: z
    .array(
      z.strictObject({
        method: z.enum(['POST', 'PUT', 'PATCH', 'DELETE']).describe('The method to open.'),
        template: z
          .string()
          .regex(/^\/api\/v3\/[A-Za-z0-9_/{}-]+$/, 'must be a path under /api/v3/ with {name} for variable segments')
          .describe('Path with {name} for variable segments, for example /api/v3/sets/{id}.'),
        class: writeClass.describe('Decides scope, limits and policy. submit: makes a job. control: any other write.'),
      }),
    )
    .default([])
    .describe('Further writes to open. Reads under /api/v3/ are open without being listed.'),
});

const bucket = z.strictObject({
  requests: z.number().int().min(1).describe('Requests that fit into the window; also the largest burst.'),
  window: duration().describe('The window.'),
});

const policy = z.strictObject({
  all: bucket.optional().describe('All calls together.'),
  read: bucket.optional().describe('Single reads.'),
  list: bucket.optional().describe('Lists and queries.'),
  submit: bucket.optional().describe('Submissions.'),
  control: bucket.optional().describe('Stop, modify, forget.'),
});

const lane = (concurrency: number, what: string) =>
  z
    .strictObject({
      concurrency: z
        .number()
        .int()
        .min(1)
        .default(concurrency)
        .describe(
          'Calls under way at once to one queue, over all replicas: where the adaptive limit starts, or the fixed one.',
        ),
      most: z
        .number()
        .int()
        .min(1)
        .default(concurrency * 8)
        .describe('The adaptive limit never goes above this.'),
    })
    .prefault({})
    .describe(what);

const lanesSchema = z.strictObject({
  mode: z
    .enum(['adaptive', 'fixed', 'off'])
    .default('adaptive')
    .describe(
      'adaptive: the limits follow how fast vovserver answers. fixed: they stay. off: every call goes at once.',
    ),
  control: lane(8, 'Stop, modify, forget: goes before everything else.'),
  submit: lane(8, 'Submissions.'),
  read: lane(8, 'Single reads.'),
  list: lane(2, 'Lists and queries; vovserver has two helpers for them unless told otherwise.'),
  maxWait: duration()
    .default(10_000)
    .describe('A call waits for its turn at most this long, unless it says `Prefer: wait`.'),
  longestWait: duration().default(60_000).describe('The longest `Prefer: wait` that is granted.'),
  queueLength: z.number().int().min(1).default(1000).describe('Calls that wait in one lane of one queue and replica.'),
  identityQueueLength: z.number().int().min(1).default(200).describe('Of these, of one identity.'),
});

export const limitsSchema = z.strictObject({
  mode: z
    .enum(['enforce', 'observe', 'off'])
    .default('enforce')
    .describe(
      'observe: decide and report, but let pass. `attempts` and `attemptsPerAddress` stop guessing and hold in every mode.',
    ),
  lanes: lanesSchema.prefault({}).describe('Turns towards vovserver: how many calls go at once, and who is next.'),
  identity: policy
    .default({ all: { requests: 600, window: 60_000 } })
    .describe('Limits of one identity, over all its tokens and all replicas.'),
  groups: z
    .record(name(), policy)
    .default({})
    .describe(
      'Limits of one identity that is member of the group, in place of `identity`; the first group listed here wins.',
    ),
  address: bucket
    .default({ requests: 6000, window: 60_000 })
    .describe('Limit of one address before anything else is looked at; /64 for IPv6.'),
  attempts: bucket
    .default({ requests: 10, window: 300_000 })
    .describe('Failed sign-in attempts of one token id from one address; of other wrong credentials, of one address.'),
  attemptsPerAddress: bucket
    .default({ requests: 200, window: 300_000 })
    .describe('Failed sign-in attempts of one address in all: many people share a submit host.'),
});
