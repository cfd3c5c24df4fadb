import { z } from 'zod';
import { accessSchema, accessTokensSchema, identitySchema, limitsSchema } from './schema-access.ts';
import { jobsSchema } from './schema-jobs.ts';
import { brokerSchema, queueSchema, sourceSchema } from './schema-queue.ts';
import { adminSchema, logSchema, redisSchema, secretsSchema, serverSchema } from './schema-server.ts';
import { docsSchema, signInSchema } from './schema-sign-in.ts';

/** The whole configuration file: every key with its meaning, its form and its default. */
export const configSchema = z.strictObject({
  mode: z
    .enum(['production', 'development'])
    .default('production')
    .describe('production refuses what only suits a trial: the in-memory store and generated secrets.'),
  replicas: z
    .number()
    .int()
    .min(1)
    .default(1)
    .describe('How many gateways share the Redis; more than one needs Redis.'),
  server: serverSchema.prefault({}).describe('The listener that callers meet.'),
  admin: adminSchema.prefault({}).describe('The listener for health checks and metrics.'),
  log: logSchema.prefault({}).describe('The log on standard output.'),
  redis: redisSchema.optional().describe('The shared store. Without it an in-memory store, for one process.'),
  secrets: secretsSchema
    .optional()
    .describe('Keys of the gateway itself. In development they are made at start when missing.'),
  queues: z.array(queueSchema).min(1).describe('The vovserver queues; the first is the default.'),
  broker: brokerSchema.prefault({}).describe('How vovserver JWTs are obtained and renewed.'),
  credentials: z.array(sourceSchema).default([]).describe('Where vovserver passwords come from, asked in order.'),
  identity: identitySchema.prefault({}).describe('Which vovserver account an identity has.'),
  signIn: signInSchema.prefault({}).describe('How people sign in, and tokens of the company’s identity provider.'),
  docs: docsSchema.prefault({}).describe('Pages that describe the API.'),
  jobs: jobsSchema.prefault({}).describe('Submissions: at most once, and attributable.'),
  accessTokens: accessTokensSchema.prefault({}).describe('Access tokens of the gateway.'),
  access: accessSchema.prefault({}).describe('Which calls are open.'),
  limits: limitsSchema
    .prefault({})
    .describe(
      'Rate limits: each lets `requests` calls pass per `window`, all of them at once if need be (token bucket).',
    ),
});

/** The decided configuration: durations in milliseconds, sizes in bytes, secrets wrapped, paths absolute. */
export type Config = Omit<z.output<typeof configSchema>, 'secrets'> & { secrets: SecretsConfig };
export type SecretsConfig = z.output<typeof secretsSchema>;
export type QueueConfig = Config['queues'][number];
export type RedisConfig = NonNullable<Config['redis']>;
export type SourceConfig = Config['credentials'][number];
export type LimitsConfig = Config['limits'];
export type BucketConfig = LimitsConfig['address'];
export type SignInConfig = Config['signIn'];
export type ProviderConfig = SignInConfig['providers'][number];
export type SamlConfig = Extract<ProviderConfig, { type: 'saml' }>;
export type OidcConfig = Extract<ProviderConfig, { type: 'oidc' }>;
export type BearerConfig = SignInConfig['bearers'][number];
