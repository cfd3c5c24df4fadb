import type { Sealer } from '../../platform/index.ts';
import type { ProviderSession } from '../sign-in.ts';

/** What only the cookie opens: whatever decides about the session, and what the provider's logout needs. */
export interface SealedPart {
  readonly subject: string;
  readonly provider: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly providerSession: ProviderSession;
}

/** What lists, reports and endings need without the cookie. */
export interface StoredSession {
  readonly subject: string;
  readonly user: string;
  readonly provider: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly expiresAt: number;
  readonly address: string;
  readonly userAgent: string;
  /** Keys of the shelves on which the session stands. */
  readonly shelves: readonly string[];
  /** The {@link SealedPart}, sealed by the cookie. */
  readonly sealed: string;
}

/** A record of another version is no session: its owner signs in again. */
const VERSION = 1;
const AGENT_LENGTH = 200;

/** Binds a record to its place: a value that was moved to another key opens nothing. */
export const aadOf = (publicId: string): string => `session:${publicId}`;

/** Seals a part of a record for its place. */
export function writePart(part: StoredSession | SealedPart, sealer: Sealer, publicId: string): string {
  return sealer.seal(JSON.stringify({ ...part, v: VERSION }), aadOf(publicId));
}

/** The part of a record, or null when it was not sealed by `sealer` for this place. */
export function readPart<T extends StoredSession | SealedPart>(
  text: string,
  sealer: Sealer,
  publicId: string,
): T | null {
  const plain = sealer.open(text, aadOf(publicId));
  if (plain === null) return null;
  // What the seal lets through was written by `writePart`; only its version is left to ask for.
  const part = JSON.parse(plain) as T & { readonly v: number };
  return part.v === VERSION ? part : null;
}

/** A user agent as it may be shown: one line of bounded length. */
export function shownAgent(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, AGENT_LENGTH);
}
