import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/index.ts';
import {
  configOf,
  everyFile,
  faultsOf,
  folder,
  KEY,
  noFile,
  parsed,
  patched,
  production,
  TOKEN_KEY,
} from './samples.ts';

const trial = (secrets: Record<string, unknown>) =>
  stringify({
    mode: 'development',
    server: { host: '127.0.0.1' },
    queues: [{ name: 'q', urls: ['https://v:1'] }],
    secrets,
  });

describe('file twins of secrets', () => {
  it('cut one line end and leave everything else', () => {
    const cases: [text: string, secret: string][] = [
      [`${TOKEN_KEY}\n`, TOKEN_KEY],
      [`${TOKEN_KEY}\r\n`, TOKEN_KEY],
      [TOKEN_KEY, TOKEN_KEY],
      [`${TOKEN_KEY}\n\n`, `${TOKEN_KEY}\n`],
      [` ${TOKEN_KEY} `, ` ${TOKEN_KEY} `],
    ];
    for (const [text, secret] of cases) {
      using dir = folder({ 'g.yaml': trial({ tokenKeyFile: 'token' }), token: text });
      const result = loadConfig({ file: dir.path('g.yaml'), env: {} });
      assert.equal(configOf(result).secrets.tokenKey.reveal(), secret);
      assert.deepEqual(result.files, [dir.path('g.yaml'), dir.path('token')]);
    }
  });

  it('are found relative to the file, also when a variable names them', () => {
    using dir = folder({ 'g.yaml': trial({ sealingKeyFile: 'seal' }), seal: KEY, token: TOKEN_KEY });
    const result = loadConfig({ file: dir.path('g.yaml'), env: { VOVGW_SECRETS_TOKEN_KEY_FILE: 'token' } });
    assert.equal(configOf(result).secrets.tokenKey.reveal(), TOKEN_KEY);
    assert.equal(configOf(result).secrets.sealingKey.reveal(), KEY);
  });

  it('are faults when missing, empty, a folder or no path', () => {
    using dir = folder({ empty: '', line: '\n' });
    mkdirSync(dir.path('sub'));
    const said = (name: unknown): string => {
      const raw = patched(production(), { redis: { passwordFile: name } });
      using file = folder({
        'g.yaml': stringify(patched(raw, { server: { host: '::1', tls: undefined }, credentials: [] })),
      });
      return faultsOf(loadConfig({ file: file.path('g.yaml'), env: {} }))
        .map(({ path, reason, mend }) => `${path} ${reason} ${mend}`)
        .join('\n');
    };
    assert.match(said(dir.path('gone')), /^redis\.passwordFile .*gone cannot be read: ENOENT Create the file/);
    assert.match(said(dir.path('empty')), /^redis\.passwordFile .*empty is empty Write the secret into it\.$/);
    assert.match(said(dir.path('line')), /is empty/);
    assert.match(said(dir.path('sub')), /cannot be read: EISDIR Name a file/);
    for (const wrong of [12, '', ['a'], null]) assert.match(said(wrong), /^redis\.passwordFile is no path/);
  });

  it('report one fault for a required secret whose file is missing', () => {
    const read = (path: string): string => (path === '/gone' ? noFile() : everyFile(path));
    const env = { VOVGW_SECRETS_SEALING_KEY_FILE: '/gone' };
    const faults = faultsOf(
      loadConfig({ env: { VOVGW_MODE: 'production', VOVGW_SECRETS_TOKEN_KEY: TOKEN_KEY, ...env }, readFile: read }),
    );
    assert.deepEqual(
      faults.map(({ path }) => path).filter((path) => path.startsWith('secrets')),
      ['secrets.sealingKeyFile'],
    );
  });

  it('refuse both twins in one layer', () => {
    const inFile = faultsOf(parsed({ redis: { password: 'hunter2', passwordFile: '/p' } }));
    assert.deepEqual(
      inFile.map(({ path }) => path),
      ['redis.passwordFile'],
    );
    assert.match(inFile[0]?.reason ?? '', /beside redis\.password$/);
    assert.ok(!JSON.stringify(inFile).includes('hunter2'));
    using dir = folder({ 'g.yaml': stringify(production()) });
    const env = { VOVGW_REDIS_PASSWORD: 'hunter2', VOVGW_REDIS_PASSWORD_FILE: '/p' };
    const faults = faultsOf(
      loadConfig({ file: dir.path('g.yaml'), env, readFile: (path) => readOr(path, dir.path('g.yaml')) }),
    );
    assert.deepEqual(
      faults.map(({ path, source }) => [path, source]),
      [['redis.passwordFile', 'env']],
    );
  });

  it('replace the twin of a lower layer', () => {
    const inFile = patched(production(), { redis: { passwordFile: '/p' } });
    using dir = folder({ 'g.yaml': stringify(inFile) });
    const load = (env: Record<string, string>, flags = {}) =>
      configOf(
        loadConfig({ file: dir.path('g.yaml'), env, flags, readFile: (path) => readOr(path, dir.path('g.yaml')) }),
      ).redis?.password?.reveal();
    const plain = { VOVGW_REDIS_PASSWORD: 'from-env' };
    assert.equal(load({}), 'content');
    assert.equal(load(plain), 'from-env');
    assert.equal(load(plain, { 'redis.passwordFile': '/flag' }), 'content');
  });

  it('warn when every user of the machine can read them', () => {
    using dir = folder({ 'g.yaml': trial({ tokenKeyFile: 'token' }), token: TOKEN_KEY });
    const warnings = () => {
      const result = loadConfig({ file: dir.path('g.yaml'), env: {} });
      assert.ok(result.ok);
      return result.warnings.filter((text) => text.startsWith('secrets.tokenKeyFile'));
    };
    assert.deepEqual(warnings(), []);
    chmodSync(dir.path('token'), 0o644);
    assert.equal(warnings().length, 1);
    chmodSync(dir.path('token'), 0o640);
    assert.deepEqual(warnings(), []);
  });
});

/** The configuration file itself is real, every other file holds `content`. */
function readOr(path: string, real: string): string {
  return path === real ? stringify(patched(production(), { redis: { passwordFile: '/p' } })) : everyFile(path);
}
