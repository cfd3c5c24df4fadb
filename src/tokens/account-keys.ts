import { createHash } from 'node:crypto';
import type { Account } from '../kernel/index.ts';

/** Channel that says which account has another JWT in the store; the message is the account's tag. */
export const CHANGED_CHANNEL = 'jwt-changed';

/**
 * Names an account in keys and messages: the queue and a hash, so that a dump of the store shows no user name and no
 * name can break out of the hash tag. JSON makes the pair unambiguous.
 */
export function tagOf({ queue, name }: Pick<Account, 'queue' | 'name'>): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([queue, name]))
    .digest('base64url')
    .slice(0, 27);
  return `${queue}:${hash}`;
}

/** Key of the JWT of an account at one epoch. */
export const jwtKey = (tag: string, epoch: string): string => `jwt:{${tag}}:${epoch}`;

/** Key of the version of the account's password that vovserver rejected. */
export const refusedKey = (tag: string): string => `jwt-refused:{${tag}}`;

/** Name of the lease under which one replica logs the account in. */
export const loginLease = (tag: string): string => `login:${tag}`;

/** What a sealed JWT is bound to: opening it for another account, queue or epoch fails. */
export const jwtAad = ({ queue, name }: Pick<Account, 'queue' | 'name'>, epoch: string): string =>
  JSON.stringify(['vovserver jwt', queue, name, epoch]);
