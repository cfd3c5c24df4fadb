import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ALGORITHMS } from '../../src/auth/saml/algorithms.ts';
import { type IdpMetadata, readIdpMetadata, type Wanted } from '../../src/auth/saml/idp-metadata.ts';
import { MESSAGE_LIMITS } from '../../src/auth/saml/message.ts';
import { fetchMetadata } from '../../src/auth/saml/metadata-fetch.ts';
import { createMetadataSource } from '../../src/auth/saml/metadata-source.ts';
import { parseXml } from '../../src/auth/saml/parse-xml.ts';
import { verifySignature } from '../../src/auth/saml/verify-signature.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { TlsFileError } from '../../src/platform/index.ts';
import { createAuthority } from '../../standin/certificates.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { IDP, metadataXml, signElement } from './saml-idp.ts';
import { ACS, createSamlWorld, KEYS, SLO, SP } from './saml-world.ts';

const NOW = Date.UTC(2026, 0, 1);
const ANY: Wanted = { entityId: undefined, trusted: null };
const read = (xml: string, wanted: Partial<Wanted> = {}) =>
  readIdpMetadata(Buffer.from(xml), { ...ANY, ...wanted }, NOW);
const certificateOf = ({ certPem }: typeof KEYS.idp): string => certPem.replace(/-----[^-]+-----|\s/g, '');

describe('the gateway’s own SAML metadata', () => {
  it('is signed and stands in the order of the schema', async () => {
    await using world = await createSamlWorld();
    const xml = (await world.replica().metadata()) ?? '';
    const root = parseXml(xml, MESSAGE_LIMITS);
    verifySignature(xml, root, [new X509Certificate(KEYS.sp.certPem)], ALGORITHMS);
    assert.equal(root.attributes.get('entityID'), SP);
    assert.deepEqual(
      root.children.map(({ name }) => name),
      ['Signature', 'SPSSODescriptor'],
    );
    const role = root.children[1];
    assert.deepEqual(
      role?.children.map(({ name }) => name),
      ['KeyDescriptor', 'KeyDescriptor', 'SingleLogoutService', 'SingleLogoutService', 'AssertionConsumerService'],
    );
    assert.equal(role?.attributes.get('AuthnRequestsSigned'), 'true');
    assert.equal(role?.attributes.get('WantAssertionsSigned'), 'true');
    assert.deepEqual(
      role?.children.map(({ attributes }) => attributes.get('use') ?? attributes.get('Location')),
      ['signing', 'encryption', SLO, SLO, ACS],
    );
  });

  it('names the certificate before the last change, for signatures only', async () => {
    await using world = await createSamlWorld();
    const previous = {
      previousKeyFile: `${world.folder}/previous.key`,
      previousCertFile: `${world.folder}/previous.crt`,
    };
    const xml = (await world.replica({ ...previous, nameIdFormat: 'urn:a&b' }).metadata()) ?? '';
    const uses = [...xml.matchAll(/use="(\w+)".*?X509Certificate>([^<]+)/g)].map(([, use, certificate]) => [
      use,
      certificate,
    ]);
    assert.deepEqual(uses, [
      ['signing', certificateOf(KEYS.sp)],
      ['signing', certificateOf(KEYS.previousSp)],
      ['encryption', certificateOf(KEYS.sp)],
    ]);
    assert.match(xml, /<md:NameIDFormat>urn:a&amp;b<\/md:NameIDFormat><md:AssertionConsumerService/);
  });

  it('has the entity id of the configuration', async () => {
    await using world = await createSamlWorld();
    const provider = world.replica({ entityId: 'urn:our:gateway' });
    assert.match((await provider.metadata()) ?? '', / entityID="urn:our:gateway"/);
    const begun = await world.begin(provider);
    await world.finish(provider, begun, world.respond(begun, { audience: 'urn:our:gateway' }));
  });

  it('cannot be made of keys that do not fit', async () => {
    await using world = await createSamlWorld();
    const { leaf } = await createAuthority();
    const elliptic = await leaf();
    const ec = {
      keyFile: await world.file('ec.key', elliptic.keyPem),
      certFile: await world.file('ec.crt', elliptic.certPem),
    };
    const faults: [object, RegExp][] = [
      [{ keyFile: `${world.folder}/previous.key` }, /is not the key of/],
      [{ keyFile: `${world.folder}/nowhere.key` }, /nowhere\.key: cannot be read/],
      [{ keyFile: `${world.folder}/sp.crt` }, /holds no private key/],
      [{ certFile: `${world.folder}/sp.key` }, /holds no certificate/],
      [ec, /must be an RSA key/],
      [
        { previousKeyFile: `${world.folder}/sp.key`, previousCertFile: `${world.folder}/previous.crt` },
        /is not the key of/,
      ],
    ];
    for (const [changes, message] of faults)
      assert.throws(
        () => world.replica(changes),
        (error) => error instanceof TlsFileError && message.test(error.message),
      );
  });
});

