import { sign } from 'node:crypto';
import { SignedXml } from 'xml-crypto';
import type { OwnKey } from './keys.ts';
import { ENVELOPED, EXCLUSIVE_C14N, NS, OWN_DIGEST, OWN_SIGNATURE } from './names.ts';

/**
 * Signs a document's root with RSA-SHA256. The signature becomes its first child, or stands behind its Issuer, as the
 * schemas of metadata and of messages want it.
 */
export function signDocument(xml: string, place: 'first' | 'behind-issuer', { pem, certificate }: OwnKey): string {
  const signed = new SignedXml({
    privateKey: pem,
    publicCert: certificate.toString(),
    signatureAlgorithm: OWN_SIGNATURE,
    canonicalizationAlgorithm: EXCLUSIVE_C14N,
  });
  signed.addReference({ xpath: '/*', transforms: [ENVELOPED, EXCLUSIVE_C14N], digestAlgorithm: OWN_DIGEST });
  const issuer = `/*/*[local-name(.)="Issuer" and namespace-uri(.)="${NS.assertion}"]`;
  const location =
    place === 'first'
      ? ({ reference: '/*', action: 'prepend' } as const)
      : ({ reference: issuer, action: 'after' } as const);
  signed.computeSignature(xml, { prefix: 'ds', location });
  return signed.getSignedXml();
}

/** The query of a message in the redirect binding with its signature (SAML Bindings, section 3.4.4.1). */
export function signQuery(
  kind: 'SAMLRequest' | 'SAMLResponse',
  message: string,
  relayState: string | null,
  { key }: OwnKey,
): string {
  const relay = relayState === null ? '' : `&RelayState=${encodeURIComponent(relayState)}`;
  const signed = `${kind}=${encodeURIComponent(message)}${relay}&SigAlg=${encodeURIComponent(OWN_SIGNATURE)}`;
  const signature = sign('sha256', Buffer.from(signed, 'utf8'), key).toString('base64');
  return `${signed}&Signature=${encodeURIComponent(signature)}`;
}
