const USER_NAME = /^[A-Za-z0-9._@-]{1,64}$/;
const ACCOUNT_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/;

/**
 * Why a user name is not acceptable, or null. Plain ASCII only, so that no two names look alike or fold together
 * (NFKC), and at most one `@` (GHSA-c5c4-8r6x-56w3).
 */
export function userNameFault(user: string): string | null {
  if (user === '') return 'the user name is empty';
  if (user.length > 64) return 'the user name is longer than 64 characters';
  if (!USER_NAME.test(user)) return 'the user name holds other characters than A-Z a-z 0-9 . _ @ -';
  if (user.indexOf('@') !== user.lastIndexOf('@')) return 'the user name holds more than one @';
  return null;
}

/** Whether a text can be the name of a Unix account (useradd(8)), which is what vovserver knows. */
export function isAccountName(name: string): boolean {
  return ACCOUNT_NAME.test(name);
}

/** A text that came from outside, shortened and without control or non-ASCII characters, for messages. */
export function printable(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > 64 ? `${plain.slice(0, 64)}…` : plain;
}
