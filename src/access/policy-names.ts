const PRINTABLE = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** True for 1 to 128 printable ASCII characters without blanks around: no two programs read such a name differently. */
export const isFieldName = (name: string): boolean => PRINTABLE.test(name);

/** A name that the caller chose, fit for a message. */
export function shownField(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]/g, '?');
  return JSON.stringify(plain.length > 40 ? `${plain.slice(0, 40)}…` : plain);
}
