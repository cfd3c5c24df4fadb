import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { UnknownSigner } from '../../src/auth/saml/fault.ts';
import { createVerifier } from '../../src/auth/saml/verifier.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { MORE, responseXml, SIGNATURE, shapeOf, signElement } from './saml-idp.ts';
import { ACS, KEYS, SP } from './saml-world.ts';

const certificate = ({ certPem }: typeof KEYS.idp): X509Certificate => new X509Certificate(certPem);
const [idp, next, stranger] = [KEYS.idp, KEYS.nextIdp, KEYS.stranger].map(certificate);
assert.ok(idp && next && stranger);

const shape = shapeOf({ acs: ACS, audience: SP, inResponseTo: null, now: Date.UTC(2026, 0, 1), key: KEYS.nextIdp });

describe('the thread that verifies', () => {
  it('tells which certificate signed, and gives the octets that are covered', async () => {
    await using verifier = createVerifier(systemClock);
    const { xml, signer } = await verifier.verify(responseXml(shape), [idp, next], 'library');
    assert.equal(signer, next);
    assert.match(xml, /^<samlp:Response /);
    assert.equal(xml.match(/<ds:Signature /g)?.length, 1, 'the assertion’s own');
  });

  it('takes a document as XML reads it, whatever its prefixes and places of declaration', async () => {
    await using verifier = createVerifier(systemClock);
    const plain = '<Issuer>x</Issuer><v xmlns="urn:v"><w xmlns=""/></v>';
    const xml = signElement(`<a xmlns="urn:a" xmlns:b="urn:b" ID="i" b:c="d">${plain}</a>`, '/*', KEYS.idp);
    const verified = await verifier.verify(xml, [idp], 'own');
    assert.match(verified.xml, /^<a xmlns="urn:a" xmlns:b="urn:b" ID="i" b:c="d"><Issuer>/);
  });

  it('tells a stranger’s signature from one that does not hold', async () => {
    await using verifier = createVerifier(systemClock);
    const xml = responseXml(shape);
    await assert.rejects(verifier.verify(xml, [idp, stranger], 'library'), UnknownSigner);
    await assert.rejects(verifier.verify(xml, [], 'library'), UnknownSigner);
    const altered = verifier.verify(xml.replace('alice-0001', 'mallory-01'), [next], 'library');
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
      for (const kind of ['own', 'library'] as const) await assert.rejects(verifier.verify(xml, [next], kind), reason);
    }
  });

  it('takes more algorithms where node-saml need not agree', async () => {
    await using verifier = createVerifier(systemClock);
    const relabelled = responseXml({ ...shape, signed: ['response'] }).replace(
      SIGNATURE.algorithm,
      `${MORE}ecdsa-sha384`,
    );
    await assert.rejects(verifier.verify(relabelled, [next], 'library'), /algorithm that is not allowed/);
    // Allowed, so that it is only the key that does not fit.
    await assert.rejects(verifier.verify(relabelled, [next], 'own'), UnknownSigner);
  });

  it('gives up a document that takes too long, and does the next', async () => {
    const clock = createManualClock();
    await using verifier = createVerifier(clock);
    const slow = assert.rejects(verifier.verify(responseXml(shape), [next], 'library'), /takes too long/);
    await clock.advance(5000);
    await slow;
    const { signer } = await verifier.verify(responseXml(shape), [next], 'library');
    assert.equal(signer, next);
  });

  it('does one after the other, and not more than it can hold', async () => {
    await using verifier = createVerifier(systemClock);
    const xml = responseXml(shape);
    const all = await Promise.allSettled(Array.from({ length: 70 }, () => verifier.verify(xml, [next], 'library')));
    const failed = all.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    assert.deepEqual(new Set(failed), new Set(['GW_PROVIDER_UNAVAILABLE']));
    assert.equal(failed.length, 70 - 65);
  });

  it('ends what waits when it is disposed', async () => {
    const verifier = createVerifier(systemClock);
    const waiting = [0, 1].map(() =>
      assert.rejects(verifier.verify(responseXml(shape), [next], 'library'), /shutting down/),
    );
    await verifier[Symbol.asyncDispose]();
    await Promise.all(waiting);
    await assert.rejects(verifier.verify(responseXml(shape), [next], 'library'), /shutting down/);
  });
});
