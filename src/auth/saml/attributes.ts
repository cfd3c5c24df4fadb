import { childrenOf, required, textOf } from './elements.ts';
import { SamlFault } from './fault.ts';
import { NS } from './names.ts';
import type { XmlElement } from './parse-xml.ts';

/** The name under which the subject's NameID is known; no attribute may take it. */
export const NAME_ID = 'NameID';

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** A value as text: null for what has parts of its own; a NameID inside stands for itself (eduPersonTargetedID). */
function textValue(value: XmlElement): string | null {
  const [inner, second] = value.children;
  if (inner === undefined) {
    if (CONTROL.test(value.text)) throw new SamlFault('an attribute with control characters');
    return value.attributes.get('xsi:nil') === 'true' ? null : value.text;
  }
  const isNameId = inner.name === NAME_ID && inner.namespace === NS.assertion;
  return isNameId && second === undefined && value.text.trim() === '' ? textOf(inner) : null;
}

/**
 * All values of each attribute by its Name, and by its FriendlyName when that is neither a Name nor the FriendlyName of
 * another. An attribute called NameID is passed over.
 */
export function attributesOf(statements: readonly XmlElement[]): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  const friends = new Map<string, Set<string>>();
  const attributes = statements.flatMap((statement) => childrenOf(statement, NS.assertion, 'Attribute'));
  for (const attribute of attributes) {
    const name = required(attribute, 'Name');
    if (name === NAME_ID) continue;
    const found = childrenOf(attribute, NS.assertion, 'AttributeValue').map(textValue);
    values.set(name, [...(values.get(name) ?? []), ...found.filter((value) => value !== null)]);
    const friend = attribute.attributes.get('FriendlyName');
    if (friend !== undefined) friends.set(friend, (friends.get(friend) ?? new Set()).add(name));
  }
  for (const [friend, names] of friends) {
    const [name, second] = names;
    if (friend === NAME_ID || values.has(friend) || second !== undefined) continue;
    values.set(friend, values.get(name ?? '') ?? []);
  }
  return values;
}
