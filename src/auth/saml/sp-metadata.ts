import type { X509Certificate } from 'node:crypto';
import { escapeXml } from './escape-xml.ts';
import type { OwnKeys } from './keys.ts';
import { BINDING, NS } from './names.ts';
import { signDocument } from './sign.ts';

/** Where the gateway can be reached by the provider and through the browser, and what it is called there. */
export interface OwnAddresses {
  readonly entityId: string;
  readonly acs: string;
  readonly slo: string;
}

/** What opens an encrypted assertion here, the best first. */
const ENCRYPTION = [
  'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'http://www.w3.org/2001/04/xmlenc#aes256-cbc',
  'http://www.w3.org/2001/04/xmlenc#aes128-cbc',
  'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
];

const descriptor = (use: 'signing' | 'encryption', certificate: X509Certificate, methods: readonly string[]): string =>
  `<md:KeyDescriptor use="${use}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>${certificate.raw.toString('base64')}` +
  `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` +
  `${methods.map((method) => `<md:EncryptionMethod Algorithm="${method}"/>`).join('')}</md:KeyDescriptor>`;

function keyDescriptors({ current, previousCertificate }: OwnKeys): string {
  // While a rolling restart lasts, a replica may still sign with the key before.
  const before = previousCertificate === null ? '' : descriptor('signing', previousCertificate, []);
  return (
    descriptor('signing', current.certificate, []) + before + descriptor('encryption', current.certificate, ENCRYPTION)
  );
}

/** The gateway's metadata for the provider (SAML Metadata, section 2.4.4, elements in the schema's order), signed. */
export function spMetadata(addresses: OwnAddresses, keys: OwnKeys, nameIdFormat: string | undefined): string {
  const slo = escapeXml(addresses.slo);
  const id = `_${keys.current.certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`;
  const xml =
    `<md:EntityDescriptor xmlns:md="${NS.metadata}" xmlns:ds="${NS.signature}" ID="${id}" ` +
    `entityID="${escapeXml(addresses.entityId)}"><md:SPSSODescriptor AuthnRequestsSigned="true" ` +
    `WantAssertionsSigned="true" protocolSupportEnumeration="${NS.protocol}">${keyDescriptors(keys)}` +
    `<md:SingleLogoutService Binding="${BINDING.redirect}" Location="${slo}"/>` +
    `<md:SingleLogoutService Binding="${BINDING.post}" Location="${slo}"/>` +
    `${nameIdFormat === undefined ? '' : `<md:NameIDFormat>${escapeXml(nameIdFormat)}</md:NameIDFormat>`}` +
    `<md:AssertionConsumerService Binding="${BINDING.post}" Location="${escapeXml(addresses.acs)}" index="0" ` +
    `isDefault="true"/></md:SPSSODescriptor></md:EntityDescriptor>`;
  return signDocument(xml, 'first', keys.current);
}