describe('the provider’s SAML metadata', () => {
  it('is read for what the gateway needs', () => {
    const found = read(metadataXml({ keys: [KEYS.idp, KEYS.nextIdp, KEYS.idp] }));
    assert.equal(found.entityId, IDP);
    assert.equal(found.certificates.length, 2);
    assert.deepEqual(found.signOn, { redirect: 'https://idp.example/sso', post: 'https://idp.example/sso' });
    assert.deepEqual(found.logoutAnswer, { redirect: 'https://idp.example/slo', post: 'https://idp.example/slo' });
    assert.deepEqual([found.validUntil, found.cacheDuration], [null, null]);
  });

  it('may hold comments, a byte order mark, encryption keys and another place for logout answers', () => {
    const slo =
      '<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/a" ResponseLocation="https://idp.example/b"/>';
    const xml = metadataXml({ keys: [KEYS.idp], slo }).replace(
      '<md:KeyDescriptor',
      `<!-- keys --><md:KeyDescriptor use="encryption"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>${certificateOf(KEYS.stranger)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:KeyDescriptor`,
    );
    const found = read(`\ufeff${xml}`);
    assert.equal(found.certificates.length, 1);
    assert.deepEqual(
      [found.logout.redirect, found.logoutAnswer.redirect],
      ['https://idp.example/a', 'https://idp.example/b'],
    );
    assert.equal(found.logout.post, null);
  });

  it('describes one provider, or the one that is wanted', () => {
    const all = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" cacheDuration="PT2H">${metadataXml({ keys: [KEYS.idp] })}${metadataXml({ keys: [KEYS.nextIdp], entityId: 'urn:b', attributes: ' cacheDuration="PT1H"' })}</md:EntitiesDescriptor>`;
    assert.throws(() => read(all), /several identity providers; set idpEntityId/);
    assert.equal(read(all, { entityId: IDP }).cacheDuration, 7_200_000);
    assert.equal(read(all, { entityId: 'urn:b' }).cacheDuration, 3_600_000);
    assert.throws(() => read(all, { entityId: 'urn:c' }), /no identity provider of this entity id/);
  });

  it('ends with the first validUntil around it', () => {
    const until = (ms: number): string => ` validUntil="${new Date(NOW + ms).toISOString()}"`;
    assert.equal(read(metadataXml({ keys: [KEYS.idp], attributes: until(1000) })).validUntil, NOW + 1000);
    assert.throws(() => read(metadataXml({ keys: [KEYS.idp], attributes: until(0) })), /validUntil has passed/);
    const inner = metadataXml({ keys: [KEYS.idp], attributes: until(5000) });
    const around = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"${until(1000)}>${inner}</md:EntitiesDescriptor>`;
    assert.equal(read(around).validUntil, NOW + 1000);
  });

  it('is refused with the reason when it cannot be used', () => {
    const good = metadataXml({ keys: [KEYS.idp] });
    const cases: [string, RegExp][] = [
      ['', /no root element/],
      ['<html/>', /no SAML 2.0 metadata/],
      ['<!DOCTYPE a><a/>', /markup that is not allowed/],
      [metadataXml({ keys: [] }), /no signing certificate/],
      [good.replace(certificateOf(KEYS.idp), 'AAAA'), /a certificate does not parse/],
      [good.replaceAll('https://idp.example/sso', 'http://idp.example/sso'), /SingleSignOnService without https/],
      [good.replaceAll('https://idp.example/slo', 'javascript:alert(1)'), /SingleLogoutService without https/],
      [good.replaceAll('https://idp.example/sso', 'https://user:password@idp.example/sso'), /without https/],
      [good.replace('SAML:2.0:protocol', 'SAML:1.1:protocol'), /no identity provider/],
      [metadataXml({ keys: [KEYS.idp], sso: '' }), /no SingleSignOnService/],
      [metadataXml({ keys: [KEYS.idp], attributes: ' validUntil="soon"' }), /validUntil is no time/],
      [good.replace(` entityID="${IDP}"`, ''), /no entityID/],
      [`${good}${' '.repeat(2 * 1024 * 1024)}`, /too large/],
    ];
    for (const [xml, reason] of cases) assert.throws(() => read(xml), reason);
    assert.equal(
      read(good.replaceAll('https://idp.example', 'http://127.0.0.1:80')).signOn.post,
      'http://127.0.0.1:80/sso',
    );
  });

  it('must carry the signature that the configuration wants', () => {
    const trusted = [new X509Certificate(KEYS.nextIdp.certPem)];
    // Its place does not matter; the test's signer puts it behind an element of this name.
    const xml = metadataXml({ keys: [KEYS.idp] }).replace('<md:IDPSSO', '<md:Issuer/><md:IDPSSO');
    const signed = (key: typeof KEYS.idp): string => signElement(xml, '/*', key);
    assert.equal(read(signed(KEYS.nextIdp), { trusted }).entityId, IDP);
    assert.throws(() => read(xml, { trusted }), /EntityDescriptor is not signed/);
    assert.throws(() => read(signed(KEYS.idp), { trusted }), /signed by no known certificate/);
    assert.throws(() => read(signed(KEYS.nextIdp).replace('/sso', '/evil'), { trusted }), /signature does not hold/);
  });
});

