import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { UnknownSigner } from '../../src/auth/saml/fault.ts';
import { createVerifier, type Place, type Verifier } from '../../src/auth/saml/verifier.ts';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { MORE, metadataXml, responseXml, SIGNATURE, shapeOf, signElement } from './saml-idp.ts';
import { ACS, KEYS, SP } from './saml-world.ts';

const certificate = ({ certPem }: typeof KEYS.idp): X509Certificate => new X509Certificate(certPem);
const [idp, next, stranger] = [KEYS.idp, KEYS.nextIdp, KEYS.stranger].map(certificate);
assert.ok(idp && next && stranger);

const shape = shapeOf({ acs: ACS, audience: SP, inResponseTo: null, now: Date.UTC(2026, 0, 1), key: KEYS.nextIdp });

/** Verifies one document on a place of its own. */
async function verifying(verifier: Verifier, ...document: Parameters<Place['verify']>): ReturnType<Place['verify']> {
  using place = verifier.enter('sign-in', '192.0.2.7');
  return await place.verify(...document);
}

describe('the thread that verifies', () => {
  it('tells which certificate signed, and gives the octets that are covered', async () => {
    await using verifier = createVerifier(systemClock);
    const { xml, signer } = await verifying(verifier, responseXml(shape), [idp, next], 'library');
    assert.equal(signer, next);
    assert.match(xml, /^<samlp:Response /);
    assert.equal(xml.match(/<ds:Signature /g)?.length, 1, 'the assertion’s own');
  });

  it('takes a document as XML reads it, whatever its prefixes and places of declaration', async () => {
    await using verifier = createVerifier(systemClock);
    const plain = '<Issuer>x</Issuer><v xmlns="urn:v"><w xmlns=""/></v>';
    const xml = signElement(`<a xmlns="urn:a" xmlns:b="urn:b" ID="i" b:c="d">${plain}</a>`, '/*', KEYS.idp);
    const verified = await verifying(verifier, xml, [idp], 'own');
    assert.match(verified.xml, /^<a xmlns="urn:a" xmlns:b="urn:b" ID="i" b:c="d"><Issuer>/);
  });

  it('tells a stranger’s signature from one that does not hold', async () => {
    await using verifier = createVerifier(systemClock);
    const xml = responseXml(shape);
    await assert.rejects(verifying(verifier, xml, [idp, stranger], 'library'), UnknownSigner);
    await assert.rejects(verifying(verifier, xml, [], 'library'), UnknownSigner);
    const altered = verifying(verifier, xml.replace('alice-0001', 'mallory-01'), [next], 'library');
    await assert.rejects(altered, { name: 'SamlFault', message: 'signature does not hold' });
  });

  it('takes no algorithm, transform or canonicalisation that is not listed', async () => {
    await using verifier = createVerifier(systemClock);
    const C14N = 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315';
    const SHA1 = 'http://www.w3.org/2000/09/xmldsig#';
    const cases: [Partial<typeof SIGNATURE>, RegExp][] = [
      [{ algorithm: `${SHA1}rsa-sha1` }, /a signature algorithm that is not allowed/],
      [{ digest: `${SHA1}sha1` }, /a digest algorithm that is not allowed/],
      [{ canonicalization: C14N }, /a canonicalisation that is not allowed/],
      [{ canonicalization: `${SIGNATURE.canonicalization}WithComments` }, /a canonicalisation that is not allowed/],
      [{ transforms: [SIGNATURE.transforms[0] ?? '', C14N] }, /a transform that is not allowed/],
      [{ transforms: [...SIGNATURE.transforms].reverse() }, /a transform that is not allowed/],
      [{ transforms: SIGNATURE.transforms.slice(0, 1) }, /Transforms does not hold what it must/],
      [{ transforms: [...SIGNATURE.transforms, ...SIGNATURE.transforms] }, /Transforms does not hold what it must/],
    ];
    for (const [changes, reason] of cases) {
      const xml = responseXml({ ...shape, signature: { ...SIGNATURE, ...changes } });
      for (const kind of ['own', 'library'] as const)
        await assert.rejects(verifying(verifier, xml, [next], kind), reason);
    }
  });

  it('takes more algorithms where node-saml need not agree', async () => {
    await using verifier = createVerifier(systemClock);
    const relabelled = responseXml({ ...shape, signed: ['response'] }).replace(
      SIGNATURE.algorithm,
      `${MORE}ecdsa-sha384`,
    );
    await assert.rejects(verifying(verifier, relabelled, [next], 'library'), /algorithm that is not allowed/);
    // Allowed, so that it is only the key that does not fit.
    await assert.rejects(verifying(verifier, relabelled, [next], 'own'), UnknownSigner);
  });

  it('gives up a document that takes too long, and does the next', async () => {
    const clock = createManualClock();
    await using verifier = createVerifier(clock);
    const slow = assert.rejects(verifying(verifier, responseXml(shape), [next], 'library'), /takes too long/);
    await clock.advance(5000);
    await slow;
    const { signer } = await verifying(verifier, responseXml(shape), [next], 'library');
    assert.equal(signer, next);
  });

  it('does one after the other', async () => {
    await using verifier = createVerifier(systemClock);
    const xml = responseXml(shape);
    const all = await Promise.all(Array.from({ length: 8 }, () => verifying(verifier, xml, [next], 'library')));
    assert.deepEqual(new Set(all.map(({ signer }) => signer)), new Set([next]));
  });

  it('ends what waits when it is disposed', async () => {
    const verifier = createVerifier(systemClock);
    const waiting = [0, 1].map(() =>
      assert.rejects(verifying(verifier, responseXml(shape), [next], 'library'), /shutting down/),
    );
    await verifier[Symbol.asyncDispose]();
    await Promise.all(waiting);
    await assert.rejects(verifying(verifier, responseXml(shape), [next], 'library'), /shutting down/);
  });
});

