import { type RandomBytes, randomText } from '../token-format.ts';

/** Consonants that are hard to mistake, without vowels, so that no word appears by chance (RFC 8628, section 6.1). */
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ';
const LENGTH = 8;
const LETTERS = /^[BCDFGHJKLMNPQRSTVWXZbcdfghjklmnpqrstvwxz]{8}$/;
/** Longest text that is looked at for a user code: people add spaces and hyphens. */
const TYPED_MAX = 64;
const DEVICE_CODE_BYTES = 32;
/** `vovgw login on <host>` must fit into the 64 characters of a token's label. */
const HOST_MAX = 48;

const withHyphen = (letters: string): string => `${letters.slice(0, 4)}-${letters.slice(4)}`;

/** A new user code `XXXX-XXXX`: 34 bits, which is enough where guesses are counted. */
export function mintUserCode(random: RandomBytes): string {
  return withHyphen(randomText(random, ALPHABET, LENGTH));
}

/** The user code that somebody typed, whatever its case, spaces and hyphens; null when it is none (RFC 8628, 6.1). */
export function readUserCode(typed: string): string | null {
  if (typed.length > TYPED_MAX) return null;
  const letters = typed.replace(/[\s.\p{Pd}]/gu, '');
  // Checked before upper case is made: some other letters have an upper case of this alphabet.
  const fits = LETTERS.test(letters);
  return fits ? withHyphen(letters.toUpperCase()) : null;
}

/** A new device code: 256 bits that only the asking program knows. */
export function mintDeviceCode(random: RandomBytes): string {
  return random(DEVICE_CODE_BYTES).toString('base64url');
}

/** A host name as a program told it, reduced to what a host name can hold; empty when nothing is left. */
export function cleanHost(told: string): string {
  return told.replace(/[^A-Za-z0-9._-]/g, '').slice(0, HOST_MAX);
}
