import { z } from 'zod';
import { duration, path, port, secret, size } from './values.ts';

const tlsVersion = z.enum(['TLSv1.2', 'TLSv1.3']);

const listenerTls = z.strictObject({
  certFile: path().describe('Certificate chain, PEM. Re-read when the file changes.'),
  keyFile: path().describe('Private key, PEM. Re-read when the file changes.'),
  minVersion: tlsVersion.default('TLSv1.2').describe('Lowest TLS version that callers may use.'),
});

export const serverSchema = z.strictObject({
  host: z.string().default('0.0.0.0').describe('Address to listen on.'),
  port: port().default(8443).describe('Port of the gateway.'),
  publicUrl: z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
    .optional()
    .describe('The URL that callers use; needed once people sign in by browser.'),
  tls: listenerTls.optional().describe('TLS towards the callers. Without it the listener speaks plain HTTP.'),
  allowInsecure: z
    .boolean()
    .default(false)
    .describe('Must be true for a plain HTTP listener on other addresses than loopback (TLS ends in front of it).'),
  trustedProxies: z
    .array(z.union([z.cidrv4(), z.cidrv6()], { error: 'is no network such as 10.0.0.0/8 or fd00::/8' }))
    .default([])
    .describe('Networks of load balancers whose X-Forwarded-For is believed. No other forwarded header is ever read.'),
  limits: z
    .strictObject({
      headerBytes: size().default(16_384).describe('Request line and headers together; above it 431.'),
      headerCount: z.number().int().min(10).default(100).describe('Number of request headers; above it 431.'),
      urlBytes: size().default(8192).describe('Request target; above it 414.'),
      bodyBytes: size().default(1_048_576).describe('Request body; above it 413.'),
      headersTimeout: duration().default(10_000).describe('Time for the complete header block.'),
      requestTimeout: duration().default(60_000).describe('Time for the complete request with its body.'),
      idleTimeout: duration().default(75_000).describe('An idle kept-alive connection is closed after this.'),
      connectionsPerAddress: z
        .number()
        .int()
        .min(1)
        .default(1000)
        .describe(
          'Open connections of one address: the peer of the connection, so behind one balancer this is the limit of the whole site.',
        ),
      connections: z.number().int().min(1).default(10_000).describe('Open connections in total.'),
    })
    .prefault({})
    .describe('Limits of the listener.'),
  drain: z
    .strictObject({
      wait: duration().default(5000).describe('After SIGTERM: time between “not ready” and closing the listener.'),
      timeout: duration().default(30_000).describe('Time that running requests get to finish.'),
    })
    .prefault({})
    .describe('Graceful shutdown.'),
});

export const adminSchema = z.strictObject({
  host: z.string().default('127.0.0.1').describe('Address of the admin and metrics listener.'),
  port: port().default(9464).describe('Port of the admin and metrics listener.'),
});

export const logSchema = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Lowest level that is written.'),
  requests: z.boolean().default(true).describe('One line for every request.'),
});

const redisTls = z.strictObject({
  caFile: path().optional().describe('CA bundle, PEM; without it the system’s authorities.'),
  certFile: path().optional().describe('Client certificate, PEM.'),
  keyFile: path().optional().describe('Key of the client certificate, PEM.'),
  serverName: z.string().optional().describe('Name to verify instead of the host name.'),
});

export const redisSchema = z.strictObject({
  mode: z.enum(['standalone', 'sentinel', 'cluster']).default('standalone').describe('How Redis is deployed.'),
  nodes: z
    .array(z.string().regex(/^.+:\d{1,5}$/, 'must be host:port'))
    .min(1)
    .describe('host:port of the server, of the Sentinels, or of some Cluster nodes.'),
  masterName: z.string().optional().describe('Name of the master; Sentinel only.'),
  db: z.number().int().min(0).default(0).describe('Database number; not with Cluster.'),
  username: z.string().optional().describe('ACL user.'),
  password: secret().optional().describe('Password of the ACL user.'),
  sentinelPassword: secret().optional().describe('Password of the Sentinels.'),
  tls: redisTls.optional().describe('TLS towards Redis.'),
  keyPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 characters of A-Z a-z 0-9 _ -')
    .default('vovgw')
    .describe('Prefix of every key and channel.'),
  connectTimeout: duration().default(2000).describe('Time for a connection.'),
  commandTimeout: duration().default(300).describe('Time for a command, at most 500ms; then Redis counts as away.'),
});

const KEY_32 = /^[A-Za-z0-9+/]{43}=$/;

const key32 = () =>
  secret()
    .refine((value) => KEY_32.test(value.reveal()), { error: 'is no key of 32 bytes in base64' })
    .meta({ pattern: KEY_32.source, hint: 'Make one with `openssl rand -base64 32`.' });

export const secretsSchema = z.strictObject({
  sealingKey: key32().describe('Key that seals JWTs and sessions in Redis: 32 random bytes in base64.'),
  previousSealingKey: key32()
    .optional()
    .describe(
      'A second key that opens and never seals. To change the key: put the new one here on every replica, then let the two change places; the old one may go when everything was used since, or listed by `vovgw token list` and `vovgw binding list`.',
    ),
  tokenKey: secret()
    .refine((value) => value.reveal().length >= 32, { error: 'must have at least 32 characters' })
    .meta({ minLength: 32, hint: 'Make one with `openssl rand -base64 32`.' })
    .describe(
      'Key of the keyed hash under which access tokens are stored. Changing it ends every access token and session, and forgets who owns which user name.',
    ),
});
