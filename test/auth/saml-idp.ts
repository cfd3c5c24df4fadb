import { constants, createCipheriv, publicEncrypt, randomBytes, sign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { SignedXml } from 'xml-crypto';
import type { SigningKey } from '../../standin/idp/index.ts';

export const IDP = 'https://idp.example/saml';
export const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
export const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
export const DSIG = 'http://www.w3.org/2000/09/xmldsig#';
export const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';
const ENVELOPED = `${DSIG}enveloped-signature`;
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';

/** What a response of the test's identity provider says; a hook may change the text before it is signed. */
export interface ResponseShape {
  readonly acs: string;
  readonly audience: string;
  readonly inResponseTo: string | null;
  readonly now: number;
  readonly id: string;
  readonly issuer: string;
  readonly nameId: string;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  readonly sessionIndex: string;
  readonly status: string;
  readonly key: SigningKey;
  readonly signature: SignatureShape;
  readonly signed: readonly ('assertion' | 'response')[];
  /** Certificate, PEM; null: in clear. */
  readonly encryptFor: string | null;
  readonly encryption: EncryptionShape;
  readonly assertion: (xml: string) => string;
  readonly response: (xml: string) => string;
}

export interface SignatureShape {
  readonly algorithm: string;
  readonly digest: string;
  readonly transforms: readonly string[];
  readonly canonicalization: string;
  /** Prefixes of the InclusiveNamespaces that some providers write. */
  readonly prefixes?: readonly string[];
}

export interface EncryptionShape {
  readonly content: string;
  readonly transport: string;
}

export const SIGNATURE: SignatureShape = {
  algorithm: `${MORE}rsa-sha256`,
  digest: 'http://www.w3.org/2001/04/xmlenc#sha256',
  transforms: [ENVELOPED, EXCLUSIVE],
  canonicalization: EXCLUSIVE,
};

export const ENCRYPTION: EncryptionShape = {
  content: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  transport: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
};

const iso = (ms: number): string => new Date(ms).toISOString();
const one = (name: string, value: string | null): string => (value === null ? '' : ` ${name}="${value}"`);
const keep = (xml: string): string => xml;

export const shapeOf = (
  required: Pick<ResponseShape, 'acs' | 'audience' | 'inResponseTo' | 'now' | 'key'>,
): ResponseShape => ({
  id: `_${randomBytes(16).toString('hex')}`,
  issuer: IDP,
  nameId: 'alice-0001',
  attributes: { uid: ['alice'], memberOf: ['CN=chip,OU=Groups', 'CN=staff,OU=Groups'] },
  sessionIndex: '_session-1',
  status: 'urn:oasis:names:tc:SAML:2.0:status:Success',
  signature: SIGNATURE,
  signed: ['assertion', 'response'],
  encryptFor: null,
  encryption: ENCRYPTION,
  assertion: keep,
  response: keep,
  ...required,
});

/** Signs the element that `xpath` names, behind its Issuer. */
export function signElement(xml: string, xpath: string, key: SigningKey, shape: SignatureShape = SIGNATURE): string {
  const signed = new SignedXml({
    privateKey: key.keyPem,
    publicCert: key.certPem,
    signatureAlgorithm: shape.algorithm,
    canonicalizationAlgorithm: shape.canonicalization,
  });
  signed.addReference({
    xpath,
    transforms: [...shape.transforms],
    digestAlgorithm: shape.digest,
    inclusiveNamespacesPrefixList: [...(shape.prefixes ?? [])],
  });
  signed.computeSignature(xml, {
    prefix: 'ds',
    location: { reference: `${xpath}/*[local-name(.)="Issuer"]`, action: 'after' },
  });
  return signed.getSignedXml();
}

function assertionOf(shape: ResponseShape): string {
  const { now, acs, audience, inResponseTo, nameId, attributes } = shape;
  const values = Object.entries(attributes).map(
    ([name, all]) =>
      `<saml:Attribute Name="${name}">${all.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute>`,
  );
  return (
    `<saml:Assertion xmlns:saml="${ASSERTION}" ID="${shape.id}" Version="2.0" IssueInstant="${iso(now)}">` +
    `<saml:Issuer>${shape.issuer}</saml:Issuer><saml:Subject>` +
    `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${nameId}</saml:NameID>` +
    `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData ` +
    `NotOnOrAfter="${iso(now + 300_000)}" Recipient="${acs}"${one('InResponseTo', inResponseTo)}/>` +
    `</saml:SubjectConfirmation></saml:Subject>` +
    `<saml:Conditions NotBefore="${iso(now - 30_000)}" NotOnOrAfter="${iso(now + 300_000)}"><saml:AudienceRestriction>` +
    `<saml:Audience>${audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
    `<saml:AuthnStatement AuthnInstant="${iso(now)}" SessionNotOnOrAfter="${iso(now + 28_800_000)}" ` +
    `SessionIndex="${shape.sessionIndex}"><saml:AuthnContext><saml:AuthnContextClassRef>` +
    `urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext>` +
    `</saml:AuthnStatement><saml:AttributeStatement>${values.join('')}</saml:AttributeStatement></saml:Assertion>`
  );
}

function sealContent(algorithm: string, xml: string): { key: Buffer; sealed: Buffer } {
  const key = randomBytes(algorithm.includes('128') ? 16 : 32);
  if (algorithm.endsWith('gcm')) {
    const iv = randomBytes(12);
    const cipher = createCipheriv(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, iv);
    const body = Buffer.concat([cipher.update(xml, 'utf8'), cipher.final()]);
    return { key, sealed: Buffer.concat([iv, body, cipher.getAuthTag()]) };
  }
  const iv = randomBytes(16);
  const cipher = createCipheriv(key.length === 16 ? 'aes-128-cbc' : 'aes-256-cbc', key, iv);
  return { key, sealed: Buffer.concat([iv, cipher.update(xml, 'utf8'), cipher.final()]) };
}

/** Encrypts an assertion as XML Encryption says. */
export function encryptAssertion(xml: string, certPem: string, { content, transport }: EncryptionShape): string {
  const { key, sealed } = sealContent(content, xml);
  const padding = transport.endsWith('rsa-1_5') ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_OAEP_PADDING;
  const wrapped = publicEncrypt({ key: certPem, padding, oaepHash: 'sha1' }, key);
  const enc = 'http://www.w3.org/2001/04/xmlenc#';
  const value = (bytes: Buffer): string =>
    `<xenc:CipherData><xenc:CipherValue>${bytes.toString('base64')}</xenc:CipherValue></xenc:CipherData>`;
  return (
    `<saml:EncryptedAssertion xmlns:saml="${ASSERTION}"><xenc:EncryptedData xmlns:xenc="${enc}" ` +
    `Type="${enc}Element"><xenc:EncryptionMethod Algorithm="${content}"/><ds:KeyInfo xmlns:ds="${DSIG}">` +
    `<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="${transport}"/>${value(wrapped)}</xenc:EncryptedKey>` +
    `</ds:KeyInfo>${value(sealed)}</xenc:EncryptedData></saml:EncryptedAssertion>`
  );
}

/** The XML of a response, signed and encrypted as the shape says. */
export function responseXml(shape: ResponseShape): string {
  const { key, signed, signature, encryptFor, now } = shape;
  const plain = shape.assertion(assertionOf(shape));
  const assertion = signed.includes('assertion') ? signElement(plain, '/*', key, signature) : plain;
  const content = encryptFor === null ? assertion : encryptAssertion(assertion, encryptFor, shape.encryption);
  const xml = shape.response(
    `<samlp:Response xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}" ID="_${randomBytes(16).toString('hex')}" ` +
      `Version="2.0" IssueInstant="${iso(now)}" Destination="${shape.acs}"${one('InResponseTo', shape.inResponseTo)}>` +
      `<saml:Issuer>${shape.issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${shape.status}"/></samlp:Status>` +
      `${content}</samlp:Response>`,
  );
  return signed.includes('response') ? signElement(xml, '/*', key, signature) : xml;
}

