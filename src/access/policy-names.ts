/** Short forms that vovserver takes for fields of a job (PATCH, "Restrictions and Consequences"). */
const SHORT: Readonly<Record<string, string>> = { cmd: 'command', dir: 'rundir', res: 'resources' };

const PRINTABLE = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/**
 * What vovserver might take a field's name for: without case and all that is neither letter, digit nor comma (blanks and
 * underscores: "Node Fields"; a dash: an option of `nc run`), a short form as the long one. Two names that fold alike may be
 * one field.
 */
export function foldField(name: string): string {
  const folded = name.toLowerCase().replace(/[^a-z0-9,]/g, '');
  return Object.hasOwn(SHORT, folded) ? (SHORT[folded] ?? folded) : folded;
}

/** True for one of the short forms, spelled exactly. */
export const isShortForm = (name: string): boolean => Object.hasOwn(SHORT, name);

/** True for 1 to 128 printable ASCII characters without blanks around: no two programs read such a name differently. */
export const isFieldName = (name: string): boolean => PRINTABLE.test(name);

/** A name that the caller chose, fit for a message. */
export function shownField(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]/g, '?');
  return JSON.stringify(plain.length > 40 ? `${plain.slice(0, 40)}…` : plain);
}
