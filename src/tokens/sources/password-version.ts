import { createHmac } from 'node:crypto';
import { type Account, Secret } from '../../kernel/index.ts';
import type { Password } from '../ports.ts';

/**
 * Wraps a password with its version: a keyed hash, equal on all replicas and after a restart, so that they share the
 * knowledge of a rejected one. Bound to queue and account: equal passwords of two accounts do not show as equal.
 */
export function toPassword(password: string, { queue, name }: Account, versionKey: Secret): Password {
  const version = createHmac('sha256', versionKey.reveal())
    .update(JSON.stringify(['vovserver password version', queue, name, password]))
    .digest('base64url');
  return { secret: new Secret(password), version };
}
