import { randomUUID } from 'node:crypto';
import type { Participant } from './logins.ts';
import { escapeText } from './pages.ts';
import { attributesOf, type Person } from './people.ts';

const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
const NAMESPACES = `xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}"`;
export const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const LIFE_MS = 300_000;

/** An id as SAML wants it: an XML name that is never used twice. */
export const newId = (): string => `_${randomUUID()}`;

/** What a response needs to know. */
export interface ResponseFacts {
  readonly issuer: string;
  readonly audience: string;
  readonly acs: string;
  /** Null: nobody asked. */
  readonly inResponseTo: string | null;
  readonly person: Person;
  readonly sessionIndex: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const instant = (ms: number): string => new Date(ms).toISOString();

const attribute = ([name, values]: readonly [string, readonly string[]]): string =>
  `<saml:Attribute Name="${escapeText(name)}" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic">${values
    .map((value) => `<saml:AttributeValue>${escapeText(value)}</saml:AttributeValue>`)
    .join('')}</saml:Attribute>`;

/**
 * A response with one assertion, not yet signed. samlify's own template knows neither several values of an attribute nor
 * another clock nor a session index.
 */
export function responseXml(facts: ResponseFacts): string {
  const { now, acs, issuer } = facts;
  const end = instant(now + LIFE_MS);
  const reply = facts.inResponseTo === null ? '' : ` InResponseTo="${escapeText(facts.inResponseTo)}"`;
  const attributes = Object.entries(attributesOf(facts.person)).map(attribute).join('');
  const subject = `<saml:Subject><saml:NameID Format="${PERSISTENT}">${escapeText(facts.person.subject)}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${end}" Recipient="${escapeText(acs)}"${reply}/></saml:SubjectConfirmation></saml:Subject>`;
  const conditions = `<saml:Conditions NotBefore="${instant(now)}" NotOnOrAfter="${end}"><saml:AudienceRestriction><saml:Audience>${escapeText(facts.audience)}</saml:Audience></saml:AudienceRestriction></saml:Conditions>`;
  const authn = `<saml:AuthnStatement AuthnInstant="${instant(now)}" SessionIndex="${escapeText(facts.sessionIndex)}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`;
  const assertion = `<saml:Assertion xmlns:saml="${ASSERTION}" ID="${newId()}" Version="2.0" IssueInstant="${instant(now)}"><saml:Issuer>${escapeText(issuer)}</saml:Issuer>${subject}${conditions}${authn}<saml:AttributeStatement>${attributes}</saml:AttributeStatement></saml:Assertion>`;
  return `<samlp:Response ${NAMESPACES} ID="${newId()}" Version="2.0" IssueInstant="${instant(now)}" Destination="${escapeText(acs)}"${reply}><saml:Issuer>${escapeText(issuer)}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status>${assertion}</samlp:Response>`;
}

/** A LogoutRequest for one participant, not yet signed. */
export const logoutRequestXml = (
  id: string,
  facts: { readonly issuer: string; readonly destination: string; readonly now: number; readonly to: Participant },
): string =>
  `<samlp:LogoutRequest ${NAMESPACES} ID="${id}" Version="2.0" IssueInstant="${instant(facts.now)}" Destination="${escapeText(facts.destination)}" NotOnOrAfter="${instant(facts.now + LIFE_MS)}"><saml:Issuer>${escapeText(facts.issuer)}</saml:Issuer><saml:NameID Format="${PERSISTENT}">${escapeText(facts.to.nameId)}</saml:NameID><samlp:SessionIndex>${escapeText(facts.to.sessionIndex)}</samlp:SessionIndex></samlp:LogoutRequest>`;

/** A LogoutResponse that reports success, not yet signed. */
export const logoutResponseXml = (facts: {
  readonly issuer: string;
  readonly destination: string;
  readonly now: number;
  readonly inResponseTo: string;
}): string =>
  `<samlp:LogoutResponse ${NAMESPACES} ID="${newId()}" Version="2.0" IssueInstant="${instant(facts.now)}" Destination="${escapeText(facts.destination)}" InResponseTo="${escapeText(facts.inResponseTo)}"><saml:Issuer>${escapeText(facts.issuer)}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${SUCCESS}"/></samlp:Status></samlp:LogoutResponse>`;
