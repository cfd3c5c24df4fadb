import { only, optional, required, textOf } from './elements.ts';
import { SamlFault } from './fault.ts';
import { checkIssued, type Present } from './instants.ts';
import { ENTITY_FORMAT, NS, SUCCESS } from './names.ts';
import type { XmlElement } from './parse-xml.ts';

/** What every protocol message must say. */
export interface Expected extends Present {
  /** Entity id of the provider. */
  readonly issuer: string;
  /** Our endpoint, exactly. */
  readonly destination: string;
}

/** Refuses a message or assertion that is not the provider's own. */
export function checkIssuer(element: XmlElement, issuer: string): void {
  const found = only(element, NS.assertion, 'Issuer');
  if ((found.attributes.get('Format') ?? ENTITY_FORMAT) !== ENTITY_FORMAT || textOf(found) !== issuer)
    throw new SamlFault(`${element.name} has another Issuer`);
}

/** Version, issuer, destination and time of a message that was verified. */
export function checkEnvelope(message: XmlElement, expected: Expected): void {
  if (required(message, 'Version') !== '2.0') throw new SamlFault(`${message.name} has another Version`);
  if (required(message, 'Destination') !== expected.destination)
    throw new SamlFault(`${message.name} has another Destination`);
  checkIssuer(message, expected.issuer);
  checkIssued(required(message, 'IssueInstant'), message.name, expected);
}

/** The status code of a response, and the one below it. */
export function statusOf(message: XmlElement): { readonly success: boolean; readonly code: string } {
  const status = only(only(message, NS.protocol, 'Status'), NS.protocol, 'StatusCode');
  const inner = optional(status, NS.protocol, 'StatusCode');
  const last = (element: XmlElement | null): string => element?.attributes.get('Value')?.split(':').at(-1) ?? '';
  const code = [last(status), last(inner)].filter((part) => /^[A-Za-z]{1,64}$/.test(part)).join(', ');
  return { success: status.attributes.get('Value') === SUCCESS && inner === null, code };
}
