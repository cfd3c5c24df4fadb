import { createHmac } from 'node:crypto';
import type { Secret } from '../kernel/index.ts';

/** Names things in keys of the store, so that a dump shows neither users nor keys nor log files. */
export type KeyedHash = (purpose: string, parts: readonly string[]) => string;

/** HMAC-SHA-256 in base64url; two purposes give two hashes, and no two lists of parts read alike. */
export function createKeyedHash(key: Secret): KeyedHash {
  return (purpose, parts) =>
    createHmac('sha256', key.reveal())
      .update(`jobs:${purpose}:${JSON.stringify(parts)}`)
      .digest('base64url');
}
