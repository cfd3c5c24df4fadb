import { crc32 } from 'node:zlib';
import { Secret } from '../kernel/index.ts';

/** Gives `bytes` random bytes from a cryptographic source. */
export type RandomBytes = (bytes: number) => Buffer;

/** The parts of a token whose checksum is right. */
export interface TokenParts {
  readonly id: string;
  readonly secret: string;
}

const BASE62 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ID_ALPHABET = BASE62.slice(0, 36);
const ID_LENGTH = 12;
/** 28 characters of 62 carry 166 bits. */
const SECRET_LENGTH = 28;
const CHECKSUM_LENGTH = 6;
const TOKEN = /^vgw_([0-9a-z]{12})_([0-9A-Za-z]{28})([0-9A-Za-z]{6})$/;
const TOKEN_ID = /^[0-9a-z]{12}$/;
const LENGTH = 'vgw_'.length + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;

/** Makes a new token `vgw_<id>_<secret><checksum>`. */
export function mintToken(random: RandomBytes): { readonly token: Secret; readonly parts: TokenParts } {
  const id = randomText(random, ID_ALPHABET, ID_LENGTH);
  const secret = randomText(random, BASE62, SECRET_LENGTH);
  const body = `vgw_${id}_${secret}`;
  return { token: new Secret(body + checksumOf(body)), parts: { id, secret } };
}

/** The parts of a token, or null when its shape or its checksum is wrong: a typo is known without asking the store. */
export function parseToken(token: string): TokenParts | null {
  if (token.length !== LENGTH) return null;
  const found = TOKEN.exec(token);
  if (found === null) return null;
  const [, id, secret, checksum] = found;
  if (id === undefined || secret === undefined) return null;
  return checksumOf(token.slice(0, LENGTH - CHECKSUM_LENGTH)) === checksum ? { id, secret } : null;
}

/** The id of a presented token for counting attempts; null when it is none or mistyped. */
export function tokenIdOf(token: string): string | null {
  return parseToken(token)?.id ?? null;
}

/** The id at its place, without looking at anything else. */
export function idAt(token: string): string {
  return token.slice(4, 4 + ID_LENGTH);
}

export function isTokenId(text: string): boolean {
  return TOKEN_ID.test(text);
}

/** Random text of `alphabet`. Uniform: bytes beyond the largest multiple of the alphabet's size are thrown away. */
export function randomText(random: RandomBytes, alphabet: string, length: number): string {
  const usable = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of random(length)) {
      if (byte < usable && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}

/** CRC-32 in base 62: it finds typing errors, it protects nothing. */
function checksumOf(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let digit = 0; digit < CHECKSUM_LENGTH; digit++) {
    text = `${BASE62[rest % 62]}${text}`;
    rest = Math.floor(rest / 62);
  }
  return text;
}
