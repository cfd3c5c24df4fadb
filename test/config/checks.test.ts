import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHECKS, parseConfig } from '../../src/config/index.ts';
import { JOBS_QUIET, JOBS_ROWS, MEANT_ROWS } from './jobs-rows.ts';
import { faultsOf, KEY, noFile, PIN, parsed, patched, production, TOKEN_KEY } from './samples.ts';
import { type Row, SIGN_IN_QUIET, SIGN_IN_ROWS } from './sign-in-rows.ts';

const queue = (patch: Record<string, unknown> = {}) => patched({ name: 'chips', urls: ['https://vov:6310'] }, patch);

const rules = (...entries: unknown[]) => ({ identity: { rules: entries } });
const withQueue = (patch: Record<string, unknown>) => ({ queues: [queue(patch)] });
const trial = (patch: Record<string, unknown>) => ({ mode: 'development', ...patch });

const ROWS: readonly Row[] = [
  {
    check: 'plain HTTP towards callers only on loopback or on purpose',
    patch: { server: { tls: undefined } },
    paths: ['server.tls'],
    says: /0\.0\.0\.0/,
  },
  {
    check: 'plain HTTP towards callers only on loopback or on purpose',
    patch: { server: { tls: undefined, host: '127.evil.example' } },
    paths: ['server.tls'],
  },
  {
    check: 'headers in time before the whole request',
    patch: { server: { limits: { requestTimeout: '5s' } } },
    paths: ['server.limits.headersTimeout'],
  },
  { check: 'each port once', patch: { admin: { port: 8443 } }, paths: ['admin.port'], says: /server\.port/ },
  { check: 'each port once', patch: withQueue({ port: 9464 }), paths: ['queues[0].port'], says: /admin\.port/ },
  {
    check: 'each port once',
    patch: { queues: [queue({ port: 1 }), queue({ name: 'b', port: 1 })] },
    paths: ['queues[1].port'],
    says: /queues\[0\]\.port/,
  },
  {
    check: 'several replicas share a Redis',
    patch: trial({ redis: undefined, replicas: 2 }),
    paths: ['redis'],
    says: /replicas is 2/,
  },
  { check: 'production has a Redis', patch: { redis: undefined }, paths: ['redis'], says: /production/ },
  { check: 'production has its secrets', patch: { secrets: undefined }, paths: ['secrets'], says: /production/ },
  {
    check: 'a rotation changes the key',
    patch: { secrets: { previousSealingKey: KEY } },
    paths: ['secrets.previousSealingKey'],
    warns: true,
  },
  {
    check: 'a Redis command is bounded',
    patch: { redis: { commandTimeout: '501ms' } },
    paths: ['redis.commandTimeout'],
  },
  { check: 'Sentinel knows the master', patch: { redis: { mode: 'sentinel' } }, paths: ['redis.masterName'] },
  { check: 'a master name belongs to Sentinel', patch: { redis: { masterName: 'm' } }, paths: ['redis.masterName'] },
  { check: 'Cluster has one database', patch: { redis: { mode: 'cluster', db: 1 } }, paths: ['redis.db'] },
  { check: 'standalone is one server', patch: { redis: { nodes: ['a:1', 'b:1'] } }, paths: ['redis.nodes'] },
  { check: 'redis nodes have a possible port', patch: { redis: { nodes: ['a:70000'] } }, paths: ['redis.nodes[0]'] },
  { check: 'redis nodes have a possible port', patch: { redis: { nodes: ['[::1]:0'] } }, paths: ['redis.nodes[0]'] },
  {
    check: 'certificate and key of the Redis client',
    patch: { redis: { tls: { keyFile: '/k' } } },
    paths: ['redis.tls.certFile'],
  },
  { check: 'nothing insecure by accident', patch: withQueue({ urls: ['http://vov:1'] }), paths: ['queues[0].urls[0]'] },
  { check: 'nothing insecure by accident', patch: withQueue({ urls: ['HTTP://vov:1'] }), paths: ['queues[0].urls[0]'] },
  {
    check: 'nothing insecure by accident',
    patch: withQueue({ tls: { verify: 'none' } }),
    paths: ['queues[0].tls.verify'],
  },
  {
    check: 'nothing insecure by accident',
    patch: withQueue({ urls: ['http://vov:1'], tls: { verify: 'none' }, allowInsecure: true }),
    paths: ['queues[0].urls[0]', 'queues[0].tls.verify'],
    warns: true,
  },
  {
    check: 'pins where pins decide',
    patch: withQueue({ tls: { verify: 'pin' } }),
    paths: ['queues[0].tls.pins'],
    says: /empty/,
  },
  {
    check: 'who shares an account is warned',
    patch: {
      ...rules({ match: { user: 'u' }, shared: 'svc' }, { match: { user: 'v' }, account: 'v' }),
      credentials: [{ type: 'shared', account: 'svc', passwordFile: '/p' }],
    },
    paths: ['identity.rules[0].shared'],
    warns: true,
  },
  { check: 'pins where pins decide', patch: withQueue({ tls: { verify: 'ca+pin' } }), paths: ['queues[0].tls.pins'] },
  {
    check: 'pins where pins decide',
    patch: withQueue({ tls: { pins: [PIN] } }),
    paths: ['queues[0].tls.pins'],
    says: /never/,
  },
  {
    check: 'pins where pins decide',
    patch: withQueue({ tls: { verify: 'none', pins: [PIN] }, allowInsecure: true }),
    paths: ['queues[0].tls.pins'],
  },
  {
    check: 'client certificate and key together',
    patch: withQueue({ tls: { certFile: '/c' } }),
    paths: ['queues[0].tls.keyFile'],
  },
  {
    check: 'client certificate and key together',
    patch: withQueue({ tls: { keyFile: '/k' } }),
    paths: ['queues[0].tls.certFile'],
  },
  {
    check: 'URLs name a server only',
    patch: withQueue({ urls: ['https://v:1/api'] }),
    paths: ['queues[0].urls[0]'],
    says: /a path/,
  },
  {
    check: 'URLs name a server only',
    patch: withQueue({ urls: ['https://v:1/?a=b#c'] }),
    paths: ['queues[0].urls[0]'],
    says: /a query and a fragment/,
  },
  {
    check: 'URLs name a server only',
    patch: withQueue({ urls: ['https://ok:1', 'https://user:hunter2@v:1'] }),
    paths: ['queues[0].urls[1]'],
    says: /user name or password/,
  },
  {
    check: 'an outage outlasts a look',
    patch: withQueue({ failover: { probe: '2m', expected: '1m' } }),
    paths: ['queues[0].failover.probe'],
  },
  { check: 'each URL once', patch: withQueue({ urls: ['https://v:1', 'https://v:1'] }), paths: ['queues[0].urls[1]'] },
  { check: 'each queue name once', patch: { queues: [queue(), queue({ hosts: ['h'] })] }, paths: ['queues[1].name'] },
  {
    check: 'each host once',
    patch: { queues: [queue({ hosts: ['gw'] }), queue({ name: 'b', hosts: ['x', 'GW'] })] },
    paths: ['queues[1].hosts[1]'],
    says: /queues\[0\]\.hosts\[0\]/,
  },
  {
    check: 'hosts are host names',
    patch: withQueue({ hosts: ['gw:8443', 'https://gw', 'gw.example.com', '[::1]', 'gw/'] }),
    paths: ['queues[0].hosts[0]', 'queues[0].hosts[1]', 'queues[0].hosts[4]'],
  },
  { check: 'renewal has a window', patch: { broker: { renewFrom: 0.9 } }, paths: ['broker.renewFrom'] },
  { check: 'renewal has a window', patch: { broker: { renewFrom: 0.8, renewTo: 0.8 } }, paths: ['broker.renewFrom'] },
  { check: 'the login lease outlives a hiccup', patch: { broker: { lease: '999ms' } }, paths: ['broker.lease'] },
  {
    check: 'patterns compile and cannot stall',
    patch: rules({ match: { userPattern: '(' }, account: 'a' }, { match: { userPattern: '(a|b)+' }, account: 'a' }),
    paths: ['identity.rules[0].match.userPattern', 'identity.rules[1].match.userPattern'],
  },
  {
    check: '$n has its group',
    patch: rules({ match: { userPattern: '(?:x)(?<n>y)' }, account: '$1$2' }, { match: { user: 'u' }, account: '$1' }),
    paths: ['identity.rules[0].account', 'identity.rules[1].account'],
  },
  {
    check: 'rules name known queues',
    patch: rules({ match: { user: 'u', queue: 'chip' }, account: 'a' }),
    paths: ['identity.rules[0].match.queue'],
    says: /queue chip/,
  },
  {
    check: 'a shared account has a shared source',
    patch: rules({ match: { user: 'u' }, shared: 'svc' }),
    paths: ['identity.rules[0].shared'],
  },
  {
    check: 'a shared account has a shared source',
    patch: {
      ...rules({ match: { user: 'u' }, shared: 'svc' }),
      credentials: [{ type: 'shared', account: 'other', passwordFile: '/p' }],
    },
    paths: ['identity.rules[0].shared'],
  },
  {
    check: 'rules name known groups',
    patch: rules({ match: { group: 'g' }, account: 'a' }),
    paths: ['identity.rules[0].match.group'],
    warns: true,
  },
  {
    check: 'sources name known queues',
    patch: { credentials: [{ type: 'file', dir: '/p', queues: ['chips', 'chops'] }] },
    paths: ['credentials[0].queues[1]'],
    says: /chops/,
  },
  { check: 'there are credentials', patch: { credentials: [] }, paths: ['credentials'], warns: true },
  {
    check: 'limits name known groups',
    patch: { limits: { groups: { g: {} } } },
    paths: ['limits.groups.g'],
    warns: true,
  },
  {
    check: 'accessTokens.defaultLife within the maximum',
    patch: { accessTokens: { maxLife: '20d' } },
    paths: ['accessTokens.defaultLife'],
  },
  {
    check: 'accessTokens.derivedLife within the maximum',
    patch: { accessTokens: { maxLife: '40d', derivedLife: '41d' } },
    paths: ['accessTokens.derivedLife'],
  },
  {
    check: 'durations are possible',
    patch: { ...withQueue({ timeouts: { headers: '0s' } }), redis: { connectTimeout: '0.4ms' } },
    paths: ['redis.connectTimeout', 'queues[0].timeouts.headers'],
    says: /longer than 0/,
  },
  {
    check: 'durations are possible',
    patch: withQueue({ timeouts: { total: '25d' } }),
    paths: ['queues[0].timeouts.total'],
    says: /24d/,
  },
  {
    check: 'durations are possible',
    patch: { accessTokens: { maxLife: '9999d' } },
    paths: ['accessTokens.maxLife'],
    says: /3650d/,
  },
  {
    check: 'durations are possible',
    patch: { limits: { attempts: { requests: 1, window: '500ms' } } },
    paths: ['limits.attempts.window'],
    says: /1s/,
  },
  { check: 'sizes are possible', patch: { server: { limits: { urlBytes: '0B' } } }, paths: ['server.limits.urlBytes'] },
  ...SIGN_IN_ROWS,
  ...JOBS_ROWS,
  ...MEANT_ROWS,
];

