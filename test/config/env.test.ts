import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { configShape, envName, loadConfig, type Segment, type Shape, writtenKeys } from '../../src/config/index.ts';
import { childOf, isRaw, rawAt } from '../../src/config/shape.ts';
import { configOf, everyFile, faultsOf, pathsOf } from './samples.ts';
import { SIGN_IN_COMPANY, SIGN_IN_VALUES } from './sign-in-env.ts';

/** The environment of a small trial, on which each key is laid in turn. */
const BASE: Readonly<Record<string, string>> = {
  VOVGW_MODE: 'development',
  VOVGW_SERVER_HOST: '127.0.0.1',
  VOVGW_QUEUES_0_NAME: 'q',
  VOVGW_QUEUES_0_URLS: '["https://vov:6310"]',
};

const load = (env: Record<string, string>) => loadConfig({ env: { ...BASE, ...env }, readFile: everyFile });

/** Every single key with the variables that it needs around it, and a value that is not its default. */
interface KeyCase {
  readonly at: readonly Segment[];
  readonly shape: Shape;
}

function* everyKey(shape: Shape, at: readonly Segment[]): Generator<KeyCase> {
  if (at.length > 0) yield { at, shape };
  if (shape.kind === 'list' && shape.element !== null) yield* everyKey(shape.element, [...at, 0]);
  for (const choice of shape.choices.values())
    for (const [key, child] of writtenKeys(choice)) yield* everyKey(child, [...at, key]);
  if (shape.kind === 'section') for (const [key, child] of writtenKeys(shape)) yield* everyKey(child, [...at, key]);
}

const KEYS = [...everyKey(configShape, [])];

/** What a key needs beside it: [pattern of its path, variables]. */
const COMPANY: readonly (readonly [RegExp, Record<string, string>])[] = [
  [/^jobs\.policy\.0\.(?!name)/, { VOVGW_JOBS_POLICY_0_NAME: 'w' }],
  [/^jobs\.policy\.0\.(?!denyKeys)/, { VOVGW_JOBS_POLICY_0_DENY_KEYS: '[wrapper]' }],
  [
    /^jobs\.quotas\.0\.(?!name)(?!liveJobs)/,
    { VOVGW_JOBS_QUOTAS_0_NAME: 'w', VOVGW_JOBS_QUOTAS_0_LIVE_JOBS: '9', VOVGW_JOBS_QUOTAS_0_GROUPS: '[w]' },
  ],
  [/^jobs\.quotas\.0\.name/, { VOVGW_JOBS_QUOTAS_0_LIVE_JOBS: '9' }],
  [/^jobs\.quotas\.0\.liveJobs/, { VOVGW_JOBS_QUOTAS_0_NAME: 'w' }],
  [/^queues\.0\.coalesce\.cache\.0\.route/, { VOVGW_QUEUES_0_COALESCE_CACHE_0_LIFE: '1s' }],
  [/^queues\.0\.coalesce\.cache\.0\.life/, { VOVGW_QUEUES_0_COALESCE_CACHE_0_ROUTE: '/api/v3/query' }],
  [/^replicas$/, { VOVGW_REDIS_NODES: '["r:1"]' }],
  [/^server\.tls\./, { VOVGW_SERVER_TLS_CERT_FILE: '/c', VOVGW_SERVER_TLS_KEY_FILE: '/k' }],
  [/^redis\./, { VOVGW_REDIS_NODES: '["r:1"]' }],
  [/^redis\.tls\.(cert|key)File$/, { VOVGW_REDIS_TLS_CERT_FILE: '/c', VOVGW_REDIS_TLS_KEY_FILE: '/k' }],
  [/^redis\.masterName$/, { VOVGW_REDIS_MODE: 'sentinel' }],
  [/^redis\.mode$/, { VOVGW_REDIS_MASTER_NAME: 'm' }],
  [/tls\.pins/, { VOVGW_QUEUES_0_TLS_VERIFY: 'pin' }],
  [/queues\.0\.tls\.(cert|key)File$/, { VOVGW_QUEUES_0_TLS_CERT_FILE: '/c', VOVGW_QUEUES_0_TLS_KEY_FILE: '/k' }],
  [/^credentials\.0\.(dir|queues)/, { VOVGW_CREDENTIALS_0_TYPE: 'file', VOVGW_CREDENTIALS_0_DIR: '/d' }],
  [
    /^credentials\.0\.(command|timeout|cache)/,
    { VOVGW_CREDENTIALS_0_TYPE: 'exec', VOVGW_CREDENTIALS_0_COMMAND: '[x]' },
  ],
  [
    /^credentials\.0\.(account|passwordFile)/,
    {
      VOVGW_CREDENTIALS_0_TYPE: 'shared',
      VOVGW_CREDENTIALS_0_ACCOUNT: 'a',
      VOVGW_CREDENTIALS_0_PASSWORD_FILE: '/p',
    },
  ],
  [
    /^access\.extraRoutes\.0\./,
    {
      VOVGW_ACCESS_EXTRA_ROUTES_0_METHOD: 'PUT',
      VOVGW_ACCESS_EXTRA_ROUTES_0_TEMPLATE: '/api/v3/x',
      VOVGW_ACCESS_EXTRA_ROUTES_0_CLASS: 'submit',
    },
  ],
  ...SIGN_IN_COMPANY,
];

