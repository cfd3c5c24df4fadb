import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import type { SendAway } from '../sign-in.ts';
import { escapeXml } from './escape-xml.ts';
import type { Endpoints } from './idp-metadata.ts';
import type { OwnKey } from './keys.ts';
import type { NameId } from './name-id.ts';
import { NS, SUCCESS } from './names.ts';
import { signDocument, signQuery } from './sign.ts';

/** Random id of a message of ours; an xs:ID must not begin with a digit. */
export const newId = (): string => `_${randomBytes(20).toString('hex')}`;

interface Head {
  readonly id: string;
  readonly now: number;
  /** Our entity id. */
  readonly issuer: string;
  readonly destination: string;
}

/** How long a logout request of ours is good for. */
const REQUEST_LIFE_MS = 5 * 60_000;

const time = (ms: number): string => new Date(ms).toISOString();

const open = (name: string, { id, now, issuer, destination }: Head, more: string): string =>
  `<samlp:${name} xmlns:samlp="${NS.protocol}" xmlns:saml="${NS.assertion}" ID="${escapeXml(id)}" Version="2.0" ` +
  `IssueInstant="${time(now)}" Destination="${escapeXml(destination)}"${more}>` +
  `<saml:Issuer>${escapeXml(issuer)}</saml:Issuer>`;

const attribute = (name: string, value: string | null): string =>
  value === null ? '' : ` ${name}="${escapeXml(value)}"`;

/** A LogoutRequest (SAML Core, section 3.7.1), not signed yet. */
export function logoutRequest(head: Head, nameId: NameId, sessionIndex: string | null): string {
  const qualifiers =
    attribute('NameQualifier', nameId.nameQualifier) +
    attribute('SPNameQualifier', nameId.spNameQualifier) +
    attribute('Format', nameId.format);
  const index = sessionIndex === null ? '' : `<samlp:SessionIndex>${escapeXml(sessionIndex)}</samlp:SessionIndex>`;
  return (
    `${open('LogoutRequest', head, attribute('NotOnOrAfter', time(head.now + REQUEST_LIFE_MS)))}` +
    `<saml:NameID${qualifiers}>${escapeXml(nameId.value)}</saml:NameID>${index}</samlp:LogoutRequest>`
  );
}

/** A LogoutResponse that tells success (SAML Core, section 3.7.2), not signed yet. */
export const logoutResponse = (head: Head, inResponseTo: string): string =>
  `${open('LogoutResponse', head, attribute('InResponseTo', inResponseTo))}` +
  `<samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status></samlp:LogoutResponse>`;

/** Signs a message and sends it the way that the provider offers, by redirect when it can; null: it offers none. */
export function sendMessage(
  kind: 'SAMLRequest' | 'SAMLResponse',
  endpoints: Endpoints,
  relayState: string | null,
  key: OwnKey,
  write: (destination: string) => string,
): SendAway | null {
  const { redirect, post } = endpoints;
  if (redirect !== null) {
    const message = deflateRawSync(Buffer.from(write(redirect), 'utf8')).toString('base64');
    const query = signQuery(kind, message, relayState, key);
    return { kind: 'redirect', location: `${redirect}${redirect.includes('?') ? '&' : '?'}${query}` };
  }
  if (post === null) return null;
  const message = Buffer.from(signDocument(write(post), 'behind-issuer', key), 'utf8').toString('base64');
  const relay = relayState === null ? {} : { RelayState: relayState };
  return { kind: 'post', action: post, fields: { [kind]: message, ...relay } };
}
