import { z } from 'zod';
import { duration, name, path, port, size } from './values.ts';

const spkiPin = z
  .string()
  .regex(/^sha256\/[A-Za-z0-9+/]{43}=$/, 'is no pin: sha256/ and 44 characters of base64')
  .meta({ hint: 'Write what `vovgw pin fetch <url>` prints.' });

export const queueTlsSchema = z.strictObject({
  verify: z
    .enum(['ca', 'pin', 'ca+pin', 'none'])
    .default('ca')
    .describe(
      'ca: a trusted authority signed it for this name. pin: its public key is in pins. none: nothing is checked.',
    ),
  caFile: path().optional().describe('CA bundle, PEM, instead of the system’s authorities. Re-read when it changes.'),
  pins: z
    .array(spkiPin)
    .default([])
    .describe('SHA-256 of the public keys that are accepted: the current and the next.'),
  serverName: z.string().optional().describe('Name to send (SNI) and verify instead of the host of the URL.'),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('Lowest TLS version towards vovserver.'),
  certFile: path().optional().describe('Client certificate, PEM. Re-read when it changes.'),
  keyFile: path().optional().describe('Key of the client certificate, PEM.'),
  crlFile: path().optional().describe('Certificate revocation list, PEM.'),
  probe: duration().default(60_000).describe('How often the certificate is looked at when no call did it.'),
});

const coalesceSchema = z.strictObject({
  join: z
    .enum(['next', 'running', 'off'])
    .default('next')
    .describe(
      'Equal reads of one vovserver account share an answer. next: whoever comes while a call runs joins the next one, so that no answer is older than its request. running: joins the one that runs, which may be older by one call. off: every read goes by itself.',
    ),
  maxBytes: size().default(1_048_576).describe('Longer answers are not shared; each caller gets one of its own.'),
  shared: z
    .array(z.string())
    .default(['/api/v3/project/1/version'])
    .describe(
      'Exact paths whose answer is the same for every account. Each caller needs a JWT of its own account; nothing but a 200 goes to other accounts.',
    ),
  cache: z
    .array(
      z.strictObject({
        route: z.string().describe('Template of the route as in the metrics, for example /api/v3/query.'),
        life: duration().describe('How long an answer may be used again, at most 60s.'),
      }),
    )
    .default([])
    .describe(
      'Routes whose answers may be used again for a short while, within one vovserver account and replica. Answers say their age; a write of the account ends them on the replica that carried it, on others they end with their life: with several replicas choose a life that may pass before one reads what one wrote.',
    ),
});

export const queueSchema = z.strictObject({
  name: name().describe('Name of the queue, as vovserver itself gives it under /api/v3/project/1/project.'),
  urls: z
    .array(z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' }))
    .min(1)
    .describe('Candidate URLs of vovserver’s web port, in order of preference; scheme, host and port only.'),
  hosts: z.array(z.string().toLowerCase()).default([]).describe('Host names under which callers reach this queue.'),
  port: port().optional().describe('A further port of the gateway that leads to this queue.'),
  allowInsecure: z
    .boolean()
    .default(false)
    .describe(
      'Must be true for http:// URLs and for tls.verify: none. Passwords and jobs are then open to the network.',
    ),
  tls: queueTlsSchema.prefault({}).describe('TLS policy towards vovserver.'),
  checkName: z.boolean().default(true).describe('Ask the server for its queue name before it is trusted.'),
  authorization: z
    .enum(['colon', 'space'])
    .default('colon')
    .describe('Form of the Authorization header: `Bearer:jwt` as the vendor documents it, or `Bearer jwt`.'),
  jwtLife: duration().default(14_400_000).describe('Life of a JWT that does not say it itself (claim exp).'),
  connections: z
    .strictObject({
      perAccount: z
        .number()
        .int()
        .min(1)
        .default(4)
        .describe(
          'Connections of one vovserver account, and so how many calls of one identity go at once on a replica; submissions of others on the account may open four more, control calls another two.',
        ),
      total: z.number().int().min(1).default(64).describe('Connections in total, per replica.'),
      idle: duration().default(15_000).describe('An idle connection is closed after this.'),
    })
    .prefault({})
    .describe('Connections to vovserver.'),
  failover: z
    .strictObject({
      probe: duration()
        .default(1000)
        .describe(
          'While no server of the queue can be used, each candidate is looked at after about this time, later up to four times as seldom.',
        ),
      expected: duration()
        .default(180_000)
        .describe('How long an outage is expected to last; Retry-After tells callers what is left of it.'),
    })
    .prefault({})
    .describe('What happens when the server in use cannot be reached.'),
  coalesce: coalesceSchema.prefault({}).describe('Sharing of equal reads.'),
  timeouts: z
    .strictObject({
      connect: duration().default(2000).describe('TCP and TLS.'),
      login: duration().default(10_000).describe('A password login.'),
      headers: duration().default(30_000).describe('From the complete request to the first byte of the answer.'),
      body: duration().default(30_000).describe('Between two pieces of the answer.'),
      total: duration().default(300_000).describe('The whole call.'),
    })
    .prefault({})
    .describe('Time limits towards vovserver.'),
});

export const brokerSchema = z.strictObject({
  renewFrom: z.number().min(0.5).max(0.95).default(0.75).describe('Earliest share of a JWT’s life to replace it.'),
  renewTo: z.number().min(0.5).max(0.95).default(0.85).describe('Latest share of a JWT’s life to replace it.'),
  activeFor: duration()
    .default(1_800_000)
    .describe('An account is renewed in the background this long after its last call.'),
  coolDown: duration()
    .default(900_000)
    .describe('A rejected password is not tried again within this time, unless it changes.'),
  lease: duration().default(3000).describe('Life of the login lease in Redis; its holder extends it while it works.'),
  loginConcurrency: z
    .number()
    .int()
    .min(1)
    .default(2)
    .describe(
      'Logins under way at once per queue, over all replicas of one Redis (while Redis is away: per replica); as many again with passwords that callers post (passthrough).',
    ),
});

const sourceBase = { queues: z.array(z.string()).optional().describe('Only for these queues; without it for all.') };

/** Where vovserver passwords come from; asked in order, the first that knows the account wins. */
export const sourceSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('file'),
    ...sourceBase,
    dir: path().describe('Folder with one file per account, named as the account, holding its password.'),
  }),
  z.strictObject({
    type: z.literal('exec'),
    ...sourceBase,
    command: z.array(z.string().min(1)).min(1).describe('Program and arguments; no shell.'),
    timeout: duration().default(5000).describe('Time limit of the program.'),
    cache: duration().default(60_000).describe('An answer is kept in memory this long.'),
  }),
  z.strictObject({
    type: z.literal('shared'),
    ...sourceBase,
    account: name().describe('The service account.'),
    passwordFile: path().describe('File with its password.'),
  }),
  z.strictObject({
    type: z.literal('enrolled'),
    ...sourceBase,
  }),
  z.strictObject({
    type: z.literal('passthrough'),
    ...sourceBase,
  }),
]);
