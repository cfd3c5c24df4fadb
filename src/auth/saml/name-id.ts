import { optional, textOf } from './elements.ts';
import { SamlFault } from './fault.ts';
import { NS } from './names.ts';
import type { XmlElement } from './parse-xml.ts';

/** A NameID with what qualifies it. */
export interface NameId {
  readonly value: string;
  readonly format: string | null;
  readonly nameQualifier: string | null;
  readonly spNameQualifier: string | null;
}

const LONGEST = 1024;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** The NameID of a subject or logout request; null when there is none. Throws {@link SamlFault}. */
export function readNameId(parent: XmlElement): NameId | null {
  if (parent.children.some(({ name }) => name === 'EncryptedID')) throw new SamlFault('an encrypted NameID');
  const element = optional(parent, NS.assertion, 'NameID');
  if (element === null) return null;
  const value = textOf(element);
  if (value === '' || value.length > LONGEST || CONTROL.test(value) || value !== value.trim())
    throw new SamlFault('NameID is empty, too long, or has spaces around it or control characters');
  const attribute = (name: string): string | null => element.attributes.get(name) ?? null;
  return {
    value,
    format: attribute('Format'),
    nameQualifier: attribute('NameQualifier'),
    spNameQualifier: attribute('SPNameQualifier'),
  };
}
