import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/config/index.ts';
import { createAuthority } from '../../standin/certificates.ts';
import { createSigningKey } from '../../standin/idp/keys.ts';
import { everyFile, faultsOf, folder, parsed, patched, production } from './samples.ts';

const authority = await createAuthority();
const [own, other] = [await authority.leaf({ issuer: 'intermediate' }), await authority.leaf()];
const crl = await authority.revocationList([other]);

/** The same PEM with its body cut in half; still a block with both lines. */
const halved = (pem: string): string =>
  pem.replace(/(-----\n)([^-]+)(-----END)/, (_, head: string, body: string, tail: string) => {
    const lines = body.trim().split('\n');
    return `${head}${lines.slice(0, Math.ceil(lines.length / 2)).join('\n')}\n${tail}`;
  });

const encrypted = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' },
}).privateKey;

const GOOD: Readonly<Record<string, string>> = {
  '/own.pem': own.certPem,
  '/own.key': own.keyPem,
  '/ca.pem': `# our authorities\n${authority.certPem}${own.certPem}`,
  '/crl.pem': crl,
};

const TLS = { certFile: '/own.pem', keyFile: '/own.key', caFile: '/ca.pem', crlFile: '/crl.pem' };
const { certFile, keyFile, caFile } = TLS;

/** All three sections that name TLS files, over files of which `wrong` replaces some. */
const load = (wrong: Readonly<Record<string, string>> = {}) => {
  const patch = {
    server: { tls: { certFile, keyFile } },
    queues: [{ name: 'chips', urls: ['https://vov:6310'], tls: TLS }],
    redis: { tls: { certFile, keyFile, caFile } },
  };
  const files: Readonly<Record<string, string>> = { ...GOOD, ...wrong };
  return parseConfig(patched(production(), patch), { readFile: (path) => files[path] ?? everyFile(path) });
};

const CERT_KEYS = ['server.tls.certFile', 'queues[0].tls.certFile', 'redis.tls.certFile'];
const KEY_KEYS = ['server.tls.keyFile', 'queues[0].tls.keyFile', 'redis.tls.keyFile'];
const CA_KEYS = ['queues[0].tls.caFile', 'redis.tls.caFile'];
const CRL_KEYS = ['queues[0].tls.crlFile'];

const ROWS: readonly (readonly [file: string, text: string, paths: readonly string[], reason: RegExp, mend: RegExp])[] =
  [
    ['/own.pem', '', CERT_KEYS, /^\/own\.pem holds no certificate in PEM$/, /BEGIN CERTIFICATE/],
    ['/own.pem', own.keyPem, CERT_KEYS, /holds no certificate/, /PEM/],
    ['/own.pem', halved(other.certPem), CERT_KEYS, /damaged certificate \(number 1 of 1\)/, /PEM/],
    ['/own.pem', `${other.certPem}${halved(authority.certPem)}`, CERT_KEYS, /number 2 of 2/, /PEM/],
    [
      '/own.pem',
      other.certPem,
      KEY_KEYS,
      /^\/own\.key is not the key of the first certificate in \/own\.pem$/,
      /first/,
    ],
    ['/own.pem', `${authority.certPem}${own.certPem}`, KEY_KEYS, /first certificate/, /own certificate stands first/],
    ['/own.key', 'hunter2', KEY_KEYS, /^\/own\.key holds no private key in PEM$/, /PRIVATE KEY/],
    ['/own.key', own.certPem, KEY_KEYS, /no private key/, /PRIVATE KEY/],
    ['/own.key', halved(own.keyPem), KEY_KEYS, /no private key/, /complete/],
    ['/own.key', encrypted, KEY_KEYS, /with a passphrase/, /without a passphrase/],
    ['/own.key', other.keyPem, KEY_KEYS, /is not the key/, /made for/],
    ['/ca.pem', 'hunter2', CA_KEYS, /^\/ca\.pem holds no certificate/, /BEGIN CERTIFICATE/],
    ['/ca.pem', `${authority.certPem}${halved(other.certPem)}`, CA_KEYS, /number 2 of 2/, /PEM/],
    ['/crl.pem', authority.certPem, CRL_KEYS, /^\/crl\.pem holds no certificate revocation list/, /X509 CRL/],
    ['/crl.pem', halved(crl), CRL_KEYS, /damaged revocation list/, /X509 CRL/],
    ['/crl.pem', '-----BEGIN X509 CRL-----\n!!\n-----END X509 CRL-----\n', CRL_KEYS, /damaged/, /X509 CRL/],
  ];

