import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 12;
/** 32 characters of 62 carry 190 bits. */
const SECRET_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const FORM = /^vgw_([0-9A-Za-z]{12})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

/** Gives `count` random bytes. */
export type Random = (count: number) => Buffer;

/** The parts of a token whose checksum is right. */
export interface TokenParts {
  readonly id: string;
  readonly secret: string;
}

/** Characters without bias: bytes of 248 and more, where 62 does not divide evenly, are thrown away. */
function randomText(length: number, random: Random): string {
  let text = '';
  while (text.length < length) {
    for (const byte of random(length)) if (byte < 248 && text.length < length) text += ALPHABET[byte % 62];
  }
  return text;
}

/** So that a mistyped token is told apart without asking the store. It proves nothing. */
function checksumOf(id: string, secret: string): string {
  let rest = crc32(`${id}_${secret}`);
  let text = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = ALPHABET[rest % 62] + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/** The text that people copy: `vgw_<id>_<secret><checksum>`. */
export function tokenText({ id, secret }: TokenParts): string {
  return `vgw_${id}_${secret}${checksumOf(id, secret)}`;
}

/** A new id and secret. */
export function newToken(random: Random): TokenParts {
  return { id: randomText(ID_LENGTH, random), secret: randomText(SECRET_LENGTH, random) };
}

/** The parts of a token, or null for anything that is none or holds a typing error. */
export function parseToken(text: string): TokenParts | null {
  const [, id, secret, checksum] = FORM.exec(text) ?? [];
  if (id === undefined || secret === undefined || checksum !== checksumOf(id, secret)) return null;
  return { id, secret };
}

/** Whether a text means to be an access token, right or wrong. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith('vgw_');
}

/** The id of a well-formed token, for counting attempts; null for anything else. */
export function tokenIdOf(text: string): string | null {
  return parseToken(text)?.id ?? null;
}
