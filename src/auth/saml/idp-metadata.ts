import { X509Certificate } from 'node:crypto';
import { ALGORITHMS } from './algorithms.ts';
import { childrenOf, everyElement, required, textOf } from './elements.ts';
import { decodeText } from './encoding.ts';
import { SamlFault } from './fault.ts';
import { durationOf, instantOf } from './instants.ts';
import { BINDING, NS } from './names.ts';
import { parseXml, type XmlElement } from './parse-xml.ts';
import { verifySignature } from './verify-signature.ts';

/** An endpoint of the provider for each binding that it offers; null: not offered. */
export interface Endpoints {
  readonly redirect: string | null;
  readonly post: string | null;
}

/** What the gateway needs of an identity provider's metadata. */
export interface IdpMetadata {
  readonly entityId: string;
  /** Certificates whose signatures hold; several while the provider changes its key. */
  readonly certificates: readonly X509Certificate[];
  readonly signOn: Endpoints;
  readonly logout: Endpoints;
  /** Where answers to logout requests go; the logout endpoint when the metadata names no other. */
  readonly logoutAnswer: Endpoints;
  /** Milliseconds since the epoch; null: no end. */
  readonly validUntil: number | null;
  /** Milliseconds; null: the metadata does not say. */
  readonly cacheDuration: number | null;
}

/** What to look for in a metadata document. */
export interface Wanted {
  /** Undefined: the only provider of the document. */
  readonly entityId: string | undefined;
  /** Certificates whose signature the document must carry; null: no signature needed. */
  readonly trusted: readonly X509Certificate[] | null;
}

/** A document of a federation may describe some hundred providers. */
export const METADATA_BYTES = 2 * 1024 * 1024;

const LIMITS = { depth: 64, elements: 50_000, attributes: 100_000, attributesEach: 64, comments: true };
const MOST_CERTIFICATES = 8;
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** True for https, and for http on this very machine. */
export function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname));
}

function certificateOf(element: XmlElement): X509Certificate {
  try {
    return new X509Certificate(Buffer.from(textOf(element).replace(/\s/g, ''), 'base64'));
  } catch (error) {
    throw new SamlFault('metadata: a certificate does not parse', error);
  }
}

function signingCertificates(role: XmlElement): X509Certificate[] {
  const found = childrenOf(role, NS.metadata, 'KeyDescriptor')
    .filter(({ attributes }) => (attributes.get('use') ?? 'signing') === 'signing')
    .flatMap((descriptor) => [...everyElement(descriptor)])
    .filter(({ name, namespace }) => name === 'X509Certificate' && namespace === NS.signature)
    .map(certificateOf);
  const unique = [...new Map(found.map((certificate) => [certificate.fingerprint256, certificate])).values()];
  if (unique.length === 0) throw new SamlFault('metadata: no signing certificate');
  if (unique.length > MOST_CERTIFICATES) throw new SamlFault('metadata: too many signing certificates');
  return unique;
}

function endpointsOf(role: XmlElement, name: string, attribute: 'Location' | 'ResponseLocation'): Endpoints {
  const services = childrenOf(role, NS.metadata, name);
  const at = (binding: string): string | null => {
    const service = services.find(({ attributes }) => attributes.get('Binding') === binding);
    if (service === undefined) return null;
    const location = service.attributes.get(attribute) ?? required(service, 'Location');
    if (!isSafeUrl(location)) throw new SamlFault(`metadata: a ${name} without https`);
    return location;
  };
  return { redirect: at(BINDING.redirect), post: at(BINDING.post) };
}

const speaksSaml2 = ({ attributes }: XmlElement): boolean =>
  (attributes.get('protocolSupportEnumeration') ?? '').split(/\s+/).includes(NS.protocol);

const roleOf = (entity: XmlElement): XmlElement | undefined =>
  childrenOf(entity, NS.metadata, 'IDPSSODescriptor').find(speaksSaml2);

function entitiesOf(root: XmlElement): XmlElement[] {
  const found = [...everyElement(root)].filter(
    (element) => element.name === 'EntityDescriptor' && element.namespace === NS.metadata,
  );
  return found.filter((entity) => roleOf(entity) !== undefined);
}

function chooseEntity(root: XmlElement, wanted: string | undefined): XmlElement {
  const entities = entitiesOf(root).filter(
    (entity) => wanted === undefined || entity.attributes.get('entityID') === wanted,
  );
  const [first, second] = entities;
  if (first === undefined)
    throw new SamlFault(
      wanted === undefined ? 'metadata: no identity provider' : 'metadata: no identity provider of this entity id',
    );
  if (second !== undefined) throw new SamlFault('metadata: several identity providers; set idpEntityId');
  return first;
}

/** The element and all around it. */
function* outwards(element: XmlElement): Generator<XmlElement> {
  for (let next: XmlElement | null = element; next !== null; next = next.parent) yield next;
}

function smallest(role: XmlElement, attribute: string, read: (text: string, what: string) => number): number | null {
  const values = [...outwards(role)].flatMap(({ attributes }) => attributes.get(attribute) ?? []);
  return values.length === 0 ? null : Math.min(...values.map((value) => read(value, `metadata ${attribute}`)));
}

function rootOf(bytes: Buffer, trusted: Wanted['trusted']): XmlElement {
  const xml = decodeText(bytes).replace(/^\ufeff/, '');
  const root = parseXml(xml, LIMITS);
  if (trusted === null) return root;
  return parseXml(verifySignature(xml, root, trusted, ALGORITHMS).xml, LIMITS);
}

/** Metadata as it can travel between threads. */
export interface PlainMetadata extends Omit<IdpMetadata, 'certificates'> {
  /** PEM. */
  readonly certificates: readonly string[];
}

export const fromPlain = (plain: PlainMetadata): IdpMetadata => ({
  ...plain,
  certificates: plain.certificates.map((pem) => new X509Certificate(pem)),
});

/** Reads metadata (SAML Metadata, section 2). Throws {@link SamlFault}, also when its validUntil has passed. */
export function readIdpMetadata(bytes: Buffer, wanted: Wanted, now: number): PlainMetadata {
  if (bytes.length > METADATA_BYTES) throw new SamlFault('metadata: too large');
  const root = rootOf(bytes, wanted.trusted);
  const known = root.name === 'EntityDescriptor' || root.name === 'EntitiesDescriptor';
  if (!known || root.namespace !== NS.metadata) throw new SamlFault('metadata: no SAML 2.0 metadata');
  const entity = chooseEntity(root, wanted.entityId);
  const role = roleOf(entity) ?? entity;
  const validUntil = smallest(role, 'validUntil', instantOf);
  if (validUntil !== null && validUntil <= now) throw new SamlFault('metadata: validUntil has passed');
  const metadata = {
    entityId: required(entity, 'entityID'),
    certificates: signingCertificates(role).map((certificate) => certificate.toString()),
    signOn: endpointsOf(role, 'SingleSignOnService', 'Location'),
    logout: endpointsOf(role, 'SingleLogoutService', 'Location'),
    logoutAnswer: endpointsOf(role, 'SingleLogoutService', 'ResponseLocation'),
    validUntil,
    cacheDuration: smallest(role, 'cacheDuration', durationOf),
  };
  if (metadata.signOn.redirect === null && metadata.signOn.post === null)
    throw new SamlFault('metadata: no SingleSignOnService by redirect or POST');
  return metadata;
}
