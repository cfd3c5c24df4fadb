import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { findConfigFile, loadConfig, parseConfig } from '../../src/config/index.ts';
import { Secret } from '../../src/kernel/index.ts';
import { configOf, faultsOf, folder, parsed, pathsOf, production } from './samples.ts';

const load = (text: string, env: Record<string, string> = {}, flags: Record<string, unknown> = {}) => {
  using dir = folder({ 'gateway.yaml': text });
  return loadConfig({ file: dir.path('gateway.yaml'), env, flags });
};

const TRIAL = 'mode: development\nserver: {host: 127.0.0.1}\nqueues: [{name: q, urls: ["https://vov:6310"]}]\n';

describe('loadConfig', () => {
  it('decides defaults, durations, sizes, secrets and absolute paths', () => {
    const config = configOf(parsed({ server: { limits: { bodyBytes: '64KiB', idleTimeout: '1.5m' } } }));
    assert.equal(config.mode, 'production');
    assert.equal(config.server.limits.bodyBytes, 65_536);
    assert.equal(config.server.limits.idleTimeout, 90_000);
    assert.equal(config.queues[0]?.tls.verify, 'ca');
    assert.ok(config.secrets.tokenKey instanceof Secret);
    const relative = configOf(parsed({ credentials: [{ type: 'file', dir: 'passwords' }] }));
    assert.deepEqual(relative.credentials, [{ type: 'file', dir: '/etc/gw/passwords' }]);
  });

  it('freezes all the way down', () => {
    const { server, queues, limits } = configOf(parsed());
    for (const part of [server, server.limits, queues, queues[0], queues[0]?.urls, limits.identity.all]) {
      assert.ok(Object.isFrozen(part));
    }
  });

  it('lets flags win over environment, environment over file, file over default', () => {
    const text = `${TRIAL}log: {level: warn}\n`;
    assert.equal(configOf(load(TRIAL)).log.level, 'info');
    assert.equal(configOf(load(text)).log.level, 'warn');
    assert.equal(configOf(load(text, { VOVGW_LOG_LEVEL: 'error' })).log.level, 'error');
    const flagged = load(text, { VOVGW_LOG_LEVEL: 'error' }, { 'log.level': 'debug', 'server.port': '0' });
    assert.equal(configOf(flagged).log.level, 'debug');
    assert.equal(configOf(flagged).server.port, 0);
  });

  it('takes the file from VOVGW_CONFIG, and none at all when the environment says everything', () => {
    using dir = folder({ 'gw.yaml': TRIAL });
    assert.equal(configOf(loadConfig({ env: { VOVGW_CONFIG: dir.path('gw.yaml') } })).queues[0]?.name, 'q');
    const env = {
      VOVGW_MODE: 'development',
      VOVGW_SERVER_HOST: '::1',
      VOVGW_QUEUES: '[{name: e, urls: ["https://v:1"]}]',
    };
    const result = loadConfig({ env });
    assert.equal(configOf(result).queues[0]?.name, 'e');
    assert.deepEqual(result.files, []);
  });

  it('takes a section whose keys are all commented out', () => {
    assert.equal(configOf(load(`${TRIAL}log:\nlimits:\nbroker:\n`)).log.level, 'info');
    const [fault] = faultsOf(load(`${TRIAL}redis:\n`));
    assert.equal(fault?.path, 'redis');
    assert.equal(fault?.reason, 'is empty');
  });

  it('says when the file cannot be read', () => {
    const result = loadConfig({ file: '/nowhere/gateway.yaml', env: { VOVGW_NOPE: '1' } });
    assert.deepEqual(
      faultsOf(result).map(({ path, reason }) => [path, reason]),
      [
        ['/nowhere/gateway.yaml', 'cannot be read: ENOENT'],
        ['VOVGW_NOPE', 'is no variable of this program'],
      ],
    );
  });

  it('gives line and column of a syntax error and never quotes the text', () => {
    const cases: [text: string, line: number, reason: RegExp][] = [
      ['mode: development\nqueues: [hunter2\n', 3, /bracket/],
      ['mode: development\n\tlog: hunter2\n', 2, /./],
      [`${TRIAL}log: {level: info}\nlog: {level: hunter2}\n`, 5, /second time/],
      ['redis: {password: "hunter2}\n', 2, /quote/],
      ['redis:\n  password: *hunter2\n', 2, /alias/],
      ['redis: !hunter2 x\n', 1, /./],
    ];
    for (const [text, line, reason] of cases) {
      const faults = faultsOf(load(text));
      assert.ok(!JSON.stringify(faults).includes('hunter2'), JSON.stringify(faults));
      const fault = faults.find(({ path }) => /gateway\.yaml:\d+:\d+$/.test(path));
      assert.equal(fault?.line, line, JSON.stringify(faults));
      assert.match(fault?.reason ?? '', reason);
    }
  });

  it('lists other faults beside a key that stands there twice', () => {
    const paths = pathsOf(load(`${TRIAL}log: {level: info}\nlog: {level: shout}\n`));
    assert.equal(paths.length, 2);
    assert.ok(paths.includes('log.level'));
  });

  it('refuses what is no mapping, and a bomb of aliases', () => {
    assert.equal(faultsOf(load('- a\n- b\n'))[0]?.reason, 'is no mapping of keys');
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef']) bomb.push(`${to}: &${to} [${Array(9).fill(`*${from}`)}]`);
    assert.equal(faultsOf(load(`${bomb.join('\n')}\n`))[0]?.reason, 'uses too many aliases');
  });

  it('knows the line of a fault and who set the value', () => {
    const text = `${TRIAL}log:\n  # a comment\n  level: shout\n`;
    const [inFile] = faultsOf(load(text));
    assert.deepEqual([inFile?.source, inFile?.line], ['file', 6]);
    const [inEnv] = faultsOf(load(text, { VOVGW_LOG_LEVEL: 'whisper' }));
    assert.equal(inEnv?.source, 'env');
    assert.match(inEnv?.reason ?? '', /VOVGW_LOG_LEVEL/);
    const [inFlag] = faultsOf(load(text, {}, { 'log.level': 'mute' }));
    assert.equal(inFlag?.source, 'flag');
  });

  it('refuses unknown flags', () => {
    const [fault] = faultsOf(load(TRIAL, {}, { 'sever.port': 1 }));
    assert.deepEqual([fault?.path, fault?.source], ['sever.port', 'flag']);
  });

  it('makes the secrets of a trial, one by one, and says so', () => {
    const result = load(TRIAL);
    const { secrets } = configOf(result);
    assert.equal(Buffer.from(secrets.sealingKey.reveal(), 'base64').length, 32);
    assert.ok(secrets.tokenKey.reveal().length >= 32);
    assert.notEqual(secrets.tokenKey.reveal(), configOf(load(TRIAL)).secrets.tokenKey.reveal());
    assert.ok(result.ok && result.warnings.some((text) => text.startsWith('secrets.tokenKey: made at start')));
    const partly = load(`${TRIAL}secrets: {tokenKey: ${'k'.repeat(40)}}\n`);
    assert.equal(configOf(partly).secrets.tokenKey.reveal(), 'k'.repeat(40));
    assert.ok(partly.ok && !partly.warnings.some((text) => text.includes('tokenKey')));
  });

  it('keeps keys that are named as parts of every object apart', () => {
    const raw: unknown = JSON.parse('{"__proto__": {"mode": "development"}, "constructor": 1, "toString": 2}');
    const paths = pathsOf(parseConfig({ ...production(), ...(raw as object) }));
    assert.ok(paths.includes('constructor') && paths.includes('toString'), paths.join());
    const polluted = load(`${TRIAL}identity: {groups: {__proto__: [alice]}}\n`);
    assert.ok(!polluted.ok || !('alice' in polluted.config.identity.groups));
    assert.equal(Reflect.get({}, 'mode'), undefined);
  });
});

