import { attributesOf } from './attributes.ts';
import { childrenOf, only, optional, required, textOf } from './elements.ts';
import { checkIssuer } from './envelope.ts';
import { SamlFault } from './fault.ts';
import { checkIssued, checkWindow, instantOf, type Present } from './instants.ts';
import { type NameId, readNameId } from './name-id.ts';
import { BEARER, NS } from './names.ts';
import type { XmlElement } from './parse-xml.ts';

/** What an assertion must say to sign somebody in here and now. */
export interface Wanted extends Present {
  /** Entity id of the provider. */
  readonly issuer: string;
  /** Our entity id. */
  readonly audience: string;
  /** Our assertion consumer service. */
  readonly recipient: string;
  /** Id of our request; null: nobody asked, and the assertion must not claim so. */
  readonly inResponseTo: string | null;
  /** Classes that were asked for; empty: any. */
  readonly authnContext: readonly string[];
  /** The person must have authenticated since then; null: whenever. */
  readonly authenticatedSince: number | null;
}

/** What an accepted assertion says. */
export interface AssertionFacts {
  readonly id: string;
  /** IssueInstant, milliseconds since the epoch. */
  readonly issuedAt: number;
  /** From then on the assertion is refused by its own times, milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly nameId: NameId | null;
  readonly sessionIndex: string | null;
  /** When the provider wants the session to end. */
  readonly until: number | null;
  /** Values by name, without NameID. */
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

const CONDITIONS = new Set(['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction']);

function checkConditions(assertion: XmlElement, wanted: Wanted): number | null {
  const conditions = only(assertion, NS.assertion, 'Conditions');
  for (const { name, namespace } of conditions.children)
    if (namespace !== NS.assertion || !CONDITIONS.has(name)) throw new SamlFault('a condition that is not known');
  const restriction = only(conditions, NS.assertion, 'AudienceRestriction');
  if (restriction.children.length !== 1 || textOf(only(restriction, NS.assertion, 'Audience')) !== wanted.audience)
    throw new SamlFault('for another Audience');
  return checkWindow(conditions.attributes, 'Conditions', wanted);
}

/** The one bearer confirmation (SAML Profiles, section 4.1.4.2); gives when it ends. */
function checkConfirmation(subject: XmlElement, wanted: Wanted): number {
  const confirmation = only(subject, NS.assertion, 'SubjectConfirmation');
  if (required(confirmation, 'Method') !== BEARER) throw new SamlFault('another SubjectConfirmation than bearer');
  const data = only(confirmation, NS.assertion, 'SubjectConfirmationData');
  if (required(data, 'Recipient') !== wanted.recipient) throw new SamlFault('for another Recipient');
  if ((data.attributes.get('InResponseTo') ?? null) !== wanted.inResponseTo)
    throw new SamlFault('SubjectConfirmationData has another InResponseTo');
  required(data, 'NotOnOrAfter');
  return checkWindow(data.attributes, 'SubjectConfirmationData', wanted) ?? 0;
}

function checkContext(statement: XmlElement, asked: readonly string[]): void {
  if (asked.length === 0) return;
  const context = only(statement, NS.assertion, 'AuthnContext');
  const reference = optional(context, NS.assertion, 'AuthnContextClassRef');
  if (reference === null || !asked.includes(textOf(reference)))
    throw new SamlFault('another authentication context than asked for');
}

/** The authentication: its session index and end. */
function readStatement(assertion: XmlElement, wanted: Wanted): Pick<AssertionFacts, 'sessionIndex' | 'until'> {
  const statement = only(assertion, NS.assertion, 'AuthnStatement');
  const instant = instantOf(required(statement, 'AuthnInstant'), 'AuthnInstant');
  if (instant > wanted.now + wanted.skew) throw new SamlFault('authenticated in the future');
  if (wanted.authenticatedSince !== null && instant < wanted.authenticatedSince - wanted.skew)
    throw new SamlFault('not authenticated again, as was asked for');
  checkContext(statement, wanted.authnContext);
  const end = statement.attributes.get('SessionNotOnOrAfter');
  const until = end === undefined ? null : instantOf(end, 'SessionNotOnOrAfter');
  if (until !== null && until <= wanted.now - wanted.skew) throw new SamlFault('the session has ended');
  return { sessionIndex: statement.attributes.get('SessionIndex') ?? null, until };
}

/**
 * Reads an assertion whose signature was verified, and checks everything that it must say (SAML Core, section 2; SAML
 * Profiles, section 4.1.4.3). Throws {@link SamlFault}.
 */
export function readAssertion(assertion: XmlElement, wanted: Wanted): AssertionFacts {
  if (assertion.name !== 'Assertion' || assertion.namespace !== NS.assertion) throw new SamlFault('no Assertion');
  if (required(assertion, 'Version') !== '2.0') throw new SamlFault('Assertion has another Version');
  checkIssuer(assertion, wanted.issuer);
  checkIssued(required(assertion, 'IssueInstant'), 'Assertion', wanted);
  const conditionsEnd = checkConditions(assertion, wanted);
  const subject = only(assertion, NS.assertion, 'Subject');
  const confirmationEnd = checkConfirmation(subject, wanted);
  return {
    id: required(assertion, 'ID'),
    issuedAt: instantOf(required(assertion, 'IssueInstant'), 'IssueInstant'),
    expiresAt: Math.min(confirmationEnd, conditionsEnd ?? confirmationEnd) + wanted.skew,
    nameId: readNameId(subject),
    ...readStatement(assertion, wanted),
    attributes: attributesOf(childrenOf(assertion, NS.assertion, 'AttributeStatement')),
  };
}
