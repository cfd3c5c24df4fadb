import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { createSelfSigned, type Leaf } from '../../standin/certificates.ts';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

describe('TLS towards the callers', () => {
  let folder: string;
  let first: Leaf;
  let world: World;
  let token: string;
  const write = async ({ certPem, keyPem }: Pick<Leaf, 'certPem' | 'keyPem'>): Promise<void> => {
    await writeFile(join(folder, 'key.pem'), keyPem, { mode: 0o600 });
    await writeFile(join(folder, 'cert.pem'), certPem);
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vovgw-tls-'));
    first = await createSelfSigned();
    await write(first);
    const tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
    world = await createWorld({ config: { server: { tls } } });
    token = await world.token('alice');
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const dialTls = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const socket = connect({ port: world.gateway.port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    return socket;
  };
  const shown = async (): Promise<string> => {
    const socket = await dialTls();
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  async function ask(socket: TLSSocket): Promise<string> {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.write(
      `GET /api/v3/project/1/version HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
    );
    await once(socket, 'end');
    socket.destroy();
    return text;
  }

  it('carries a call, with HSTS', async () => {
    const text = await ask(await dialTls({ ca: first.certPem, rejectUnauthorized: true }));
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.match(text, /Strict-Transport-Security: max-age=63072000\r\n/i);
  });

  const accepted: readonly ConnectionOptions[] = [
    { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
    { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
  ];
  for (const options of accepted) {
    it(`speaks ${options.maxVersion}`, async () => {
      const socket = await dialTls(options);
      assert.equal(socket.getProtocol(), options.maxVersion);
      assert.match(socket.getCipher().standardName, /GCM|CHACHA20/);
      socket.destroy();
    });
  }

  const refusedHandshakes: Readonly<Record<string, ConnectionOptions>> = {
    'TLS 1.1': { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    'CBC ciphers': { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA' },
    'key exchange without forward secrecy': { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' },
  };
  for (const [name, options] of Object.entries(refusedHandshakes)) {
    it(`refuses ${name}`, () => assert.rejects(dialTls(options), { code: /^ERR_SSL|^EPROTO|^ECONNRESET/ }));
  }

  it('plain HTTP on the TLS port gets nothing of the gateway', async () => {
    await assert.rejects(world.call('GET', '/api/v3/project/1/version', { token }));
  });

  it('shows a new certificate without a restart, and open connections stay', async () => {
    const before = await shown();
    const open = await dialTls();
    await write(await createSelfSigned());
    await eventually('the new certificate is shown', async () => (await shown()) !== before);
    assert.match(await ask(open), /^HTTP\/1\.1 200 /);
  });

  it('keeps the last good certificate when the new files do not fit, and says so', async () => {
    const before = await shown();
    const other = await createSelfSigned();
    await writeFile(join(folder, 'cert.pem'), other.certPem);
    await eventually('the fault is in the log', () => world.log.some((line) => line.includes('tls_reload')));
    assert.equal(await shown(), before);
    await writeFile(join(folder, 'key.pem'), other.keyPem, { mode: 0o600 });
    await eventually('the certificate is shown once both fit', async () => (await shown()) !== before);
  });

  it('with minVersion TLSv1.3 refuses TLS 1.2', async () => {
    const leaf = await createSelfSigned();
    await write(leaf);
    const tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem'), minVersion: 'TLSv1.3' };
    await using strict = await createWorld({ config: { server: { tls } } });
    const port = strict.gateway.port;
    await assert.rejects(dialTls({ port, maxVersion: 'TLSv1.2' }), { code: /^ERR_SSL|^EPROTO|^ECONNRESET/ });
    const socket = await dialTls({ port });
    assert.equal(socket.getProtocol(), 'TLSv1.3');
    socket.destroy();
  });
});
