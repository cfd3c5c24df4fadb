import { childrenOf, everyElement, only, optional, required, textOf } from './elements.ts';
import { SamlFault } from './fault.ts';
import { ENVELOPED, EXCLUSIVE_C14N, NS } from './names.ts';
import type { XmlElement } from './parse-xml.ts';

/** What a signature may use. Anything that is not listed is refused, whatever a library would do with it. */
export interface Algorithms {
  readonly signatures: ReadonlySet<string>;
  readonly digests: ReadonlySet<string>;
}

const KEY_INFO = new Set(
  'X509Data X509Certificate X509IssuerSerial X509IssuerName X509SerialNumber X509SubjectName X509SKI X509Digest KeyName KeyValue RSAKeyValue Modulus Exponent ECKeyValue NamedCurve PublicKey'.split(
    ' ',
  ),
);

/** Exactly these children, in this order, and no text between them. */
function checkChildren(element: XmlElement, names: readonly string[]): void {
  const found = element.children.map((child) => (child.namespace === NS.signature ? child.name : ''));
  if (found.join(' ') !== names.join(' ')) throw new SamlFault(`${element.name} does not hold what it must`);
  if (element.text.trim() !== '') throw new SamlFault(`text inside ${element.name}`);
}

/** An element that says only `Algorithm`. */
function algorithmOf(element: XmlElement): string {
  const algorithm = required(element, 'Algorithm');
  if (element.children.length > 0 || element.text.trim() !== '' || element.attributes.size > 1)
    throw new SamlFault(`${element.name} has parameters`);
  return algorithm;
}

/** With at most InclusiveNamespaces inside; xml-crypto as a signer writes it into both, each in the transform's own namespace. */
function checkTransform(transform: XmlElement | undefined, algorithm: string): void {
  const refused = new SamlFault('a transform that is not allowed');
  if (transform === undefined || required(transform, 'Algorithm') !== algorithm) throw refused;
  const [prefixes, ...more] = transform.children;
  if (transform.text.trim() !== '' || more.length > 0) throw refused;
  if (prefixes === undefined) return;
  const known = prefixes.namespace === algorithm && prefixes.name === 'InclusiveNamespaces';
  if (!known || textOf(prefixes) !== '') throw refused;
}

function checkTransforms(transforms: XmlElement): void {
  checkChildren(transforms, ['Transform', 'Transform']);
  const [enveloped, canonical] = transforms.children;
  checkTransform(enveloped, ENVELOPED);
  checkTransform(canonical, EXCLUSIVE_C14N);
}

function checkReference(reference: XmlElement, id: string, algorithms: Algorithms): void {
  checkChildren(reference, ['Transforms', 'DigestMethod', 'DigestValue']);
  if (reference.attributes.get('URI') !== `#${id}`) throw new SamlFault('signature of another element');
  checkTransforms(only(reference, NS.signature, 'Transforms'));
  if (!algorithms.digests.has(algorithmOf(only(reference, NS.signature, 'DigestMethod'))))
    throw new SamlFault('a digest algorithm that is not allowed');
  textOf(only(reference, NS.signature, 'DigestValue'));
}

function checkKeyInfo(keyInfo: XmlElement | null): void {
  if (keyInfo === null) return;
  for (const element of everyElement(keyInfo)) {
    if (element === keyInfo) continue;
    const known = element.namespace === NS.signature || element.namespace === NS.signature11;
    if (!known || !KEY_INFO.has(element.name)) throw new SamlFault('KeyInfo holds what it must not');
  }
}

/**
 * Gives the signature of an element, after it was checked to be exactly what SAML asks for (SAML Core, section 5.4): one
 * reference, to this element, by exclusive canonicalisation, with listed algorithms and nothing else inside. Says
 * nothing of whether it holds. Throws {@link SamlFault}.
 */
export function signatureOf(element: XmlElement, algorithms: Algorithms): XmlElement {
  const [signature, second] = childrenOf(element, NS.signature, 'Signature');
  if (signature === undefined) throw new SamlFault(`${element.name} is not signed`);
  if (second !== undefined) throw new SamlFault(`${element.name} is signed twice`);
  const keyInfo = optional(signature, NS.signature, 'KeyInfo');
  checkChildren(signature, ['SignedInfo', 'SignatureValue', ...(keyInfo === null ? [] : ['KeyInfo'])]);
  checkKeyInfo(keyInfo);
  const signedInfo = only(signature, NS.signature, 'SignedInfo');
  checkChildren(signedInfo, ['CanonicalizationMethod', 'SignatureMethod', 'Reference']);
  if (algorithmOf(only(signedInfo, NS.signature, 'CanonicalizationMethod')) !== EXCLUSIVE_C14N)
    throw new SamlFault('a canonicalisation that is not allowed');
  if (!algorithms.signatures.has(algorithmOf(only(signedInfo, NS.signature, 'SignatureMethod'))))
    throw new SamlFault('a signature algorithm that is not allowed');
  checkReference(only(signedInfo, NS.signature, 'Reference'), required(element, 'ID'), algorithms);
  textOf(only(signature, NS.signature, 'SignatureValue'));
  return signature;
}
