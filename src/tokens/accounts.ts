import type { Account } from '../kernel/index.ts';
import type { Credential } from '../upstream/index.ts';
import { type AccountJwt, createAccountJwt, forget } from './account-jwt.ts';
import { tagOf } from './account-keys.ts';

export interface AccountEntry {
  readonly state: AccountJwt;
  readonly credential: Credential;
}

/** The accounts that this process has met; bounded by forgetting those that are of no use any more. */
export interface Accounts {
  of(account: Account): AccountEntry;
  byTag(tag: string): AccountJwt | undefined;
  all(): AccountJwt[];
  remove(state: AccountJwt): void;
}

/** Creates an empty collection; the way to an account that is known already costs two map look-ups. */
export function createAccounts(credentialOf: (state: AccountJwt) => Credential): Accounts {
  const byQueue = new Map<string, Map<string, AccountEntry>>();
  const byTag = new Map<string, AccountEntry>();
  const add = (account: Account): AccountEntry => {
    const state = createAccountJwt(account, tagOf(account));
    const entry = { state, credential: credentialOf(state) };
    const names = byQueue.get(account.queue) ?? new Map<string, AccountEntry>();
    byQueue.set(account.queue, names.set(account.name, entry));
    byTag.set(state.tag, entry);
    return entry;
  };
  return {
    of: (account) => byQueue.get(account.queue)?.get(account.name) ?? add(account),
    byTag: (tag) => byTag.get(tag)?.state,
    all: () => [...byTag.values()].map(({ state }) => state),
    remove(state) {
      forget(state);
      byQueue.get(state.account.queue)?.delete(state.account.name);
      byTag.delete(state.tag);
    },
  };
}
