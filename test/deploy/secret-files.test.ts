import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DEMO_USERS, makeSecrets } from '../../deploy/secret-files.ts';

/** A temporary place whose folder `secrets` does not exist yet. */
function place(): Disposable & { readonly dir: string; text(path: string): string } {
  const parent = mkdtempSync(join(tmpdir(), 'vovgw-secrets-'));
  const dir = join(parent, 'secrets');
  return {
    dir,
    text: (path) => readFileSync(join(dir, path), 'utf8'),
    [Symbol.dispose]: () => rmSync(parent, { recursive: true }),
  };
}

const plain = { demo: false, hosts: [], owner: null } as const;

/** Every file below a folder with its permission bits. */
const modes = (dir: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((path) => [path, (statSync(join(dir, path)).mode & 0o777).toString(8)]),
  );

describe('setup of secrets', () => {
  it('makes what the gateway needs, readable for its owner alone', async () => {
    using at = place();
    await makeSecrets({ ...plain, dir: at.dir });
    assert.deepEqual(modes(at.dir), {
      'redis-password': '600',
      'saml-cert.pem': '644',
      'saml-key.pem': '600',
      'sealing-key': '600',
      'tls-cert.pem': '644',
      'tls-key.pem': '600',
      'token-key': '600',
      'vov-passwords': '700',
      'vov-tls': '700',
    });
    assert.equal(statSync(at.dir).mode & 0o777, 0o700);
  });

  it('makes keys of the right size, new ones each time', async () => {
    using one = place();
    using other = place();
    for (const { dir } of [one, other]) await makeSecrets({ ...plain, dir });
    assert.equal(Buffer.from(one.text('sealing-key'), 'base64').length, 32);
    assert.ok(one.text('token-key').trim().length >= 32);
    assert.match(one.text('redis-password'), /^[A-Za-z0-9_-]{32}\n$/);
    for (const file of ['sealing-key', 'token-key', 'redis-password', 'tls-key.pem']) {
      assert.notEqual(one.text(file), other.text(file), file);
    }
  });

  it('adds what the stand-in needs with demo', async () => {
    using at = place();
    await makeSecrets({ ...plain, dir: at.dir, demo: true });
    const passwords = DEMO_USERS.map((user) => at.text(`vov-passwords/${user}`));
    assert.equal(new Set(passwords).size, DEMO_USERS.length);
    const ca = new X509Certificate(at.text('vov-tls/ca.pem'));
    const leaf = new X509Certificate(at.text('standin/tls-cert.pem'));
    assert.ok(leaf.verify(ca.publicKey));
    assert.equal(leaf.checkHost('vovserver'), 'vovserver');
  });

  it('makes a certificate that a client accepts when it trusts that very file', async () => {
    using at = place();
    await makeSecrets({ ...plain, dir: at.dir, hosts: ['gw.example.com'] });
    const cert = at.text('tls-cert.pem');
    assert.equal(new X509Certificate(cert).checkHost('gw.example.com'), 'gw.example.com');
    const server = createServer({ cert, key: at.text('tls-key.pem') }, (_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const status = await new Promise((resolve, reject) => {
      const call = request({ host: '127.0.0.1', port, servername: 'localhost', ca: cert, agent: false }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      });
      call.on('error', reject).end();
    });
    assert.equal(status, 200);
    server.close();
  });

  it('never writes to what exists, and says what it found', async () => {
    using at = place();
    await makeSecrets({ ...plain, dir: at.dir, demo: true });
    writeFileSync(join(at.dir, 'vov-passwords/alice'), 'her real one');
    const before = readdirSync(at.dir, { recursive: true, encoding: 'utf8' }).map(
      (path) => statSync(join(at.dir, path)).mtimeMs,
    );
    const report = await makeSecrets({ ...plain, dir: at.dir, demo: true });
    const after = readdirSync(at.dir, { recursive: true, encoding: 'utf8' }).map(
      (path) => statSync(join(at.dir, path)).mtimeMs,
    );
    assert.deepEqual(after, before);
    assert.equal(at.text('vov-passwords/alice'), 'her real one');
    assert.deepEqual(new Set(report.map(({ made }) => made)), new Set([false]));
  });

  it('adds the demo to secrets that are there', async () => {
    using at = place();
    await makeSecrets({ ...plain, dir: at.dir });
    const key = at.text('sealing-key');
    const report = await makeSecrets({ ...plain, dir: at.dir, demo: true });
    assert.equal(at.text('sealing-key'), key);
    const made = report.filter((one) => one.made).map(({ path }) => path.slice(at.dir.length + 1));
    assert.deepEqual(made, [
      'vov-passwords/alice',
      'vov-passwords/bob',
      'vov-passwords/carol',
      'standin',
      'vov-tls/ca.pem',
      'standin/tls-cert.pem',
      'standin/tls-key.pem',
    ]);
  });

  it('refuses to make half of a pair', async () => {
    using at = place();
    await makeSecrets({ ...plain, dir: at.dir });
    rmSync(join(at.dir, 'tls-key.pem'));
    const cert = at.text('tls-cert.pem');
    await assert.rejects(makeSecrets({ ...plain, dir: at.dir }), /tls-key\.pem is missing, but .*tls-cert\.pem exists/);
    assert.equal(at.text('tls-cert.pem'), cert);
  });

  it('refuses to replace the authority of a real vovserver by that of the stand-in', async () => {
    using at = place();
    await makeSecrets({ ...plain, dir: at.dir });
    writeFileSync(join(at.dir, 'vov-tls/ca.pem'), 'the company’s authority');
    await assert.rejects(makeSecrets({ ...plain, dir: at.dir, demo: true }), /ca\.pem exists/);
    assert.equal(at.text('vov-tls/ca.pem'), 'the company’s authority');
  });
});
