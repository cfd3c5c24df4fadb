import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TlsOptions } from 'node:tls';
import { Secret } from '../../src/kernel/index.ts';
import { type Authority, createAuthority, createSelfSigned, type Leaf } from '../../standin/certificates.ts';
import { createRawServer, createRig, queueOf, reply } from './rig.ts';

type Verify = 'ca' | 'pin' | 'ca+pin' | 'none';
const POLICIES: readonly Verify[] = ['ca', 'pin', 'ca+pin', 'none'];

/** One kind of server. `pin` policies know its key, so that each row shows what chain and name do. */
interface Row {
  readonly name: string;
  readonly server: () => Promise<{ options: TlsOptions; pin: string }>;
  /** Policies under which a call passes. */
  readonly passes: readonly Verify[];
  /** What the log says when `ca` refuses it. */
  readonly reason?: RegExp;
  readonly tls?: object;
}

const PINNED: readonly Verify[] = ['pin', 'none'];
const folder = mkdtempSync(join(tmpdir(), 'vovgw-tls-'));
const caFile = join(folder, 'ca.pem');
const crlFile = join(folder, 'crl.pem');
let authority: Authority;
let foreign: Authority;
let revoked: Leaf;

before(async () => {
  authority = await createAuthority();
  foreign = await createAuthority('Somebody else');
  revoked = await authority.leaf();
  writeFileSync(caFile, authority.certPem);
  writeFileSync(crlFile, await authority.revocationList([revoked]));
});
after(() => rmSync(folder, { recursive: true }));

const of = (leaf: Leaf, more: TlsOptions = {}) => ({
  options: { cert: leaf.certPem, key: leaf.keyPem, ...more },
  pin: leaf.spkiPin,
});
const leafOf = async (options: Parameters<Authority['leaf']>[0]) => of(await authority.leaf(options));
/** OpenSSL refuses weak keys and old versions at the server, too, unless told otherwise. */
const WEAK = { ciphers: 'DEFAULT:@SECLEVEL=0' };

const ROWS: readonly Row[] = [
  { name: 'signed for this host', server: () => leafOf({}), passes: POLICIES },
  {
    name: 'signed by an intermediate that is sent',
    server: () => leafOf({ issuer: 'intermediate' }),
    passes: POLICIES,
  },
  {
    name: 'incomplete chain',
    async server() {
      const leaf = await authority.leaf({ issuer: 'intermediate' });
      const [first = ''] = leaf.certPem.split(/(?<=-----END CERTIFICATE-----\n?)/);
      return { options: { cert: first, key: leaf.keyPem }, pin: leaf.spkiPin };
    },
    passes: PINNED,
    reason: /UNABLE_TO/,
  },
  { name: 'expired', server: () => leafOf({ validity: 'expired' }), passes: PINNED, reason: /CERT_HAS_EXPIRED/ },
  { name: 'not yet valid', server: () => leafOf({ validity: 'not-yet' }), passes: PINNED, reason: /NOT_YET_VALID/ },
  {
    name: 'wrong host',
    server: () => leafOf({ hosts: ['other.example'] }),
    passes: PINNED,
    reason: /not for localhost/,
  },
  {
    name: 'wildcard for a part of a label',
    server: () => leafOf({ hosts: ['local*'] }),
    passes: PINNED,
    reason: /not for/,
  },
  { name: 'wildcard for everything', server: () => leafOf({ hosts: ['*'] }), passes: PINNED, reason: /not for/ },
  {
    name: 'no subjectAltName, the host in CN only',
    server: () => leafOf({ altNames: false, commonName: 'localhost' }),
    passes: PINNED,
    reason: /no subjectAltName/,
  },
  { name: 'self-signed', server: async () => of(await createSelfSigned()), passes: PINNED, reason: /SELF_SIGNED/ },
  {
    name: 'signed by an unknown authority',
    server: async () => of(await foreign.leaf()),
    passes: PINNED,
    reason: /UNABLE_TO/,
  },
  {
    name: 'signed by another leaf',
    server: () => leafOf({ issuer: 'leaf' }),
    passes: PINNED,
    reason: /key usage does not include certificate signing/,
  },
  { name: 'for clients only', server: () => leafOf({ usage: 'client' }), passes: PINNED, reason: /INVALID_PURPOSE/ },
  {
    name: 'RSA of 1024 bits',
    server: async () => of(await authority.leaf({ keyType: 'rsa-1024' }), WEAK),
    passes: PINNED,
    reason: /key too weak/,
  },
  {
    name: 'revoked',
    server: async () => of(revoked),
    passes: PINNED,
    reason: /CERT_REVOKED/,
    tls: { crlFile },
  },
  {
    name: 'TLS 1.1',
    server: async () => of(await authority.leaf(), { ...WEAK, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }),
    passes: [],
    reason: /ERR_SSL/,
  },
  {
    name: 'TLS 1.2 where 1.3 is demanded',
    server: async () => of(await authority.leaf(), { maxVersion: 'TLSv1.2' }),
    passes: [],
    reason: /ERR_SSL/,
    tls: { minVersion: 'TLSv1.3' },
  },
];

