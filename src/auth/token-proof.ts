import { timingSafeEqual } from 'node:crypto';
import type { Entry, Found } from './token-cache.ts';
import type { TokenParts } from './token-format.ts';
import { sameHash, type TokenHash } from './token-record.ts';

/** What the hash of a token that does not exist is compared with: the work is the same. */
const NO_HASH = '-'.repeat(43);

/** The token itself: it passes through memory with every request anyway, and a digest would cost each of them as much as its routing. */
const proofOf = (token: string): Buffer => Buffer.from(token, 'latin1');

/** Whether this very token was proven before. */
export function hasProof(entry: Entry, token: string): boolean {
  const { proof } = entry;
  return proof !== null && proof.length === token.length && timingSafeEqual(proof, proofOf(token));
}

/** Compares by the quick proof of an earlier success, else by the keyed hash; the same work with and without an entry. */
export function isProven(hash: TokenHash, token: string, parts: TokenParts, found: Found): found is Entry {
  const entry = typeof found === 'string' ? null : found;
  if (entry !== null && hasProof(entry, token)) return true;
  const same = sameHash(entry?.record.hash ?? NO_HASH, hash.ofSecret(parts));
  if (entry === null || !same) return false;
  entry.proof = proofOf(token);
  return true;
}

/** Why a token that was not proven is refused, for the log. */
export const reasonOf = (found: Found): string => (typeof found === 'string' ? found : 'wrong secret');
