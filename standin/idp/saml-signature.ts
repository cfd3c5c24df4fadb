import { createSign, createVerify, X509Certificate } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import type { SigningKey } from './keys.ts';
import type { Faults } from './ports.ts';
import { type Entity, SamlLib } from './samlify.ts';

/** What signs. */
type PemKey = Pick<SigningKey, 'keyPem' | 'certPem'>;

const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const HASHES: Readonly<Record<string, string>> = {
  [RSA_SHA256]: 'sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512': 'sha512',
};
const ASSERTION_PATH = "/*[local-name(.)='Response']/*[local-name(.)='Assertion']";
const RESPONSE_PATH = "/*[local-name(.)='Response']";

const bodyOf = (certPem: string): string => certPem.replace(/-----[^-]+-----|\s/g, '');

function sign(xml: string, key: PemKey, path: string): string {
  return SamlLib.constructSAMLSignature({
    rawSamlMessage: xml,
    referenceTagXPath: path,
    privateKey: key.keyPem,
    signatureAlgorithm: RSA_SHA256,
    signingCert: bodyOf(key.certPem),
    isBase64Output: false,
    signatureConfig: { prefix: 'ds', location: { reference: `${path}/*[local-name(.)='Issuer']`, action: 'after' } },
  });
}

/** Signs metadata; its root gets an ID, which the signature needs. */
export function signMetadata(xml: string, key: PemKey): string {
  const named = xml.replace('<EntityDescriptor ', '<EntityDescriptor ID="_metadata" ');
  return SamlLib.constructSAMLSignature({
    rawSamlMessage: named,
    referenceTagXPath: '/*',
    privateKey: key.keyPem,
    signatureAlgorithm: RSA_SHA256,
    signingCert: bodyOf(key.certPem),
    isBase64Output: false,
    signatureConfig: { prefix: 'ds', location: { reference: '/*', action: 'prepend' } },
  });
}

/** Signs the assertion, encrypts it when asked, then signs the response around it. */
export async function signResponse(
  xml: string,
  key: PemKey,
  unsigned: Faults['unsigned'],
  encryptFor: { readonly idp: Entity; readonly sp: Entity } | null,
): Promise<string> {
  let signed = unsigned === 'assertion' ? xml : sign(xml, key, ASSERTION_PATH);
  if (encryptFor !== null) {
    const encrypted = await SamlLib.encryptAssertion(encryptFor.idp, encryptFor.sp, signed);
    signed = Buffer.from(encrypted, 'base64').toString();
  }
  return unsigned === 'response' ? signed : sign(signed, key, RESPONSE_PATH);
}

/** The URL that carries a message by the redirect binding, signed (saml-bindings 3.4.4.1). */
export function redirectUrl(
  base: string,
  name: 'SAMLRequest' | 'SAMLResponse',
  xml: string,
  relayState: string | null,
  key: PemKey,
): string {
  const query = [
    [name, deflateRawSync(xml).toString('base64')],
    ...(relayState === null ? [] : [['RelayState', relayState]]),
    ['SigAlg', RSA_SHA256],
  ]
    .map(([field, value]) => `${field}=${encodeURIComponent(value ?? '')}`)
    .join('&');
  const signature = createSign('sha256').update(query).sign(key.keyPem, 'base64');
  return `${base}${base.includes('?') ? '&' : '?'}${query}&Signature=${encodeURIComponent(signature)}`;
}

/**
 * Whether one of these certificates signed a redirect binding's query. It is done here and not by samlify, which looks at
 * one certificate only and rebuilds the signed bytes from decoded values.
 */
export function verifyRedirect(rawQuery: string, certificates: readonly string[]): boolean {
  const raw = new Map(rawQuery.split('&').map((pair) => [pair.slice(0, pair.indexOf('=')), pair] as const));
  const order = [raw.has('SAMLRequest') ? 'SAMLRequest' : 'SAMLResponse', 'RelayState', 'SigAlg'];
  const bytes = order.flatMap((name) => raw.get(name) ?? []).join('&');
  const query = new URLSearchParams(rawQuery);
  const hash = HASHES[query.get('SigAlg') ?? ''];
  const signature = Buffer.from(query.get('Signature') ?? '', 'base64');
  if (hash === undefined || signature.length === 0) return false;
  return certificates.some((body) => {
    const { publicKey } = new X509Certificate(Buffer.from(body.replace(/\s/g, ''), 'base64'));
    return createVerify(hash).update(bytes).verify(publicKey, signature);
  });
}
