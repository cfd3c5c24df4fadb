import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { runCheck } from '../../src/cli/check.ts';
import { folder } from '../config/samples.ts';

const TRIAL = 'mode: development\nserver: {host: 127.0.0.1}\nqueues: [{name: q, urls: ["https://vov:6310"]}]\n';
const MAIN = join(import.meta.dirname, '../../src/main.ts');

async function check(argv: string[], env: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const code = await runCheck(
    argv,
    env,
    (text) => {
      out += text;
    },
    (text) => {
      err += text;
    },
  );
  return { code, out, err };
}

describe('vovgw check', () => {
  it('is not disturbed by what people export for the clients, and ends with its verdict', async () => {
    using dir = folder({ 'g.yaml': TRIAL });
    const clients = { VOVGW_TOKEN: 'vgw_x', VOVGW_URL: 'https://gateway.example.com', VOVGW_CA_FILE: '/ca.pem' };
    const { code, out, err } = await check(['--config', dir.path('g.yaml')], clients);
    assert.equal(code, 0, err);
    assert.ok(!out.includes('vgw_x') && !err.includes('vgw_x'));
    assert.match(err, /\nvovgw check: no faults, \d+ warning\(s\)\n$/);
    const alone = await check([], clients);
    assert.equal(alone.code, 1);
    assert.match(alone.err, /no file was found/);
  });

  it('prints the decided configuration as YAML, secrets redacted, warnings apart', async () => {
    using dir = folder({ 'g.yaml': `${TRIAL}secrets: {tokenKey: ${'hunter2'.repeat(6)}}\n` });
    const { code, out, err } = await check(['--config', dir.path('g.yaml')]);
    assert.equal(code, 0);
    const config = parse(out);
    assert.equal(config.server.limits.bodyBytes, '1MiB');
    assert.equal(config.queues[0].timeouts.connect, '2s');
    assert.deepEqual(config.secrets, { sealingKey: '[redacted]', tokenKey: '[redacted]' });
    assert.match(err, /^warning: secrets\.sealingKey: made at start/m);
    assert.match(err, /^warning: credentials: is empty/m);
    assert.ok(!`${out}${err}`.includes('hunter2'));
  });

  it('numbers all faults with path, line, reason and mend', async () => {
    using dir = folder({ 'g.yaml': `${TRIAL}log: {level: shout}\nadmin: {prot: 1}\n` });
    const { code, out, err } = await check(['--config', dir.path('g.yaml')], { VOVGW_REPLICAS: '2' });
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.match(err, /3 fault\(s\)/);
    assert.match(err, /^1\. log\.level \(line 4\): has a value that is not known\n {3}Write one of: trace/m);
    assert.match(err, /^2\. admin\.prot \(line 5\): is no known key\n {3}Did you mean port\?/m);
    assert.match(err, /^3\. redis.*: is missing, but replicas is 2/m);
  });

  it('says its warnings beside the faults, of all that is valid', async () => {
    const rules = 'jobs:\n  policy: [{name: a, denyKeys: [env]}, {name: b, queues: [r], denyKeys: [wrapper]}]\n';
    using dir = folder({ 'g.yaml': `${TRIAL}${rules}modus: x\n` });
    const { code, err } = await check(['--config', dir.path('g.yaml')]);
    assert.equal(code, 1);
    assert.match(err, /2 fault\(s\)[\s\S]*jobs\.policy\[1\]\.queues\[0\][\s\S]*modus/);
    assert.match(err, /^warning: jobs\.policy\[0\]\.denyKeys: /m);
    assert.match(err, /^warning: credentials: is empty/m);
    const json = JSON.parse((await check(['--config', dir.path('g.yaml'), '--json'])).out);
    assert.deepEqual([json.faults.length, json.warnings.length], [2, 4]);
  });

  it('speaks JSON when asked', async () => {
    using dir = folder({ 'good.yaml': TRIAL, 'bad.yaml': `${TRIAL}replicas: 0\n` });
    const good = await check(['--config', dir.path('good.yaml'), '--json']);
    const { ok, config, warnings } = JSON.parse(good.out);
    assert.deepEqual([good.code, ok, config.queues[0].name, warnings.length], [0, true, 'q', 3]);
    const bad = await check(['--json'], { VOVGW_CONFIG: dir.path('bad.yaml') });
    const said = JSON.parse(bad.out);
    assert.deepEqual(
      [bad.code, bad.err, said.ok, said.faults[0].path, said.faults[0].line],
      [1, '', false, 'replicas', 4],
    );
  });

  it('says that a named file is missing, and what the system said', async () => {
    const { code, err } = await check(['--config', '/nowhere/g.yaml']);
    assert.equal(code, 1);
    assert.match(err, /1\. \/nowhere\/g\.yaml: cannot be read: ENOENT/);
  });

  it('takes a configuration from variables alone', async () => {
    const env = {
      VOVGW_MODE: 'development',
      VOVGW_SERVER_HOST: '::1',
      VOVGW_QUEUES: '[{name: e, urls: ["https://v:1"]}]',
    };
    const { code, out } = await check([], env);
    assert.equal(code, 0);
    assert.equal(parse(out).queues[0].name, 'e');
  });

  it('explains its use when called wrongly', async () => {
    for (const argv of [['--confg', 'x'], ['file.yaml'], ['--config']]) {
      const { code, out, err } = await check(argv);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, /vovgw check \[--config FILE\] \[--json\]/);
    }
  });
});

describe('vovgw check as a process', () => {
  const run = async (cwd: string, args: string[] = []) => {
    const call = promisify(execFile)(process.execPath, [MAIN, 'check', ...args], {
      cwd,
      env: { PATH: process.env.PATH },
    });
    return call.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  };

  it('looks at config/gateway.yaml of its folder, and says where it looked when there is none', async () => {
    using dir = folder();
    const nothing = await run(dir.path('.'));
    assert.equal(nothing.code, 1);
    assert.match(nothing.stderr, /no file was found \(\.\/config\/gateway\.yaml, \/etc\/vov-gateway\/gateway\.yaml\)/);
    mkdirSync(dir.path('config'));
    writeFileSync(dir.path('config/gateway.yaml'), TRIAL);
    const found = await run(dir.path('.'));
    assert.equal(found.code, 0, found.stderr);
    assert.equal(parse(found.stdout).queues[0].name, 'q');
  });
});
