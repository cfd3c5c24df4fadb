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

/** Whose names are taken for a subject. */
export interface NameScope {
  /** The format that was asked for; undefined: any. */
  readonly format: string | undefined;
  /** Entity id of the provider. */
  readonly provider: string;
  /** Our entity id. */
  readonly own: string;
}

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';

/**
 * Refuses a NameID that may mean somebody else: one that is made anew for each sign-in (SAML Core, section 8.3.8), of another
 * format than was asked for (section 3.4.1.1), or from the names of another provider or for another service (section 2.2.2).
 * Throws {@link SamlFault}.
 */
export function checkScope(nameId: NameId, { format = UNSPECIFIED, provider, own }: NameScope): void {
  if (nameId.format === TRANSIENT)
    throw new SamlFault(
      'NameID is transient, so it is nobody next time; set subject to an attribute, or ask for another',
    );
  if (format !== UNSPECIFIED && nameId.format !== format)
    throw new SamlFault('NameID has another Format than asked for');
  if (nameId.nameQualifier !== null && nameId.nameQualifier !== provider)
    throw new SamlFault('NameID has another NameQualifier');
  if (nameId.spNameQualifier !== null && nameId.spNameQualifier !== own)
    throw new SamlFault('NameID has another SPNameQualifier');
}
