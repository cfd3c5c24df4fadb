import type { Clock, Identity, Secret } from '../kernel/index.ts';
import type { DecidedToken } from './new-token.ts';
import type { Caller, Granted } from './ports.ts';
import { atStore } from './refusals.ts';
import { mintToken, type RandomBytes } from './token-format.ts';
import type { TokenHash, TokenRecord } from './token-record.ts';
import type { TokenStore } from './token-store.ts';

/** What a token comes from. */
export type Origin = Pick<TokenRecord, 'parent' | 'made' | 'queue'>;

/** By an administrator or by its owner. */
export const MADE: Origin = { parent: null, made: true, queue: null };

/** Makes tokens; nothing of them is kept yet. */
export type Issue = (wanted: DecidedToken, origin: Origin) => { readonly token: Secret; readonly record: TokenRecord };

/** Creates the {@link Issue} of this replica. */
export function createIssue(parts: {
  readonly hash: TokenHash;
  readonly clock: Clock;
  readonly random: RandomBytes;
}): Issue {
  const { hash, clock, random } = parts;
  return ({ lifeMs, ...wanted }, origin) => {
    const minted = mintToken(random);
    const createdAt = clock.now();
    const ends = { createdAt, expiresAt: Math.floor(createdAt + lifeMs) };
    const record = { id: minted.parts.id, hash: hash.ofSecret(minted.parts), ...wanted, ...ends, ...origin };
    return { token: minted.token, record };
  };
}

/** Makes and keeps tokens of the vendor's token endpoint. Throws GW_STORE_UNAVAILABLE. */
export function createGrant(issue: Issue, store: Pick<TokenStore, 'addDerived'>) {
  return async (wanted: DecidedToken, owner: Identity, origin: Origin): Promise<Granted> => {
    const { token, record } = issue(wanted, origin);
    await atStore(store.addDerived(record));
    return { token, caller: toCaller(record, owner) };
  };
}

/** The caller that a token stands for. */
export const toCaller = (record: TokenRecord, owner: Identity): Caller => ({
  by: 'token',
  identity: owner,
  scopes: new Set(record.scopes),
  tokenId: record.id,
  tokenLabel: record.label,
  expiresAt: record.expiresAt,
  queue: record.queue,
});
