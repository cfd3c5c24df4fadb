import { ERROR_CODES, ROLES, SCOPES } from '../kernel/index.ts';

/** Any one of these opens a call. */
export const SECURITY = [{ bearer: [] }, { basic: [] }, { session: [] }];

/** Every error of the gateway itself. */
export const DEFAULT_ERROR = { $ref: '#/components/responses/Problem' };

const string = { type: 'string' };
const seconds = { type: 'integer', description: 'Seconds.' };

const object = (properties: object, required = Object.keys(properties)): object => ({
  type: 'object',
  properties,
  required,
});

const PROBLEM = object(
  {
    type: { type: 'string', format: 'uri' },
    title: string,
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: string,
    code: { enum: Object.keys(ERROR_CODES), description: 'Stable; each has a row in the list of errors.' },
    request_id: string,
    error: { type: 'string', description: 'The detail once more; only under /api/, for the vendor’s scripts.' },
  },
  ['type', 'title', 'status', 'detail', 'code', 'request_id'],
);

const JOB = {
  type: 'object',
  description: 'Attributes of the job (the vendor’s VOV_JOB_DESC); further ones pass as they are.',
  properties: {
    command: string,
    logfile: string,
    rundir: { type: 'string', description: 'Directory as the taskers see it.' },
    env: string,
    'priority,sched': { type: 'integer' },
    autokill: { type: 'integer', description: 'Seconds.' },
  },
  required: ['command'],
  example: { command: 'sleep 60', logfile: 'JOBLOG.1', rundir: '/tmp', env: 'BASE' },
};

const ACCOUNT = object({
  queue: string,
  account: { type: ['string', 'null'], description: 'The vovserver account; null: none.' },
  shared: { type: 'boolean' },
});

const ME = object({
  user: string,
  subject: string,
  provider: { type: ['string', 'null'] },
  groups: { type: 'array', items: string },
  roles: { type: 'array', items: { enum: ROLES } },
  accounts: { type: 'array', items: ACCOUNT },
  credential: object({
    kind: { enum: ['token', 'session', 'bearer'] },
    id: string,
    label: string,
    scopes: { type: 'array', items: { enum: SCOPES } },
    expires_at: { type: 'string', format: 'date-time' },
  }),
});

/** What the paths refer to. */
export const COMPONENTS = {
  schemas: {
    Problem: PROBLEM,
    Job: JOB,
    JobChange: { type: 'object', description: 'As vovserver’s own documentation says for this call.' },
    Login: object({
      username: { type: 'string', description: 'Your user name at the gateway.' },
      password: { type: 'string', format: 'password', description: 'An access token of yours.' },
    }),
    Token: object({ token_type: { const: 'Bearer' }, access_token: string }),
    Me: ME,
    DeviceAuthorization: object({
      device_code: string,
      user_code: string,
      verification_uri: { type: 'string', format: 'uri' },
      verification_uri_complete: { type: 'string', format: 'uri' },
      expires_in: seconds,
      interval: seconds,
    }),
    OAuthToken: object({ access_token: string, token_type: { const: 'Bearer' }, expires_in: seconds, scope: string }),
    OAuthError: object({ error: string, error_description: string }, ['error']),
    Introspection: { ...object({ active: { type: 'boolean' } }), additionalProperties: true },
  },
  responses: {
    Problem: {
      description: 'An error of the gateway (RFC 9457).',
      headers: {
        'X-Request-Id': { description: 'Name it when you ask the administrator.', schema: string },
        'Retry-After': { description: 'Seconds to wait, with 429 and 503.', schema: { type: 'integer' } },
      },
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
    OAuthError: {
      description: 'An error as OAuth words it (RFC 6749, section 5.2).',
      content: { 'application/json': { schema: { $ref: '#/components/schemas/OAuthError' } } },
    },
  },
  securitySchemes: {
    bearer: { type: 'http', scheme: 'bearer', description: 'An access token of the gateway.' },
    basic: { type: 'http', scheme: 'basic', description: 'User name, and an access token as the password.' },
  },
};