describe('TLS policies against every kind of server', () => {
  for (const row of ROWS) {
    for (const verify of POLICIES) {
      const passes = row.passes.includes(verify);
      it(`${verify}: ${row.name} ${passes ? 'passes' : 'is refused'}`, async () => {
        const { options, pin } = await row.server();
        await using server = await createRawServer((socket) => reply(socket, '{}'), options);
        const pins = verify === 'pin' || verify === 'ca+pin' ? [pin] : [];
        await using rig = await createRig({
          queues: [queueOf(server.url, { tls: { verify, caFile, pins, ...row.tls } })],
        });
        const answer = await rig.call({ method: 'POST', body: '{"command":"x"}' });
        if (passes) {
          assert.equal(answer.status, 200);
          return;
        }
        assert.equal(answer.code, 'GW_UPSTREAM_TLS');
        assert.equal(server.requests.length, 0);
        assert.match(rig.errors[0]?.internal ?? '', row.reason ?? /./);
        assert.equal(rig.upstream.status()[0]?.state, 'tls_refused');
        const login = await rig.upstream.login('night', 'alice', new Secret('pw'));
        assert.equal(login.kind, 'failed');
        assert.equal(server.requests.length, 0);
      });
    }
  }

  it('pin and ca+pin refuse another key, ca does not look at keys', async () => {
    const [leaf, other] = await Promise.all([authority.leaf(), authority.leaf()]);
    await using server = await createRawServer((socket) => reply(socket, '{}'), of(leaf).options);
    for (const [verify, code] of [
      ['pin', 'GW_UPSTREAM_TLS'],
      ['ca+pin', 'GW_UPSTREAM_TLS'],
      ['ca', undefined],
    ] as const) {
      const tls = { verify, caFile, pins: [other.spkiPin] };
      await using rig = await createRig({ queues: [queueOf(server.url, { tls })] });
      assert.equal((await rig.call()).code, code, verify);
    }
  });

  it('pin takes the current and the next key', async () => {
    const [leaf, next] = await Promise.all([createSelfSigned(), createSelfSigned()]);
    for (const shown of [leaf, next]) {
      await using server = await createRawServer((socket) => reply(socket, '{}'), of(shown).options);
      const tls = { verify: 'pin', pins: [leaf.spkiPin, next.spkiPin] };
      await using rig = await createRig({ queues: [queueOf(server.url, { tls })] });
      assert.equal((await rig.call()).status, 200);
    }
  });

  it('verifies and sends serverName instead of the host', async () => {
    const leaf = await authority.leaf({ hosts: ['vov.example'] });
    const names: string[] = [];
    const options: TlsOptions = {
      ...of(leaf).options,
      SNICallback(name, done) {
        names.push(name);
        done(null);
      },
    };
    await using server = await createRawServer((socket) => reply(socket, '{}'), options);
    for (const verify of POLICIES) {
      const tls = { verify, caFile, pins: [leaf.spkiPin], serverName: 'vov.example' };
      await using rig = await createRig({ queues: [queueOf(server.url, { tls })] });
      assert.equal((await rig.call()).status, 200, verify);
    }
    assert.deepEqual([...new Set(names)], ['vov.example']);
  });

  it('verifies an IP address by its subjectAltName', async () => {
    for (const [hosts, status] of [
      [['127.0.0.1'], 200],
      [['127.0.0.2', 'localhost'], 502],
    ] as const) {
      const leaf = await authority.leaf({ hosts });
      await using server = await createRawServer((socket) => reply(socket, '{}'), of(leaf).options);
      const url = server.url.replace('localhost', '127.0.0.1');
      await using rig = await createRig({ queues: [queueOf(url, { tls: { caFile } })] });
      assert.equal((await rig.call()).status, status);
    }
  });

  it('shows its client certificate to a server that asks for one', async () => {
    const [leaf, client] = await Promise.all([authority.leaf(), authority.leaf({ usage: 'client' })]);
    const options = { ...of(leaf).options, ca: authority.certPem, requestCert: true, rejectUnauthorized: true };
    const certFile = join(folder, 'client.pem');
    const keyFile = join(folder, 'client.key');
    writeFileSync(certFile, client.certPem);
    writeFileSync(keyFile, client.keyPem);
    await using server = await createRawServer((socket) => reply(socket, '{}'), options);
    await using rig = await createRig({ queues: [queueOf(server.url, { tls: { caFile, certFile, keyFile } })] });
    assert.equal((await rig.call()).status, 200);
    await using without = await createRig({ queues: [queueOf(server.url, { tls: { caFile } })] });
    assert.equal((await without.call()).status, 503);
    assert.equal(server.requests.length, 1);
  });

  it('plain text on the TLS port is refused by every policy', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
    });
    await new Promise<void>((resolve) => plain.listen(0, resolve));
    const { port } = plain.address() as { port: number };
    for (const verify of POLICIES) {
      const tls = { verify, pins: [revoked.spkiPin] };
      await using rig = await createRig({ queues: [queueOf(`https://localhost:${port}`, { tls })] });
      assert.equal((await rig.call()).code, 'GW_UPSTREAM_TLS', verify);
    }
    await new Promise((resolve) => plain.close(resolve));
  });

  it('a handshake that never answers ends at timeouts.connect', async () => {
    const silent = new Set<Socket>();
    const server = createServer((socket) => {
      silent.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const { port } = server.address() as { port: number };
    await using rig = await createRig({
      queues: [queueOf(`https://localhost:${port}`, { timeouts: { connect: '50ms' } })],
    });
    const answer = await rig.call({ method: 'POST', body: '{}' });
    assert.equal(answer.code, 'GW_UPSTREAM_DOWN');
    assert.ok(Number(answer.headers['retry-after']) >= 170);
    assert.match(rig.errors[0]?.internal ?? '', /TLS handshake within 50 ms/);
    for (const socket of silent) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('http: needs no certificate and is told as level 1', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url, { tls: { verify: 'ca' } })] });
    assert.equal((await rig.call()).status, 200);
    assert.deepEqual(rig.told.certificates, [
      { queue: 'night', host: new URL(server.url).host, level: 1, notAfter: null, pin: null },
    ]);
    assert.equal(rig.upstream.status()[0]?.tlsLevel, 1);
  });

  it('tells level, pin and end of the certificate', async () => {
    const leaf = await createSelfSigned();
    await using server = await createRawServer((socket) => reply(socket, '{}'), of(leaf).options);
    for (const [verify, level] of [
      ['none', 2],
      ['pin', 3],
    ] as const) {
      const pins = verify === 'pin' ? [leaf.spkiPin] : [];
      await using rig = await createRig({ queues: [queueOf(server.url, { tls: { verify, pins } })] });
      await rig.call();
      const told = rig.told.certificates.at(-1);
      assert.equal(told?.level, level);
      assert.equal(told?.pin, leaf.spkiPin);
      assert.ok((told?.notAfter ?? 0) > Date.now());
      assert.equal(rig.upstream.status()[0]?.certificateNotAfter, told?.notAfter);
    }
  });
});