describe('TLS files hold what their keys say', () => {
  it('and nothing is said about good ones: chain, bundle with remarks, revocation list', () => {
    const result = load();
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(result.warnings, []);
  });

  for (const [file, text, paths, reason, mend] of ROWS) {
    it(`${file}, ${text.length} bytes: ${reason.source}`, () => {
      const result = load({ [file]: text });
      const faults = faultsOf(result);
      assert.deepEqual(
        faults.map(({ path }) => path),
        paths,
      );
      for (const fault of faults) {
        assert.match(fault.reason, reason);
        assert.match(fault.mend, mend);
        assert.ok(!JSON.stringify(fault).includes('hunter2'));
      }
    });
  }

  it('reports every bad file of a section at once', () => {
    const paths = faultsOf(load({ '/own.pem': 'x', '/own.key': 'x', '/ca.pem': 'x', '/crl.pem': 'x' })).map(
      ({ path }) => path,
    );
    assert.deepEqual([...paths].sort(), [...CERT_KEYS, ...KEY_KEYS, ...CA_KEYS, ...CRL_KEYS].sort());
  });

  it('names a folder in place of a file', () => {
    using dir = folder({ 'key.pem': own.keyPem });
    mkdirSync(dir.path('cert.pem'));
    const tls = { certFile: dir.path('cert.pem'), keyFile: dir.path('key.pem') };
    const raw = { ...production(), server: { tls }, credentials: [{ type: 'passthrough' }] };
    const faults = faultsOf(parseConfig(raw));
    assert.deepEqual(
      faults.map(({ path, reason, mend }) => [path, reason.split(': ')[1], mend]),
      [['server.tls.certFile', 'EISDIR', 'Name a file, not a folder.']],
    );
  });

  it('has a bad file watched, and leaves a good one to those who use it', () => {
    using dir = folder({ 'cert.pem': own.certPem, 'key.pem': other.keyPem });
    const tls = { certFile: dir.path('cert.pem'), keyFile: dir.path('key.pem') };
    const raw = { ...production(), server: { tls }, credentials: [{ type: 'passthrough' }] };
    const bad = parseConfig(raw);
    assert.deepEqual([bad.ok, bad.files], [false, [dir.path('key.pem')]]);
    writeFileSync(dir.path('key.pem'), own.keyPem);
    const good = parseConfig(raw);
    assert.deepEqual([good.ok, good.files], [true, []]);
  });

  it('is asked of files that other faults stand beside', () => {
    const paths = faultsOf(parsed({ log: { level: 'shout' }, redis: { tls: { caFile: '/passwords' } } })).map(
      ({ path }) => path,
    );
    assert.deepEqual(paths, ['log.level', 'redis.tls.caFile']);
  });
});

describe('files of sign-in', () => {
  const provider = { clientAuth: 'private_key_jwt', clientKeyFile: '/client.key', caFile: '/ca.pem' };
  const oidc = { type: 'oidc', name: 'entra', issuer: 'https://idp.example', clientId: 'gw', ...provider };
  const saml = {
    type: 'saml',
    name: 'corp',
    metadataUrl: 'https://idp.example',
    metadataCertFile: '/own.pem',
    keyFile: '/saml-key.pem',
    certFile: '/saml-cert.pem',
    previousKeyFile: '/saml-old-key.pem',
    previousCertFile: '/saml-old-cert.pem',
  };
  const patch = {
    server: { publicUrl: 'https://gw.example' },
    signIn: {
      providers: [saml, oidc],
      bearers: [{ type: 'jwt', name: 'ci', issuer: 'https://i.example', audience: ['gw'], caFile: '/ca2.pem' }],
    },
  };
  const loadSignIn = (wrong: Readonly<Record<string, string>> = {}) => {
    const files: Readonly<Record<string, string>> = { ...GOOD, '/client.key': own.keyPem, ...wrong };
    return parseConfig(patched(production(), patch), { readFile: (path) => files[path] ?? everyFile(path) });
  };
  const [P0, P1] = ['signIn.providers[0]', 'signIn.providers[1]'];
  const stranger = createSigningKey();

  it('are in order', () => {
    const result = loadSignIn();
    assert.ok(result.ok, JSON.stringify(result));
    assert.deepEqual(result.warnings, []);
  });

  const BAD: readonly (readonly [file: string, text: string, path: string, reason: RegExp])[] = [
    ['/saml-key.pem', own.keyPem, `${P0}.keyFile`, /holds no RSA key of 2048 bits or more/],
    ['/saml-key.pem', encrypted, `${P0}.keyFile`, /with a passphrase/],
    ['/saml-cert.pem', 'hunter2', `${P0}.certFile`, /no certificate/],
    ['/saml-old-key.pem', own.keyPem, `${P0}.previousKeyFile`, /no RSA key/],
    ['/saml-old-cert.pem', own.certPem, `${P0}.previousKeyFile`, /is not the key of the first certificate/],
    ['/own.pem', 'hunter2', `${P0}.metadataCertFile`, /no certificate/],
    ['/client.key', own.certPem, `${P1}.clientKeyFile`, /no private key/],
    ['/ca.pem', 'hunter2', `${P1}.caFile`, /no certificate/],
    ['/ca2.pem', 'hunter2', 'signIn.bearers[0].caFile', /no certificate/],
  ];
  for (const [file, text, path, reason] of BAD) {
    it(`${path}: ${reason.source}`, () => {
      const faults = faultsOf(loadSignIn({ [file]: text }));
      assert.deepEqual(
        faults.map((fault) => fault.path),
        [path],
      );
      assert.match(faults[0]?.reason ?? '', reason);
      assert.ok(!JSON.stringify(faults).includes('hunter2'));
    });
  }

  it('a key of another certificate', async () => {
    const [fault] = faultsOf(loadSignIn({ '/saml-key.pem': (await stranger).keyPem }));
    assert.equal(fault?.path, `${P0}.keyFile`);
  });
});
