import { everyElement } from './elements.ts';
import { decodeBase64, decodeText, inflate, LOGOUT_BYTES, MESSAGE_BYTES } from './encoding.ts';
import { SamlFault } from './fault.ts';
import { NS } from './names.ts';
import { parseXml, type XmlElement, type XmlLimits } from './parse-xml.ts';

/** A protocol message that passed the guard: nothing in it is believed yet. */
export interface Message {
  readonly xml: string;
  readonly root: XmlElement;
}

/**
 * What a message may hold, so that no parser behind this holds the event loop: a document within these limits costs
 * well under 50 ms, even an adversary's.
 */
export const MESSAGE_LIMITS: XmlLimits = {
  depth: 32,
  elements: 1000,
  attributes: 4000,
  attributesEach: 24,
  comments: false,
};

/** A logout message names a person and sessions, and is signed: anybody may send one, so that it may hold no more. */
export const LOGOUT_LIMITS: XmlLimits = { ...MESSAGE_LIMITS, depth: 16, elements: 100, attributes: 200 };

/** Names that a message may hold only where SAML puts them; a second one is a decoy for some parser. */
const SINGLE = new Set(['Response', 'LogoutRequest', 'LogoutResponse', 'Assertion', 'EncryptedAssertion']);

/** Counts elements by local name in all namespaces. */
export function countOf(root: XmlElement, name: string): number {
  let count = 0;
  for (const element of everyElement(root)) if (element.name === name) count += 1;
  return count;
}

/** What is read as a message: names of its root, and how much it may hold. */
export interface Kind {
  readonly name: string;
  readonly namespace: string;
  readonly bytes: number;
  readonly limits: XmlLimits;
}

const kind = (name: string, namespace: string, bytes: number, limits: XmlLimits): Kind => ({
  name,
  namespace,
  bytes,
  limits,
});

export const KIND = {
  response: kind('Response', NS.protocol, MESSAGE_BYTES, MESSAGE_LIMITS),
  /** As it was inside of an encrypted one. */
  assertion: kind('Assertion', NS.assertion, MESSAGE_BYTES, MESSAGE_LIMITS),
  logoutRequest: kind('LogoutRequest', NS.protocol, LOGOUT_BYTES, LOGOUT_LIMITS),
  logoutResponse: kind('LogoutResponse', NS.protocol, LOGOUT_BYTES, LOGOUT_LIMITS),
} as const;

/** Reads XML that came from outside as a message. Throws {@link SamlFault}. */
export function readMessage(xml: string, { name, namespace, limits }: Kind): Message {
  const root = parseXml(xml, limits);
  if (root.name !== name || root.namespace !== namespace) throw new SamlFault(`message: no ${name}`);
  for (const single of SINGLE) if (countOf(root, single) > 1) throw new SamlFault(`message: ${single} more than once`);
  return { xml, root };
}

/** The one value of a form field or query parameter; two are a fault. */
export function oneValue(fields: URLSearchParams, name: string): string | null {
  const [value, second] = fields.getAll(name);
  if (second !== undefined) throw new SamlFault(`message: ${name} twice`);
  return value ?? null;
}

/** Takes a message of the POST binding (SAML Bindings, section 3.5.4). */
export const readPosted = (value: string, kind: Kind): Message =>
  readMessage(decodeText(decodeBase64(value, kind.bytes)), kind);

/** Takes a message of the redirect binding (SAML Bindings, section 3.4.4.1). */
export async function readRedirected(value: string, kind: Kind): Promise<Message> {
  return readMessage(decodeText(await inflate(decodeBase64(value, kind.bytes), kind.bytes)), kind);
}