export const base64 = (xml: string): string => Buffer.from(xml, 'utf8').toString('base64');

export interface LogoutShape {
  readonly name: 'LogoutRequest' | 'LogoutResponse';
  readonly slo: string;
  readonly now: number;
  readonly content: string;
  readonly more?: string;
  readonly id?: string;
  readonly issuer?: string;
}

/** A logout message, not signed. */
export function logoutXml(shape: LogoutShape): string {
  const { name, slo, now, content, more = '', id = `_${randomBytes(16).toString('hex')}`, issuer = IDP } = shape;
  return (
    `<samlp:${name} xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}" ID="${id}" Version="2.0" ` +
    `IssueInstant="${iso(now)}" Destination="${slo}"${more}><saml:Issuer>${issuer}</saml:Issuer>${content}</samlp:${name}>`
  );
}

/** The query of the redirect binding, signed with `key`; null: not signed. */
export function redirectQuery(
  kind: 'SAMLRequest' | 'SAMLResponse',
  xml: string,
  key: SigningKey | null,
  relayState?: string,
): string {
  const message = encodeURIComponent(deflateRawSync(xml).toString('base64'));
  const relay = relayState === undefined ? '' : `&RelayState=${encodeURIComponent(relayState)}`;
  if (key === null) return `${kind}=${message}${relay}`;
  const query = `${kind}=${message}${relay}&SigAlg=${encodeURIComponent(SIGNATURE.algorithm)}`;
  const signature = sign('sha256', Buffer.from(query), key.keyPem).toString('base64');
  return `${query}&Signature=${encodeURIComponent(signature)}`;
}

export interface MetadataShape {
  readonly keys: readonly SigningKey[];
  readonly entityId?: string;
  readonly attributes?: string;
  readonly slo?: string;
  readonly sso?: string;
}

const service = (name: string, binding: string, location: string): string =>
  `<md:${name} Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-${binding}" Location="${location}"/>`;

/** Metadata of an identity provider. */
export function metadataXml({ keys, entityId = IDP, attributes = '', slo, sso }: MetadataShape): string {
  const descriptors = keys.map(
    ({ certPem }) =>
      `<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` +
      `${certPem.replace(/-----[^-]+-----|\s/g, '')}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
  );
  const logout =
    slo ??
    service('SingleLogoutService', 'Redirect', 'https://idp.example/slo') +
      service('SingleLogoutService', 'POST', 'https://idp.example/slo');
  const signOn =
    sso ??
    service('SingleSignOnService', 'Redirect', 'https://idp.example/sso') +
      service('SingleSignOnService', 'POST', 'https://idp.example/sso');
  return (
    `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="${DSIG}" entityID="${entityId}" ` +
    `ID="_metadata-${randomBytes(4).toString('hex')}"${attributes}><md:IDPSSODescriptor ` +
    `protocolSupportEnumeration="${PROTOCOL}">${descriptors.join('')}${logout}${signOn}</md:IDPSSODescriptor></md:EntityDescriptor>`
  );
}
