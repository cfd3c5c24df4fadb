import type { Clock } from '../../kernel/index.ts';
import type { LogoutOutcome, ProviderSession, SendAway, UsedOnce } from '../sign-in.ts';
import { ALGORITHMS } from './algorithms.ts';
import { childrenOf, required, textOf } from './elements.ts';
import { noteEnded, REMEMBER_MS } from './ended-sessions.ts';
import { checkEnvelope, type Expected, statusOf } from './envelope.ts';
import { SamlFault } from './fault.ts';
import type { IdpMetadata } from './idp-metadata.ts';
import { checkWindow, instantOf, type Present } from './instants.ts';
import type { OwnKeys } from './keys.ts';
import { logoutRequest, logoutResponse, newId, sendMessage } from './logout-messages.ts';
import { KIND, LOGOUT_LIMITS, readPosted, readRedirected } from './message.ts';
import { type NameId, readNameId } from './name-id.ts';
import { NS } from './names.ts';
import { parseXml, type XmlElement } from './parse-xml.ts';
import type { RequestIds } from './request-ids.ts';
import { indexKey, nameKey, readHint } from './session-keys.ts';
import { signatureOf } from './signature-shape.ts';
import { verifyQuery } from './signed-query.ts';
import type { OwnAddresses } from './sp-metadata.ts';
import type { Verifier } from './verifier.ts';

/** What single logout needs of its provider. */
export interface LogoutParts {
  readonly name: string;
  readonly addresses: OwnAddresses;
  readonly keys: OwnKeys;
  readonly ids: RequestIds;
  readonly verifier: Verifier;
  readonly usedOnce: UsedOnce;
  readonly clock: Clock;
  readonly skew: number;
  /** Where the message comes from. */
  readonly address: string;
}

/** A logout message as it came: `query` is the raw query of the redirect binding, null for a posted one. */
export interface LogoutMessage {
  readonly kind: 'SAMLRequest' | 'SAMLResponse';
  readonly value: string;
  readonly relayState: string | null;
  readonly query: string | null;
}

const KINDS = { SAMLRequest: KIND.logoutRequest, SAMLResponse: KIND.logoutResponse } as const;
/** SAML Bindings, section 3.4.3, says 80; providers send more. */
const LONGEST_RELAY_STATE = 1024;

/** The root of the message from the octets that were verified, and the RelayState that belongs to it. */
async function verified(
  { verifier, address }: LogoutParts,
  message: LogoutMessage,
  idp: IdpMetadata,
  expected: Expected,
): Promise<{ root: XmlElement; relayState: string | null }> {
  const { kind, query, value } = message;
  if (query !== null) {
    // The signature stands beside the message, so that no thread is needed for it, and nothing is inflated before.
    const signed = verifyQuery(query, kind, idp.certificates);
    return { root: (await readRedirected(signed.message, KINDS[kind])).root, relayState: signed.relayState };
  }
  const { xml, root } = readPosted(value, KINDS[kind]);
  // Before anything costly, and to say what is wrong; the signed octets are asked the same again.
  signatureOf(root, ALGORITHMS);
  checkEnvelope(root, expected);
  using place = verifier.enter('logout', address);
  const signed = await place.verify(xml, idp.certificates, 'own');
  return { root: parseXml(signed.xml, LOGOUT_LIMITS), relayState: message.relayState };
}

const kindOf = ({ name }: LogoutParts): string => `saml-logout:${name}`;
const TWICE = 'a logout message twice';

function keysToEnd(request: XmlElement): string[] {
  const nameId = readNameId(request);
  if (nameId === null) throw new SamlFault('LogoutRequest without NameID');
  const indexes = childrenOf(request, NS.protocol, 'SessionIndex').map(textOf);
  return indexes.length === 0 ? [nameKey(nameId)] : indexes.map((index) => indexKey(nameId, index));
}

/** The provider ends sessions here: they are ended before it is told so. */
async function takeRequest(
  parts: LogoutParts,
  idp: IdpMetadata,
  request: XmlElement,
  relayState: string | null,
  present: Present,
  endSessions: (keys: readonly string[]) => Promise<void>,
): Promise<LogoutOutcome> {
  checkWindow(request.attributes, 'LogoutRequest', present);
  const id = required(request, 'ID');
  const ended = keysToEnd(request);
  const issuedAt = instantOf(required(request, 'IssueInstant'), 'IssueInstant');
  // Noted before, so that no assertion slips in between; done again when the ending fails.
  const done = await parts.usedOnce.complete(kindOf(parts), id, REMEMBER_MS, async () => {
    await noteEnded(parts.usedOnce, parts.name, ended, issuedAt);
    await endSessions(ended);
  });
  if (!done) throw new SamlFault(TWICE);
  const head = { id: newId(), now: present.now, issuer: parts.addresses.entityId };
  const answer = sendMessage('SAMLResponse', idp.logoutAnswer, relayState, parts.keys.current, (destination) =>
    logoutResponse({ ...head, destination }, id),
  );
  return { ended, answer: answer ?? { kind: 'empty' } };
}

/** The provider answers our own request. The session here has ended before; nothing depends on what it says. */
async function takeAnswer(parts: LogoutParts, answer: XmlElement, { now }: Present): Promise<LogoutOutcome> {
  const request = required(answer, 'InResponseTo');
  if (!parts.ids.isOurs(request, now)) throw new SamlFault('LogoutResponse to no request of ours');
  statusOf(answer);
  if (!(await parts.usedOnce.first(kindOf(parts), request, REMEMBER_MS))) throw new SamlFault(TWICE);
  return { ended: [], answer: { kind: 'redirect', location: '/signed-out' } };
}

/** Takes a signed LogoutRequest or LogoutResponse (SAML Profiles, section 4.4). Throws {@link SamlFault}. */
export async function takeLogoutMessage(
  parts: LogoutParts,
  idp: IdpMetadata,
  message: LogoutMessage,
  endSessions: (keys: readonly string[]) => Promise<void>,
): Promise<LogoutOutcome> {
  const present: Present = { now: parts.clock.now(), skew: parts.skew };
  const expected = { ...present, issuer: idp.entityId, destination: parts.addresses.slo };
  const { root, relayState } = await verified(parts, message, idp, expected);
  if ((relayState ?? '').length > LONGEST_RELAY_STATE) throw new SamlFault('RelayState is too long');
  checkEnvelope(root, expected);
  if (message.kind === 'SAMLResponse') return takeAnswer(parts, root, present);
  return takeRequest(parts, idp, root, relayState, present, endSessions);
}

/** Where to send a browser so that its session ends at the provider too; null when that is not possible. */
export function startLogout(
  parts: Omit<LogoutParts, 'address'>,
  idp: IdpMetadata,
  session: ProviderSession,
): SendAway | null {
  const hint = readHint(session.hint);
  if (hint === null) return null;
  const now = parts.clock.now();
  const head = { id: parts.ids.mint(now), now, issuer: parts.addresses.entityId };
  const nameId: NameId = hint.nameId;
  return sendMessage('SAMLRequest', idp.logout, null, parts.keys.current, (destination) =>
    logoutRequest({ ...head, destination }, nameId, hint.sessionIndex),
  );
}
