import { SamlFault } from './fault.ts';
import type { XmlElement } from './parse-xml.ts';

/** The children of this name. */
export const childrenOf = (parent: XmlElement, namespace: string, name: string): XmlElement[] =>
  parent.children.filter((child) => child.name === name && child.namespace === namespace);

/** The child of this name or null; two are a fault. */
export function optional(parent: XmlElement, namespace: string, name: string): XmlElement | null {
  const [first, second] = childrenOf(parent, namespace, name);
  if (second !== undefined) throw new SamlFault(`${name} twice in ${parent.name}`);
  return first ?? null;
}

/** The one child of this name. */
export function only(parent: XmlElement, namespace: string, name: string): XmlElement {
  const child = optional(parent, namespace, name);
  if (child === null) throw new SamlFault(`no ${name} in ${parent.name}`);
  return child;
}

/** The text of an element that holds nothing but text. */
export function textOf(element: XmlElement): string {
  if (element.children.length > 0) throw new SamlFault(`elements inside ${element.name}`);
  return element.text;
}

/** An attribute that must be there. */
export function required(element: XmlElement, name: string): string {
  const value = element.attributes.get(name);
  if (value === undefined || value === '') throw new SamlFault(`no ${name} on ${element.name}`);
  return value;
}

/** The element and all below it, in document order. */
export function* everyElement(root: XmlElement): Generator<XmlElement> {
  const pending: XmlElement[] = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    yield next;
    for (let index = next.children.length - 1; index >= 0; index -= 1) {
      const child = next.children[index];
      if (child !== undefined) pending.push(child);
    }
  }
}