describe('metadata that is kept fresh', () => {
  const found = (changes: Partial<IdpMetadata> = {}): IdpMetadata => ({
    ...read(metadataXml({ keys: [KEYS.idp] })),
    certificates: [new X509Certificate(KEYS.idp.certPem)],
    ...changes,
  });

  function source(answers: (IdpMetadata | Error)[], refreshMs = 3_600_000) {
    const clock = createManualClock(NOW);
    const ready: boolean[] = [];
    const reasons: (string | null)[] = [];
    let reads = 0;
    const made = createMetadataSource({
      clock,
      watch: null,
      refreshMs,
      async read() {
        const answer = answers[Math.min(reads++, answers.length - 1)];
        if (answer === undefined || answer instanceof Error) throw answer ?? new Error('nothing');
        return answer;
      },
      onAttempt: (reason) => void reasons.push(reason),
      onReady: (now) => void ready.push(now),
    });
    return { ...made, clock, ready, reasons, reads: () => reads, [Symbol.asyncDispose]: made[Symbol.asyncDispose] };
  }

  it('is read at once and then as often as the configuration says', async () => {
    await using made = source([found()]);
    assert.equal(made.state().ready, false);
    await made.current();
    assert.deepEqual([made.reads(), made.state()], [1, { ready: true, reason: null }]);
    await made.clock.advance(3_599_999);
    assert.equal(made.reads(), 1);
    await made.clock.advance(1);
    assert.equal(made.reads(), 2);
    assert.deepEqual(made.ready, [true]);
  });

  it('is read sooner when it says so, but not in a hurry', async () => {
    await using hourly = source([found({ cacheDuration: 600_000 })]);
    await hourly.clock.advance(600_000);
    assert.equal(hourly.reads(), 2);
    await using hasty = source([found({ cacheDuration: 1 })]);
    await hasty.clock.advance(59_999);
    assert.equal(hasty.reads(), 1);
    await using ending = source([found({ validUntil: NOW + 1_000_000 })]);
    await ending.clock.advance(500_000);
    assert.equal(ending.reads(), 2);
  });

  it('stays in use while it is valid and the provider is away, never longer', async () => {
    await using made = source([found({ validUntil: NOW + 200_000 }), new Error('away')]);
    await made.current();
    await made.clock.advance(199_999);
    await made.current();
    assert.ok(made.reads() > 2, 'it was tried again');
    assert.deepEqual(made.ready, [true]);
    await made.clock.advance(1);
    assert.deepEqual(made.ready, [true, false]);
    assert.deepEqual(made.state(), { ready: false, reason: 'away' });
    await assert.rejects(made.current(), { code: 'GW_PROVIDER_UNAVAILABLE', internal: 'away' });
  });

  it('is asked for on demand with a pause between two attempts, a short one while nothing is at hand', async () => {
    await using made = source([new Error('away'), new Error('still away'), found()]);
    await assert.rejects(made.current(), { code: 'GW_PROVIDER_UNAVAILABLE', retryAfter: 5 });
    await assert.rejects(made.current(), { internal: 'away' });
    assert.equal(made.reads(), 1);
    await made.clock.advance(5_000);
    await made.clock.advance(5_000);
    assert.equal((await made.current()).entityId, IDP);
    assert.deepEqual(made.reasons, ['away', 'still away', null]);
  });

  it('is never that of another provider than the first, which stays in use; the log says so', async () => {
    const next = new X509Certificate(KEYS.nextIdp.certPem);
    const other = found({ entityId: 'https://evil.example/saml', certificates: [next] });
    await using made = source([found(), other, found({ certificates: [next] })]);
    const first = await made.current();
    await made.clock.advance(3_600_000);
    assert.equal(made.reads(), 2);
    assert.equal(await made.current(), first);
    assert.match(made.reasons.at(-1) ?? '', /another entity id than before/);
    await made.clock.advance(30_000);
    assert.deepEqual([(await made.current()).certificates, made.reasons.at(-1)], [[next], null]);
  });

  it('is none of another provider either when a signature is unknown, or the first has ended', async () => {
    const other = found({
      entityId: 'https://evil.example/saml',
      certificates: [new X509Certificate(KEYS.nextIdp.certPem)],
    });
    await using made = source([found({ validUntil: NOW + 200_000 }), other]);
    assert.equal(await made.newerThan(await made.current()), null);
    await made.clock.advance(200_000);
    await assert.rejects(made.current(), {
      code: 'GW_PROVIDER_UNAVAILABLE',
      internal: /another entity id than before/,
    });
  });

  it('is read once for many that wait', async () => {
    await using made = source([found()]);
    await Promise.all([made.current(), made.current(), made.current()]);
    assert.equal(made.reads(), 1);
  });
});