/** Takes places until there are no more; gives how many there were and what was said then. */
function fill(verifier: Verifier, queue: 'sign-in' | 'logout', addressOf: (at: number) => string) {
  const places: Place[] = [];
  for (let at = 0; at < 1000; at++) {
    try {
      places.push(verifier.enter(queue, addressOf(at)));
    } catch (error) {
      return { places, error };
    }
  }
  return { places, error: null };
}

const everywhere = (at: number): string => `198.51.100.${at}`;

describe('the queues of the thread that verifies', () => {
  it('have 64 places, and say when to come again', async () => {
    await using verifier = createVerifier(systemClock);
    for (const queue of ['sign-in', 'logout'] as const) {
      const { places, error } = fill(verifier, queue, everywhere);
      assert.equal(places.length, 64);
      assert.ok(error instanceof GatewayError);
      assert.deepEqual([error.code, error.retryAfter], ['GW_PROVIDER_UNAVAILABLE', 5]);
    }
  });

  it('give one address an eighth of them, IPv6 by its /64', async () => {
    for (const addressOf of [() => '192.0.2.7', (at: number) => `2001:db8::${at.toString(16)}`]) {
      await using verifier = createVerifier(systemClock);
      assert.equal(fill(verifier, 'sign-in', addressOf).places.length, 8);
      assert.equal(fill(verifier, 'sign-in', everywhere).places.length, 56);
    }
  });

  it('get a place back once, however often it is given back', async () => {
    await using verifier = createVerifier(systemClock);
    const { places } = fill(verifier, 'sign-in', () => '192.0.2.7');
    for (let again = 0; again < 3; again++) places[0]?.[Symbol.dispose]();
    assert.equal(fill(verifier, 'sign-in', () => '192.0.2.7').places.length, 1);
  });

  it('are each other’s: full of logouts, there are sign-ins and metadata', async () => {
    await using verifier = createVerifier(systemClock);
    const { places } = fill(verifier, 'logout', everywhere);
    const slow = places.map((place) => place.verify(responseXml(shape), [next], 'library'));
    const { signer } = await verifying(verifier, responseXml(shape), [next], 'library');
    assert.equal(signer, next);
    const finished: string[] = [];
    const last = slow.at(-1)?.then(() => finished.push('the last logout'));
    const bytes = Buffer.from(metadataXml({ keys: [KEYS.idp] }));
    const wanted = { entityId: undefined, trusted: null };
    const metadata = await verifier.metadata(bytes, wanted, Date.now());
    assert.equal(metadata.certificates.length, 1);
    assert.deepEqual(finished, [], 'metadata goes before what waits');
    await Promise.all([...slow, last]);
  });

  it('of logouts has a thread while there are any, and a new one later', async () => {
    const clock = createManualClock();
    await using verifier = createVerifier(clock);
    const check = async (): Promise<void> => {
      using place = verifier.enter('logout', '192.0.2.7');
      assert.equal((await place.verify(responseXml(shape), [next], 'library')).signer, next);
    };
    await check();
    await clock.advance(59_999);
    await check();
    await clock.advance(60_000);
    await check();
  });
});
