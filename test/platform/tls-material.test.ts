import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { createTlsMaterial, TlsFileError, type TlsFiles } from '../../src/platform/index.ts';
import { type Authority, createAuthority, type Leaf } from '../../standin/certificates.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';

let dir: string;
let authority: Authority;
let first: Leaf;
let second: Leaf;

const at = (name: string): string => join(dir, name);

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tls-material-'));
  authority = await createAuthority();
  [first, second] = [await authority.leaf(), await authority.leaf()];
  await writeFile(at('ca.pem'), authority.certPem);
  await writeFile(at('first.pem'), first.certPem);
  await writeFile(at('first.key'), first.keyPem);
  await writeFile(at('second.key'), second.keyPem);
  await writeFile(at('empty'), '');
  await writeFile(at('crl.pem'), await authority.revocationList([second]));
});
after(() => rm(dir, { recursive: true, force: true }));

/** Material that is polled whenever the test waits. */
function open(files: TlsFiles) {
  const clock = createManualClock();
  const errors: TlsFileError[] = [];
  const material = createTlsMaterial(files, { clock, onError: (error) => errors.push(error), intervalMs: 1000 });
  const until = (what: string, look: () => boolean): Promise<unknown> =>
    eventually(what, async () => {
      await clock.advance(1000);
      return look();
    });
  return { material, errors, until };
}

const serialOf = (pem: Buffer | undefined): string => new X509Certificate(pem ?? '').serialNumber;

test('gives the content of every file under the name that node:tls uses', () => {
  const { material } = open({
    certFile: at('first.pem'),
    keyFile: at('first.key'),
    caFile: at('ca.pem'),
    crlFile: at('crl.pem'),
  });
  using _ = material;
  const { cert, key, ca, crl } = material.current();
  assert.equal(cert?.toString(), first.certPem);
  assert.equal(key?.toString(), first.keyPem);
  assert.equal(ca?.toString(), authority.certPem);
  assert.match(crl?.toString() ?? '', /BEGIN X509 CRL/);
});

test('what is not asked for is absent', () => {
  using nothing = open({}).material;
  assert.deepEqual(nothing.current(), {});
  using onlyCa = open({ caFile: at('ca.pem') }).material;
  assert.deepEqual(Object.keys(onlyCa.current()), ['ca']);
});