describe('metadata from a URL', () => {
  async function serve(handler: RequestListener, tls?: { cert: string; key: string }) {
    const server = tls === undefined ? createServer(handler) : createTlsServer(tls, handler);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return {
      url: `http${tls === undefined ? '' : 's'}://127.0.0.1:${port}/metadata`,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  const get = (url: string, caFile?: string): Promise<Buffer> => fetchMetadata({ url, caFile, clock: systemClock });

  it('is fetched with the authorities of the configuration only', async () => {
    const authority = await createAuthority();
    const leaf = await authority.leaf();
    const folder = await mkdtemp(join(tmpdir(), 'vovgw-saml-'));
    const caFile = join(folder, 'ca.crt');
    await writeFile(caFile, authority.certPem);
    await using server = await serve((_, response) => response.end('<a/>'), { cert: leaf.certPem, key: leaf.keyPem });
    assert.equal((await get(server.url, caFile)).toString(), '<a/>');
    await assert.rejects(get(server.url), /certificate/);
    await rm(folder, { recursive: true });
  });

  it('follows redirects, but not to plain http elsewhere and not for ever', async () => {
    await using server = await serve((request, response) => {
      const to: Record<string, string> = {
        '/metadata': '/there',
        '/evil': 'http://idp.example/metadata',
        '/loop': '/loop',
      };
      const location = to[request.url ?? ''];
      if (location === undefined) response.end('here');
      else response.writeHead(302, { location }).end();
    });
    assert.equal((await get(server.url)).toString(), 'here');
    await assert.rejects(get(server.url.replace('metadata', 'evil')), /redirected to a URL without https/);
    await assert.rejects(get(server.url.replace('metadata', 'loop')), /too many redirects/);
  });

  it('is refused when it is an error or too large', async () => {
    await using server = await serve((request, response) => {
      if (request.url === '/metadata') response.writeHead(404).end('no');
      else response.end(Buffer.alloc(2 * 1024 * 1024 + 1, 'a'));
    });
    await assert.rejects(get(server.url), /the server answered 404/);
    await assert.rejects(get(server.url.replace('metadata', 'large')));
  });

  it('is not waited for without end', async () => {
    await using server = await serve(() => undefined);
    const clock = createManualClock();
    const fetched = fetchMetadata({ url: server.url, caFile: undefined, clock });
    const refused = assert.rejects(fetched, /no answer in time/);
    await clock.advance(10_000);
    await refused;
  });
});