/** What must pass without a fault, because it is only near a rule. */
const ACCEPTED: readonly Record<string, unknown>[] = [
  { server: { tls: undefined, host: '127.0.0.9' } },
  { server: { tls: undefined, host: '::1' } },
  { server: { tls: undefined, host: 'localhost' } },
  { server: { tls: undefined, allowInsecure: true } },
  { server: { port: 0 }, admin: { port: 0 } },
  { server: { drain: { wait: '0s', timeout: '0ms' } } },
  { redis: { mode: 'sentinel', masterName: 'm', nodes: ['a:1', 'b:2'] } },
  { redis: { mode: 'cluster', nodes: ['[::1]:1', 'b:2'] } },
  { redis: { commandTimeout: '500ms' } },
  { mode: 'development', redis: undefined, secrets: undefined },
  withQueue({ tls: { verify: 'pin', pins: [PIN] } }),
  withQueue({ tls: { verify: 'ca+pin', pins: [PIN, PIN] } }),
  withQueue({ tls: { certFile: '/c', keyFile: '/k' } }),
  withQueue({ urls: ['https://v:1/'] }),
  { accessTokens: { maxLife: '365d' } },
  { broker: { coolDown: '0s' } },
  {
    ...rules({ match: { user: 'u' }, shared: 'svc' }, { match: { user: 'v' }, account: 'x$0' }),
    credentials: [{ type: 'shared', account: 'svc', passwordFile: '/p' }],
  },
  { identity: { groups: { g: ['u'] }, rules: [{ match: { group: 'g' }, deny: true }] } },
];