test('files that cannot be used at start are refused, and the file is named', async () => {
  const encrypted = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
  }).privateKey;
  const short = await authority.leaf({ keyType: 'rsa-1024' });
  const files: Record<string, string> = {
    'encrypted.key': encrypted,
    'short.pem': short.certPem,
    'short.key': short.keyPem,
    'half.pem': first.certPem.slice(0, 300),
    'damaged.pem': first.certPem.replace(/[A-Za-z]{20}/, 'A'.repeat(20)),
    'second-broken.pem': `${authority.certPem}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(at(name), content);
  const good = { certFile: at('first.pem'), keyFile: at('first.key') };
  const cases: [TlsFiles, string, RegExp][] = [
    [{ ...good, certFile: at('missing') }, 'missing', /cannot be read/],
    [{ ...good, keyFile: at('missing') }, 'missing', /cannot be read/],
    [{ ...good, certFile: dir }, '', /cannot be read/],
    [{ ...good, certFile: at('empty') }, 'empty', /no PEM certificate/],
    [{ ...good, certFile: at('first.key') }, 'first.key', /no PEM certificate/],
    [{ ...good, certFile: at('half.pem') }, 'half.pem', /no PEM certificate/],
    [{ ...good, certFile: at('damaged.pem') }, 'damaged.pem', /./],
    [{ ...good, keyFile: at('empty') }, 'empty', /no private key in PEM/],
    [{ ...good, keyFile: at('first.pem') }, 'first.pem', /no private key in PEM/],
    [{ ...good, keyFile: at('encrypted.key') }, 'encrypted.key', /is encrypted/],
    [{ ...good, keyFile: at('second.key') }, 'second.key', /is not the key of the first certificate in .*first\.pem/],
    [{ certFile: at('first.pem') }, 'first.pem', /set keyFile too/],
    [{ keyFile: at('first.key') }, 'first.key', /set certFile too/],
    [{ caFile: at('empty') }, 'empty', /no PEM certificate/],
    [{ caFile: at('second-broken.pem') }, 'second-broken.pem', /certificate 2 does not parse/],
    [{ crlFile: at('ca.pem') }, 'ca.pem', /refused by OpenSSL/],
    [{ certFile: at('short.pem'), keyFile: at('short.key') }, 'short.pem', /refused by OpenSSL/],
  ];
  for (const [given, name, problem] of cases) {
    assert.throws(
      () => open(given),
      (error) =>
        error instanceof TlsFileError && error.file === at(name).replace(/\/$/, '') && problem.test(error.message),
      `${name} ${problem}`,
    );
  }
});

test('a new pair is taken once it is complete, and listeners are told', async () => {
  await writeFile(at('live.pem'), first.certPem);
  await writeFile(at('live.key'), first.keyPem);
  const { material, errors, until } = open({ certFile: at('live.pem'), keyFile: at('live.key') });
  using _ = material;
  const told: string[] = [];
  using _listener = material.onChange(() => told.push(serialOf(material.current().cert)));
  const silent = material.onChange(() => told.push('silent'));
  silent[Symbol.dispose]();

  await writeFile(at('live.pem'), second.certPem);
  await until('the mismatch is reported', () => errors.length === 1);
  assert.match(errors[0]?.message ?? '', /live\.key: is not the key of the first certificate/);
  assert.equal(serialOf(material.current().cert), serialOf(Buffer.from(first.certPem)));
  assert.equal(material.current().key?.toString(), first.keyPem);
  assert.deepEqual(told, []);

  await writeFile(at('live.key'), second.keyPem);
  await until('the pair is taken', () => told.length === 1);
  assert.deepEqual(told, [serialOf(Buffer.from(second.certPem))]);
  assert.equal(material.current().key?.toString(), second.keyPem);
  assert.equal(errors.length, 1);
});

test('the last good content stays through any damage, and each damage is reported once', async () => {
  await writeFile(at('bundle.pem'), authority.certPem);
  const { material, errors, until } = open({ caFile: at('bundle.pem') });
  using _ = material;
  const damages = ['', 'nonsense', authority.certPem.slice(0, 200)];
  for (const [index, damage] of damages.entries()) {
    await writeFile(at('bundle.pem'), damage);
    await until('the damage is reported', () => errors.length === index + 1);
    assert.equal(errors[index]?.file, at('bundle.pem'));
    assert.equal(material.current().ca?.toString(), authority.certPem);
  }
  await rename(at('bundle.pem'), at('moved.pem'));
  await until('the absence is reported', () => errors.length === damages.length + 1);
  const next = await createAuthority();
  await writeFile(at('bundle.pem'), next.certPem);
  await until('the new one is taken', () => material.current().ca?.toString() === next.certPem);
  assert.equal(errors.length, damages.length + 1);
});

test('an error shows nothing of a key', async () => {
  const secret = first.keyPem.split('\n')[1] ?? '';
  await writeFile(at('damaged.key'), first.keyPem.replace('BEGIN PRIVATE', 'BEGIN PRIVAT'));
  let error: unknown;
  try {
    open({ certFile: at('first.pem'), keyFile: at('damaged.key') });
  } catch (caught) {
    error = caught;
  }
  assert.ok(error instanceof TlsFileError);
  assert.ok(secret.length > 20 && !inspect(error, { depth: 10, showHidden: true }).includes(secret));
});

test('disposed material is not polled any more', async () => {
  await writeFile(at('gone.pem'), authority.certPem);
  const { material, errors, until } = open({ caFile: at('gone.pem') });
  material[Symbol.dispose]();
  await writeFile(at('gone.pem'), 'nonsense');
  let looks = 0;
  await until('some looks', () => {
    looks += 1;
    return looks > 4;
  });
  assert.deepEqual(errors, []);
  assert.equal(material.current().ca?.toString(), authority.certPem);
});