/** Values for keys whose form or rules ask for something in particular. */
const VALUES: Readonly<Record<string, string>> = {
  mode: 'development',
  'server.host': '127.0.0.2',
  'server.limits.requestTimeout': '20s',
  'server.publicUrl': 'https://gw:8443',
  'server.trustedProxies': '["10.0.0.0/8"]',
  'server.trustedProxies.0': '10.0.0.0/8',
  'server.limits.headersTimeout': '7s',
  'redis.mode': 'sentinel',
  'redis.nodes': '["n:2"]',
  'redis.nodes.0': 'n:2',
  'redis.commandTimeout': '77ms',
  'secrets.sealingKey': Buffer.alloc(32, 1).toString('base64'),
  'secrets.previousSealingKey': Buffer.alloc(32, 2).toString('base64'),
  'secrets.tokenKey': 't'.repeat(40),
  'queues.0.urls': '["https://other:1"]',
  'queues.0.urls.0': 'https://other:1',
  'queues.0.hosts': '[h]',
  'queues.0.tls.pins': `["sha256/${Buffer.alloc(32).toString('base64')}"]`,
  'queues.0.tls.pins.0': `sha256/${Buffer.alloc(32).toString('base64')}`,
  'queues.0.tls.verify': 'ca',
  'broker.renewFrom': '0.6',
  'broker.renewTo': '0.9',
  'credentials.0.type': 'passthrough',
  'credentials.0.queues': '[q]',
  'credentials.0.queues.0': 'q',
  'identity.groups': '{g: [u]}',
  'identity.rules.0.match.queue': 'q',
  'identity.rules.0.match.userPattern': '(w+)',
  'accessTokens.maxLife': '400d',
  'access.extraRoutes.0.template': '/api/v3/y/{id}',
  'limits.groups': '{g: {all: {requests: 1, window: 9s}}}',
  'queues.0.coalesce.shared': '["/api/v3/projects/1"]',
  'queues.0.coalesce.shared.0': '/api/v3/projects/1',
  'queues.0.coalesce.cache': '[{route: /api/v3/query, life: 2s}]',
  'queues.0.coalesce.cache.0.route': '/api/v3/jobs/{id}',
  'jobs.quotas': '[{name: w, liveJobs: 1}]',
  'jobs.quotas.0.queues': '[q]',
  'jobs.quotas.0.queues.0': 'q',
  'jobs.keyLife': '400d',
  'jobs.quotas.0.exceptGroups': '[v]',
  'jobs.quotas.0.exceptGroups.0': 'v',
  'jobs.policy': '[{name: w, denyKeys: [force]}]',
  'jobs.policy.0.queues': '[q]',
  'jobs.policy.0.queues.0': 'q',
  'jobs.policy.0.fields': '{env: {oneOf: [BASE]}}',
  'jobs.policy.0.defaults': '{env: BASE}',
  ...SIGN_IN_VALUES,
};

const valueFor = (path: string, { shape }: KeyCase): string => {
  const own = VALUES[path];
  if (own !== undefined) return own;
  const pem = /\.tls\.(cert|key|ca|crl)File$/.exec(path)?.[1];
  if (pem !== undefined) return `tls/${pem}/w`;
  if (shape.unit === 'duration') return '4s';
  if (shape.unit === 'size') return '5KiB';
  if (shape.kind === 'number') return '12';
  if (shape.kind === 'boolean') return 'true';
  if (shape.kind === 'list') return '[w]';
  return shape.words.at(-1) ?? 'w';
};

