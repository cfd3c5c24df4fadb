import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { configuredAdmin, HEALTH_FILES } from '../../src/cli/admin-address.ts';
import { runHealth } from '../../src/cli/health.ts';
import { DEFAULT_FILES } from '../../src/config/index.ts';
import { folder } from '../config/samples.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');

let server: Server;
let port = 0;

before(async () => {
  server = createServer((_request, response) => void response.end('ready'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function health(argv: string[], env: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const code = await runHealth(
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

const READY = { code: 0, out: 'ready\n', err: '' };

describe('vovgw health asks where the configuration says', () => {
  it('by --config and by VOVGW_CONFIG; the flag wins', async () => {
    using dir = folder({ 'g.yaml': `admin: {host: 0.0.0.0, port: ${port}}\n`, 'other.yaml': 'admin: {port: 1}\n' });
    assert.deepEqual(await health(['--config', dir.path('g.yaml')]), READY);
    assert.deepEqual(await health([], { VOVGW_CONFIG: dir.path('g.yaml') }), READY);
    assert.deepEqual(await health(['--config', dir.path('g.yaml')], { VOVGW_CONFIG: dir.path('other.yaml') }), READY);
  });

  it('key by key: flags over variables over the file', async () => {
    using dir = folder({ 'g.yaml': 'admin: {host: 192.0.2.1, port: 1}\n', 'p.yaml': `admin: {port: ${port}}\n` });
    const config = ['--config', dir.path('g.yaml')];
    assert.deepEqual(await health([...config, '--host', '127.0.0.1', '--port', String(port)]), READY);
    assert.deepEqual(await health(config, { VOVGW_ADMIN_HOST: '127.0.0.1', VOVGW_ADMIN_PORT: String(port) }), READY);
    assert.deepEqual(await health(['--config', dir.path('p.yaml'), '--host', '127.0.0.1']), READY);
    assert.deepEqual(await health(config, { VOVGW_ADMIN: `{port: ${port}}` }), READY);
    assert.deepEqual(await health([...config, '--url', `http://127.0.0.1:${port}/readyz`]), READY);
  });

  it('whatever else is wrong in the file', async () => {
    using dir = folder({ 'g.yaml': `modus: x\nmodus: y\nlog: {level: !vault shout}\nadmin: {port: ${port}}\n` });
    assert.deepEqual(await health(['--config', dir.path('g.yaml')]), READY);
  });

  it('by the default file of its folder, as a process', async () => {
    using dir = folder();
    mkdirSync(dir.path('config'));
    writeFileSync(dir.path('config/gateway.yaml'), `admin: {port: ${port}}\n`);
    const options = { cwd: dir.path('.'), env: { PATH: process.env.PATH } };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, 'health'], options);
    assert.deepEqual([stdout, stderr], ['ready\n', '']);
  });

  it('looks at the same defaults as all other verbs', () => assert.deepEqual(HEALTH_FILES, DEFAULT_FILES));
});

describe('vovgw health without a configuration that it can read', () => {
  it('says so in one line and asks the default address', async () => {
    using dir = folder({ 'text.yaml': 'hunter2', 'open.yaml': 'admin: [\n', 'empty.yaml': '' });
    for (const name of ['gone.yaml', '.', 'text.yaml', 'empty.yaml']) {
      const { err } = await health(['--config', dir.path(name), '--timeout', '2000']);
      assert.match(err, /^vovgw health: \S+ cannot be read as a configuration; asking 127\.0\.0\.1:9464\n/, name);
      assert.doesNotMatch(err, /hunter2|\n\s+at /);
    }
    assert.deepEqual(configuredAdmin(dir.path('open.yaml'), {}), {});
  });

  it('takes nothing that is no address from it', () => {
    using dir = folder();
    const admin = (text: string) => {
      writeFileSync(dir.path('g.yaml'), text);
      return configuredAdmin(dir.path('g.yaml'), {});
    };
    for (const text of [
      'admin: 3',
      'admin: {port: 0}',
      'admin: {port: "x"}',
      'admin: {host: ""}',
      'admin:',
      'log: {}',
    ]) {
      assert.deepEqual(admin(text), {}, text);
    }
    assert.deepEqual(admin('admin: {host: "::1", port: 7}'), { host: '::1', port: '7' });
    assert.deepEqual(configuredAdmin(dir.path('g.yaml'), { VOVGW_ADMIN: 'no section' }), { host: '::1', port: '7' });
  });
});
