import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, describe, it } from 'node:test';
import { connect, createServer } from 'node:tls';
import {
  type Authority,
  createAuthority,
  createSelfSigned,
  type Leaf,
  type LeafOptions,
  spkiPin,
} from '../../standin/certificates.ts';

/** Shakes hands with a server that shows `leaf`, trusting `ca`; gives the error code, or `ok`. */
async function shake(leaf: Leaf, ca: string, servername: string, crl?: string): Promise<string> {
  const server = createServer({ cert: leaf.certPem, key: leaf.keyPem, ciphers: 'DEFAULT@SECLEVEL=0' }, (socket) => {
    socket.on('error', () => {});
    socket.end();
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername,
    ca,
    ...(crl === undefined ? {} : { crl }),
  });
  const outcome = await new Promise<string>((resolve) => {
    socket.on('secureConnect', () => resolve('ok'));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'UNSPECIFIED' ? error.message : String(error.code)),
    );
  });
  socket.destroy();
  server.close();
  return outcome;
}

describe('certificates', () => {
  let authority: Authority;
  before(async () => {
    authority = await createAuthority();
  });

  const cases: [string, LeafOptions, string][] = [
    ['a good one', {}, 'ok'],
    ['one by an intermediate', { issuer: 'intermediate' }, 'ok'],
    ['one with the name in CN only', { altNames: false }, 'ok'],
    ['an expired one', { validity: 'expired' }, 'CERT_HAS_EXPIRED'],
    ['one not yet valid', { validity: 'not-yet' }, 'CERT_NOT_YET_VALID'],
    ['one for another host', { hosts: ['elsewhere.invalid'] }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['a self-signed one', { issuer: 'self' }, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['one for clients only', { usage: 'client' }, 'INVALID_PURPOSE'],
    ['one signed by another leaf', { issuer: 'leaf' }, 'key usage does not include certificate signing'],
    ['a 1024 bit RSA one', { keyType: 'rsa-1024' }, 'EE certificate key too weak'],
  ];
  for (const [name, options, expected] of cases) {
    it(`${name}: ${expected}`, async () => {
      assert.equal(await shake(await authority.leaf(options), authority.certPem, 'localhost'), expected);
    });
  }

  it('one of another authority with the same name is refused', async () => {
    const other = await createAuthority();
    assert.notEqual(await shake(await other.leaf(), authority.certPem, 'localhost'), 'ok');
  });

  it('a revoked one is refused, another is not', async () => {
    const [bad, good] = [await authority.leaf(), await authority.leaf()];
    const crl = await authority.revocationList([bad]);
    assert.equal(await shake(bad, authority.certPem, 'localhost', crl), 'CERT_REVOKED');
    assert.equal(await shake(good, authority.certPem, 'localhost', crl), 'ok');
  });

  it('a self-signed one is good for who trusts itself', async () => {
    const leaf = await createSelfSigned();
    assert.equal(await shake(leaf, leaf.certPem, 'localhost'), 'ok');
    assert.equal(await shake(await createSelfSigned(), leaf.certPem, 'localhost'), 'DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  it('names hosts and addresses', async () => {
    const { certPem } = await authority.leaf({ hosts: ['a.example', '10.0.0.1'] });
    const certificate = new X509Certificate(certPem);
    assert.equal(certificate.subjectAltName, 'DNS:a.example, IP Address:10.0.0.1');
    assert.equal(certificate.checkHost('a.example'), 'a.example');
    assert.equal(certificate.checkHost('b.example'), undefined);
  });

  it('keeps its pin when it keeps its key, and only then', async () => {
    const first = await authority.leaf();
    const renewed = await authority.leaf({ reuseKey: first, days: 60 });
    assert.equal(renewed.spkiPin, first.spkiPin);
    assert.notEqual(renewed.certPem, first.certPem);
    assert.notEqual((await authority.leaf()).spkiPin, first.spkiPin);
    assert.match(first.spkiPin, /^sha256\/[A-Za-z0-9+/]{43}=$/);
    assert.equal(spkiPin(first.certPem), first.spkiPin);
    assert.equal(await shake(renewed, authority.certPem, 'localhost'), 'ok');
  });
});