/** Keys that need another key of their own section, or another value, before they can be set alone. */
const sectionAlone = (path: string, shape: Shape): boolean =>
  shape.kind === 'section' ||
  shape.kind === 'tagged' ||
  ['queues', 'credentials', 'identity.rules', 'access.extraRoutes'].includes(path) ||
  /^limits\.identity\.(read|list|submit|control)\./.test(path) ||
  /^identity\.rules\.0\.(shared|deny|table)$/.test(path) ||
  /^secrets\..*File$/.test(path) ||
  path === 'queues.0.allowInsecure';

const MILLISECONDS_OR_BYTES: Readonly<Record<string, number>> = {
  '4s': 4000,
  '7s': 7000,
  '20s': 20_000,
  '400d': 400 * 86_400_000,
  '77ms': 77,
  '5KiB': 5120,
};

const seen = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const expected = (text: string, { shape }: KeyCase): unknown => {
  if (shape.secret) return '[redacted]';
  if (shape.unit !== null) return MILLISECONDS_OR_BYTES[text];
  if (shape.kind === 'number') return Number(text);
  if (shape.kind === 'boolean') return true;
  return text;
};

describe('environment twins', () => {
  it('splits camel case and numbers entries', () => {
    assert.equal(envName(['server', 'limits', 'bodyBytes']), 'VOVGW_SERVER_LIMITS_BODY_BYTES');
    assert.equal(envName(['queues', 0, 'tls', 'caFile']), 'VOVGW_QUEUES_0_TLS_CA_FILE');
    assert.equal(envName(['redis', 'passwordFile']), 'VOVGW_REDIS_PASSWORD_FILE');
    assert.equal(envName(['accessTokens', 'maxLife']), 'VOVGW_ACCESS_TOKENS_MAX_LIFE');
  });

  it('gives no two keys the same variable', () => {
    const paths = new Map<string, string>();
    for (const { at } of KEYS) {
      const name = envName(at);
      assert.equal(paths.get(name) ?? at.join('.'), at.join('.'), name);
      paths.set(name, at.join('.'));
    }
    assert.ok(paths.size > 110, String(paths.size));
  });

  for (const key of KEYS) {
    const path = key.at.join('.');
    if (sectionAlone(path, key.shape)) continue;
    it(`${envName(key.at)} sets ${path}`, () => {
      const company = COMPANY.filter(([pattern]) => pattern.test(path)).map(([, variables]) => variables);
      const text = valueFor(path, key);
      const config = configOf(load(Object.assign({}, ...company, { [envName(key.at)]: text })));
      const fileTwin = key.shape.path && /(^redis\.(p|sentinelP)assword|\.clientSecret)File$/.test(path);
      const at = fileTwin ? [...key.at.slice(0, -1), String(key.at.at(-1)).replace(/File$/, '')] : key.at;
      const value = seen(rawAt(config, at));
      if (fileTwin) assert.equal(value, '[redacted]');
      else if (key.shape.path) assert.match(String(value), /^\/.*w$/);
      else if (key.shape.kind === 'list') assert.ok(Array.isArray(value) && value.length === 1);
      else if (isRaw(value)) assert.ok(Object.keys(value).length > 0);
      else assert.equal(value, expected(text, key));
    });
  }

  it('takes sections, lists of sections and secret files whole', () => {
    const config = configOf(
      load({
        VOVGW_REDIS: '{nodes: ["r:1"], passwordFile: /run/p}',
        VOVGW_LIMITS_ADDRESS: '{"requests": 3, "window": "2s"}',
        VOVGW_CREDENTIALS: '[{type: shared, account: svc, passwordFile: /p}]',
        VOVGW_IDENTITY_RULES: '[{match: {user: ci}, shared: svc}]',
      }),
    );
    assert.equal(config.redis?.password?.reveal(), 'content');
    assert.deepEqual(config.limits.address, { requests: 3, window: 2000 });
    assert.equal(config.identity.rules[0]?.shared, 'svc');
  });

  it('sets one part of a default section or list and keeps the rest', () => {
    const config = configOf(load({ VOVGW_LIMITS_ATTEMPTS_REQUESTS: '3', VOVGW_IDENTITY_RULES_0_ACCOUNT: 'x$1' }));
    assert.deepEqual(config.limits.attempts, { requests: 3, window: 300_000 });
    assert.equal(config.identity.rules[0]?.match.userPattern, '([a-z_][a-z0-9_-]{0,31})');
    assert.equal(config.identity.rules[0]?.account, 'x$1');
  });

  it('adds entries by index in any order and refuses gaps', () => {
    const config = configOf(
      load({ VOVGW_QUEUES_1_URLS_1: 'https://c:1', VOVGW_QUEUES_1_URLS_0: 'https://b:1', VOVGW_QUEUES_1_NAME: 'r' }),
    );
    assert.deepEqual(config.queues[1]?.urls, ['https://b:1', 'https://c:1']);
    const [fault] = faultsOf(load({ VOVGW_QUEUES_3_NAME: 'far' }));
    assert.deepEqual([fault?.path, fault?.source], ['queues[3].name', 'env']);
  });

  it('lays single entries over a list that is given whole', () => {
    const whole = '[{name: q, urls: ["https://a:1"]}, {name: r, urls: ["https://b:1"]}]';
    const config = configOf(load({ VOVGW_QUEUES: whole, VOVGW_QUEUES_1_NAME: 's' }));
    assert.deepEqual(
      config.queues.map(({ name }) => name),
      ['q', 's'],
    );
  });
});

