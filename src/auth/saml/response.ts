import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { LIBRARY_ALGORITHMS } from './algorithms.ts';
import { type AssertionFacts, readAssertion, type Wanted } from './assertion.ts';
import { decryptAssertion } from './decrypt.ts';
import { only, optional } from './elements.ts';
import { checkEnvelope, statusOf } from './envelope.ts';
import { SamlFault } from './fault.ts';
import type { IdpMetadata } from './idp-metadata.ts';
import type { OwnKeys } from './keys.ts';
import type { Parties } from './library.ts';
import { countOf, KIND, MESSAGE_LIMITS, type Message, readMessage } from './message.ts';
import { NS } from './names.ts';
import { parseXml, type XmlElement } from './parse-xml.ts';
import { signatureOf } from './signature-shape.ts';
import type { Place, Verified } from './verifier.ts';

/** What a response is checked against. */
export interface ResponseCheck extends Omit<Wanted, 'issuer' | 'audience' | 'recipient'> {
  readonly parties: Omit<Parties, 'issuer'>;
  readonly keys: OwnKeys;
  readonly place: Place;
  readonly idp: IdpMetadata;
}

/** The assertion in whatever form, and how many signatures the document then must have. */
function contentOf(response: XmlElement): {
  readonly encrypted: XmlElement | null;
  readonly assertion: XmlElement | null;
} {
  return {
    encrypted: optional(response, NS.assertion, 'EncryptedAssertion'),
    assertion: optional(response, NS.assertion, 'Assertion'),
  };
}

/**
 * Refuses, before anything costly, what has not the shape of a signed response with one assertion: the same names in
 * other places or namespaces are decoys for some parser behind this.
 */
export function checkShape({ root }: Message): void {
  const { encrypted, assertion } = contentOf(root);
  signatureOf(root, LIBRARY_ALGORITHMS);
  if (assertion !== null) signatureOf(assertion, LIBRARY_ALGORITHMS);
  const signatures = assertion === null ? 1 : 2;
  const assertions = assertion === null ? 0 : 1;
  for (const [name, count] of Object.entries({
    Signature: signatures,
    SignedInfo: signatures,
    SignatureValue: signatures,
    Assertion: assertions,
    EncryptedAssertion: encrypted === null ? 0 : 1,
  }))
    if (countOf(root, name) !== count) throw new SamlFault(`Response: ${name} where it must not be`);
}

/** The id that a response answers, as it claims; null: none. */
export const claimedRequest = ({ root }: Message): string | null => root.attributes.get('InResponseTo') ?? null;

interface Opened {
  readonly assertion: XmlElement;
  /** What opened it; null: it was in clear. */
  readonly key: KeyObject | null;
}

/** Opens the assertion and holds what was inside to the same rules as a document that came from outside. */
function open(encrypted: XmlElement, { current, previousKey }: OwnKeys): Opened {
  const keys = [current.key, ...(previousKey === null ? [] : [previousKey])];
  const { xml, key } = decryptAssertion(encrypted, keys);
  const { root } = readMessage(xml, KIND.assertion);
  signatureOf(root, LIBRARY_ALGORITHMS);
  if (countOf(root, 'Signature') !== 1 || countOf(root, 'SignedInfo') !== 1)
    throw new SamlFault('Assertion: Signature where it must not be');
  return { assertion: root, key };
}

function checkStatus(response: XmlElement): void {
  const { success, code } = statusOf(response);
  if (!success) throw new SamlFault(`the provider says no: ${code}`);
}

/** Verifies our own way first: it tells which certificate signed, and nothing is decrypted that is not authentic. */
export const verifyResponse = (place: Place, message: Message, idp: IdpMetadata): Promise<Verified> =>
  place.verify(message.xml, idp.certificates, 'library');

/** What the response itself must say; gives its assertion. */
function readEnvelope(response: XmlElement, { parties, idp, keys, ...check }: ResponseCheck): Opened {
  const { addresses, config } = parties;
  checkEnvelope(response, { ...check, issuer: idp.entityId, destination: addresses.acs });
  checkStatus(response);
  if ((response.attributes.get('InResponseTo') ?? null) !== check.inResponseTo)
    throw new SamlFault('Response has another InResponseTo');
  const { encrypted } = contentOf(response);
  if (encrypted !== null) return open(encrypted, keys);
  if (config.requireEncryption) throw new SamlFault('the assertion is not encrypted');
  return { assertion: only(response, NS.assertion, 'Assertion'), key: null };
}

/**
 * Reads a verified response: its own claims from the octets that its signature covers, the assertion from the octets
 * that node-saml verified. Both ways must come to the same. Throws {@link SamlFault}.
 */
export async function readResponse(
  message: Message,
  verified: Verified,
  check: ResponseCheck,
): Promise<AssertionFacts> {
  const { parties, idp } = check;
  const { addresses } = parties;
  const { assertion, key } = readEnvelope(parseXml(verified.xml, MESSAGE_LIMITS), check);
  const wanted = { ...check, issuer: idp.entityId, audience: addresses.entityId, recipient: addresses.acs };
  // Before the library, which refuses the same with fewer words: the log shall say what was wrong.
  const ours = readAssertion(assertion, wanted);
  const others = idp.certificates.filter((certificate) => certificate !== verified.signer);
  const xml = await check.place.assertion(
    { ...parties, issuer: idp.entityId },
    {
      xml: message.xml,
      requestId: check.inResponseTo,
      certificates: [verified.signer, ...others].map((certificate) => certificate.toString()),
      decryptionKey: key === null ? null : key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    },
  );
  const theirs = readAssertion(parseXml(xml, MESSAGE_LIMITS), wanted);
  if (!isDeepStrictEqual(ours, theirs)) throw new SamlFault('node-saml verified another assertion');
  return theirs;
}