describe('cross-checks', () => {
  it('start from a configuration without fault and warning', () => {
    const result = parsed();
    assert.deepEqual(result.ok && result.warnings, []);
  });

  for (const { check, patch, paths, says, warns } of ROWS) {
    it(`${check}: ${paths.join(', ')}`, () => {
      const result = parsed(patch);
      if (warns) {
        assert.ok(result.ok, JSON.stringify(result));
        assert.deepEqual(
          result.warnings.map((text) => text.split(': ')[0]),
          paths,
        );
        for (const text of result.warnings) if (says !== undefined) assert.match(text, says);
        return;
      }
      const faults = faultsOf(result);
      assert.deepEqual(
        faults.map(({ path }) => path),
        paths,
      );
      for (const { reason, mend } of faults) {
        if (says !== undefined) assert.match(reason, says);
        assert.ok(!`${reason}${mend}`.includes('hunter2'));
      }
    });
  }

  it('name the template of a path, and the word that is near', () => {
    const mends = [
      ['/api/v3/jobs/45080', '/api/v3/jobs/{id}'],
      ['/api/v3/jobs/{jobid}/*', '/api/v3/jobs/{id}/*'],
      ['/api/v3/jobs/7/host', '/api/v3/jobs/{id}/{field}'],
      ['/api/v3/querry', '/api/v3/query'],
    ] as const;
    for (const [route, template] of mends) {
      const [fault] = faultsOf(parsed(withQueue({ coalesce: { cache: [{ route, life: '2s' }] } })));
      assert.equal(fault?.mend, `Did you mean ${template}?`);
    }
  });

  it('let pass what is only near a rule', () => {
    for (const patch of ACCEPTED) {
      const result = parsed(patch);
      assert.ok(result.ok, `${JSON.stringify(patch)}: ${JSON.stringify(result)}`);
    }
  });

  it('are silent about sign-in that is in order', () => {
    for (const patch of SIGN_IN_QUIET) {
      const result = parsed(patch);
      assert.ok(result.ok, `${JSON.stringify(patch)}: ${JSON.stringify(result)}`);
      assert.deepEqual(result.warnings, [], JSON.stringify(patch));
    }
  });

  it('are silent about jobs, lanes and shared reads that are in order', () => {
    for (const patch of JOBS_QUIET) {
      const result = parsed(patch);
      assert.ok(result.ok, `${JSON.stringify(patch)}: ${JSON.stringify(result)}`);
      assert.deepEqual(result.warnings, [], JSON.stringify(patch));
    }
  });

  it('each have a row here', () => {
    const tried = new Set([
      ...ROWS.map(({ check }) => check),
      'files can be read',
      'TLS files hold what their keys say',
    ]);
    assert.deepEqual(
      CHECKS.map(({ name }) => name).filter((name) => !tried.has(name)),
      [],
    );
    assert.equal(new Set(CHECKS.map(({ name }) => name)).size, CHECKS.length);
  });

  it('run each on its own on what is broken everywhere', () => {
    const broken = {
      server: 1,
      redis: [],
      secrets: 'x',
      queues: [null, 3, {}],
      credentials: [{}, 2],
      identity: { rules: [{}, null] },
    };
    assert.ok(faultsOf(parseConfig(broken)).length > 5);
  });

  it('name every file that cannot be read, with the code of the system', () => {
    const raw = patched(production(), {
      ...withQueue({ tls: { caFile: 'ca.pem', crlFile: '/crl.pem' } }),
      credentials: [{ type: 'file', dir: '/passwords' }],
    });
    const faults = faultsOf(parseConfig(raw, { base: '/etc/gw', readFile: noFile }));
    assert.deepEqual(
      faults.map(({ path, reason }) => `${path} ${reason}`),
      [
        'server.tls.certFile /tls/cert.pem cannot be read: ENOENT',
        'server.tls.keyFile /tls/key.pem cannot be read: ENOENT',
        'queues[0].tls.caFile /etc/gw/ca.pem cannot be read: ENOENT',
        'queues[0].tls.crlFile /crl.pem cannot be read: ENOENT',
        'credentials[0].dir /passwords cannot be read: ENOENT',
      ],
    );
    for (const { mend } of faults) assert.equal(mend, 'Create the file or correct the path.');
  });

  it('suggest the queue that was probably meant', () => {
    const [fault] = faultsOf(parsed(rules({ match: { user: 'u', queue: 'chipz' }, account: 'a' })));
    assert.equal(fault?.mend, 'Did you mean chips?');
  });

  it('accept a token key that is long enough only', () => {
    assert.equal(faultsOf(parsed({ secrets: { tokenKey: TOKEN_KEY.slice(0, 31) } }))[0]?.path, 'secrets.tokenKey');
    assert.equal(faultsOf(parsed({ secrets: { sealingKey: `${KEY}${KEY}` } }))[0]?.path, 'secrets.sealingKey');
  });
});