describe('all faults at once', () => {
  it('lists ten different faults, each with path, reason and mend', () => {
    const raw = {
      servr: {},
      mode: 'prod',
      replicas: 0,
      server: { host: '0.0.0.0', limits: { bodyBytes: '1MB', idleTimeout: 75 } },
      redis: { nodes: ['redis'], commandTimeout: '2s', passwordFile: '/nowhere/redis' },
      secrets: { sealingKey: 'short', tokenKey: 'a token key of more than 32 characters' },
      queues: [
        { name: 'a', urls: ['http://vov:6310'], tls: { verify: 'pin' } },
        { name: 'a', urls: ['https://vov:6310/api'] },
      ],
      credentials: [{ type: 'vault' }],
      identity: { rules: [{ match: { userPattern: '(a+)+' }, account: '$1' }] },
    };
    const faults = faultsOf(parseConfig(raw));
    assert.deepEqual(faults.map(({ path }) => path).sort(), [
      'credentials[0].type',
      'identity.rules[0].match.userPattern',
      'mode',
      'queues[0].tls.pins',
      'queues[0].urls[0]',
      'queues[1].name',
      'queues[1].urls[0]',
      'redis.commandTimeout',
      'redis.nodes[0]',
      'redis.passwordFile',
      'replicas',
      'secrets.sealingKey',
      'server.limits.bodyBytes',
      'server.limits.idleTimeout',
      'server.tls',
      'servr',
    ]);
    for (const { path, reason, mend } of faults) {
      assert.ok(reason.length > 5 && mend.length > 10, `${path}: ${reason}. ${mend}`);
      assert.doesNotMatch(`${reason} ${mend}`, /Invalid|expected|undefined|received/);
    }
  });

  it('suggests the nearest known key, with the file twins', () => {
    const mends = (patch: Record<string, unknown>) => faultsOf(parsed(patch)).map(({ mend }) => mend);
    assert.deepEqual(mends({ brokr: {} }), ['Did you mean broker?']);
    assert.deepEqual(mends({ redis: { paswordFile: 'x' } }), ['Did you mean passwordFile?']);
    assert.deepEqual(mends({ redis: { tsl: {} } }), ['Did you mean tls?']);
    assert.match(mends({ admin: { certificate: 'x' } })[0] ?? '', /^Known keys here: host, port\.$/);
    assert.match(mends({ log: { level: 'wran' } })[0] ?? '', /^Did you mean warn\?/);
  });

  it('tells a wrong kind of value from a missing one', () => {
    const said = (patch: Record<string, unknown>) =>
      faultsOf(parsed(patch)).map(({ path, reason, mend }) => ({ path, reason, mend }));
    assert.deepEqual(said({ server: { port: '8443' } }), [
      {
        path: 'server.port',
        reason: 'must be a number, but is text',
        mend: 'Write a plain number, without quotes and unit.',
      },
    ]);
    assert.equal(said({ server: { port: 80.5 } })[0]?.reason, 'must be a whole number');
    assert.equal(said({ server: { port: 70_000 } })[0]?.reason, 'must be at most 65535');
    assert.equal(said({ redis: { password: 12_345 } })[0]?.mend, 'Put it in quotes.');
    assert.equal(said({ redis: { nodes: [] } })[0]?.reason, 'needs at least 1 entry');
    assert.equal(said({ log: { requests: 'yes' } })[0]?.mend, 'Write true or false, without quotes.');
    assert.equal(said({ redis: { nodes: undefined } })[0]?.reason, 'is missing');
    assert.equal(said({ redis: { nodes: 'redis:6379' } })[0]?.reason, 'must be a list, but is text');
    assert.equal(said({ server: 'x' })[0]?.path, 'server');
    assert.match(said({ limits: { groups: { 'a b': {} } } })[0]?.reason ?? '', /^is no name/);
    assert.match(said({ server: { trustedProxies: ['10.0.0.1'] } })[0]?.reason ?? '', /^is no network/);
  });

  it('is silent about keys whose neighbour is at fault', () => {
    assert.deepEqual(pathsOf(parsed({ queues: [{ name: 'q', urls: ['https://v:1'], tls: { verify: 'pinn' } }] })), [
      'queues[0].tls.verify',
    ]);
    assert.deepEqual(pathsOf(parsed({ redis: 'redis:6379' })), ['redis']);
    assert.deepEqual(pathsOf(parsed({ secrets: { sealingKeyFile: '' } })).length, 1);
  });

  it('takes anything as a whole without throwing', () => {
    for (const raw of [null, undefined, 1, 'x', [], [[]], { queues: null }, { queues: [null] }, { credentials: [1] }]) {
      assert.ok(!parseConfig(raw).ok);
    }
  });
});

describe('findConfigFile', () => {
  it('looks at the flag, the variable and the two defaults in this order', () => {
    const all = (): boolean => true;
    assert.equal(findConfigFile('a', { VOVGW_CONFIG: 'b' }, all), 'a');
    assert.equal(findConfigFile(undefined, { VOVGW_CONFIG: 'b' }, all), 'b');
    assert.equal(findConfigFile(undefined, {}, all), './config/gateway.yaml');
    assert.equal(
      findConfigFile(undefined, {}, (path) => path.startsWith('/etc')),
      '/etc/vov-gateway/gateway.yaml',
    );
    assert.equal(
      findConfigFile(undefined, {}, () => false),
      undefined,
    );
  });
});

describe('a configuration written out', () => {
  it('reads the same from YAML as from an object', () => {
    using dir = folder();
    const raw = { ...production(), server: { host: '127.0.0.1' }, credentials: [] };
    writeFileSync(dir.path('g.yaml'), stringify(raw));
    const fromFile = configOf(loadConfig({ file: dir.path('g.yaml'), env: {} }));
    assert.deepEqual(JSON.stringify(fromFile), JSON.stringify(configOf(parseConfig(raw))));
  });
});
