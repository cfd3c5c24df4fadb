import { createHmac } from 'node:crypto';
import type { Secret } from '../../kernel/index.ts';

/** Names a thing in keys of the store, so that a dump does not show it. The purpose keeps hashes of two things apart. */
export type KeyedHash = (purpose: 'session' | 'subject' | 'provider-key' | 'flow' | 'once', text: string) => string;

/** 22 characters of base64url carry 132 bits. */
export const HASH_LENGTH = 22;

/** HMAC-SHA-256 under `key`, cut to {@link HASH_LENGTH} characters. */
export function createKeyedHash(key: Secret): KeyedHash {
  return (purpose, text) =>
    createHmac('sha256', key.reveal()).update(`sign-in ${purpose}:${text}`).digest('base64url').slice(0, HASH_LENGTH);
}