describe('variables that say nothing', () => {
  it('refuses unknown ones and suggests the nearest', () => {
    const mendOf = (name: string): string => faultsOf(load({ [name]: 'x' }))[0]?.mend ?? '';
    assert.equal(mendOf('VOVGW_SERVR_PORT'), 'Did you mean VOVGW_SERVER_PORT?');
    assert.equal(mendOf('VOVGW_REDIS_PASSWORD_FIEL'), 'Did you mean VOVGW_REDIS_PASSWORD_FILE?');
    assert.equal(mendOf('VOVGW_QUEUES_0_NAMES'), 'Did you mean VOVGW_QUEUES_0_NAME?');
    assert.equal(mendOf('VOVGW_ACCESSTOKENS_MAX_LIFE'), 'Did you mean VOVGW_ACCESS_TOKENS_MAX_LIFE?');
    assert.equal(mendOf('VOVGW_CONFIGURATION_FILE_NAME_X'), 'Unset it; docs/configuration.md lists all variables.');
  });

  it('refuses any name that is no twin, whatever it is', () => {
    const names = new Set(KEYS.map(({ at }) => envName(at)));
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Z]{1,8}(_[A-Z0-9]{1,6}){0,3}$/), (rest) => {
        const name = `VOVGW_${rest}`;
        fc.pre(!names.has(name) && !/^VOVGW_(CONFIG$|PORT|SERVICE|.*_\d)/.test(name));
        assert.ok(pathsOf(load({ [name]: 'x' })).includes(name));
      }),
      { numRuns: 50 },
    );
  });

  it('refuses empty ones and what is no YAML, without quoting it', () => {
    const faults = faultsOf(load({ VOVGW_LOG_LEVEL: '', VOVGW_REDIS: '{password: "hunter2' }));
    assert.deepEqual(
      faults.map(({ path, reason }) => [path, reason]),
      [
        ['VOVGW_LOG_LEVEL', 'is empty'],
        ['VOVGW_REDIS', 'is no YAML or JSON'],
      ],
    );
    assert.ok(!JSON.stringify(faults).includes('hunter2'));
  });

  it('leaves other programs’ variables alone and warns of Kubernetes service links', () => {
    const result = load({
      PATH: '/bin',
      VOV_GATEWAY_X: '1',
      VOVGW_PORT_8443_TCP_ADDR: '10.0.0.1',
      VOVGW_SERVICE_HOST: 'x',
    });
    configOf(result);
    assert.ok(result.ok && result.warnings.filter((text) => text.includes('service link')).length === 2);
  });
});

describe('the walk of the schema', () => {
  it('finds the shape of every key again', () => {
    for (const { at, shape } of KEYS) {
      const last = at.at(-1);
      // Where a tag decides the form, the walk needs its value.
      const tagged = /^(credentials|signIn\.(providers|bearers))\b/.test(at.join('.'));
      if (last === undefined || shape.path || tagged) continue;
      const parent = at.slice(0, -1).reduce<Shape | null>((here, part) => here && childOf(here, part, {}), configShape);
      assert.equal(parent && childOf(parent, last, {})?.description, shape.description, at.join('.'));
    }
  });

  it('has a description for every key', () => {
    const bare = KEYS.filter(
      ({ at, shape }) => shape.description === '' && shape.words.length !== 1 && at.at(-1) !== 0,
    );
    assert.deepEqual(
      bare.map(({ at }) => at.join('.')),
      [],
    );
  });
});
