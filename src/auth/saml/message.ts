import { everyElement } from './elements.ts';
import { decodeBase64, decodeText, inflate, MESSAGE_BYTES } from './encoding.ts';
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
  elements: 2000,
  attributes: 4000,
  attributesEach: 24,
  comments: false,
};

/** Names that a message may hold only where SAML puts them; a second one is a decoy for some parser. */
const SINGLE = new Set(['Response', 'LogoutRequest', 'LogoutResponse', 'Assertion', 'EncryptedAssertion']);

/** Counts elements by local name in all namespaces. */
export function countOf(root: XmlElement, name: string): number {
  let count = 0;
  for (const element of everyElement(root)) if (element.name === name) count += 1;
  return count;
}

/** Reads XML that came from outside as the message `kind`. Throws {@link SamlFault}. */
export function readMessage(xml: string, kind: string, namespace: string = NS.protocol): Message {
  const root = parseXml(xml, MESSAGE_LIMITS);
  if (root.name !== kind || root.namespace !== namespace) throw new SamlFault(`message: no ${kind}`);
  for (const name of SINGLE) if (countOf(root, name) > 1) throw new SamlFault(`message: ${name} more than once`);
  return { xml, root };
}

/** The one value of a form field or query parameter; two are a fault. */
export function oneValue(fields: URLSearchParams, name: string): string | null {
  const [value, second] = fields.getAll(name);
  if (second !== undefined) throw new SamlFault(`message: ${name} twice`);
  return value ?? null;
}

/** Takes a message of the POST binding (SAML Bindings, section 3.5.4). */
export const readPosted = (value: string, kind: string): Message =>
  readMessage(decodeText(decodeBase64(value, MESSAGE_BYTES)), kind);

/** Takes a message of the redirect binding (SAML Bindings, section 3.4.4.1). */
export async function readRedirected(value: string, kind: string): Promise<Message> {
  return readMessage(decodeText(await inflate(decodeBase64(value, MESSAGE_BYTES), MESSAGE_BYTES)), kind);
}
