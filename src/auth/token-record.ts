import { createHmac, timingSafeEqual } from 'node:crypto';
import { SCOPES, type Secret, type TokenScope } from '../kernel/index.ts';
import type { TokenParts } from './token-format.ts';

/** What the store keeps of a token, sealed. The secret is there only as a keyed hash. */
export interface TokenRecord {
  readonly id: string;
  /** HMAC-SHA-256 of id and secret in base64url. */
  readonly hash: string;
  readonly user: string;
  /** Whose it is; null: the administrator vouches for `user` (`local:<user>`), as in every record before there were people. */
  readonly subject: string | null;
  readonly label: string;
  readonly scopes: readonly TokenScope[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly parent: string | null;
  /** True when an administrator or its owner made it: only such a token can be exchanged for a derived one. */
  readonly made: boolean;
  /** The only queue on which it holds; null: every queue. */
  readonly queue: string | null;
}

/** Keyed hashes of access tokens; the key never leaves it. */
export interface TokenHash {
  ofSecret(parts: TokenParts): string;
  /** Names a user in keys of the store, so that a dump shows no user names. */
  ofUser(user: string): string;
  /** Any other text; two purposes give two hashes. */
  of(purpose: string, text: string): string;
}

/** HMAC-SHA-256 under `tokenKey`, with a purpose in front so that no hash serves for two things. */
export function createTokenHash(tokenKey: Secret): TokenHash {
  const hmac = (purpose: string, text: string): string =>
    createHmac('sha256', tokenKey.reveal()).update(`${purpose}:${text}`).digest('base64url');
  return {
    ofSecret: ({ id, secret }) => hmac('secret', `${id}:${secret}`),
    ofUser: (user) => hmac('user', user).slice(0, 22),
    of: hmac,
  };
}

/** Compares two hashes in time that does not depend on where they differ. */
export function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** A record as text, without its id, which is in the key and in the seal. */
export function encodeRecord({ id: _, ...rest }: TokenRecord): string {
  return JSON.stringify(rest);
}

/** The record of an opened text, or null when it is not one. */
export function decodeRecord(id: string, text: string): TokenRecord | null {
  const value: unknown = parsed(text);
  if (typeof value !== 'object' || value === null) return null;
  const {
    hash,
    user,
    subject = null,
    label,
    scopes,
    createdAt,
    expiresAt,
    parent,
    made,
    queue = null,
  } = value as Record<string, unknown>;
  if (typeof hash !== 'string' || typeof user !== 'string' || typeof label !== 'string') return null;
  if (typeof createdAt !== 'number' || typeof expiresAt !== 'number' || !Array.isArray(scopes)) return null;
  if (parent !== null && typeof parent !== 'string') return null;
  if (queue !== null && typeof queue !== 'string') return null;
  if (subject !== null && typeof subject !== 'string') return null;
  const known = SCOPES.filter((scope) => scopes.includes(scope));
  return { id, hash, user, subject, label, createdAt, expiresAt, parent, made: made === true, queue, scopes: known };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
