import type { Lane } from '../ports.ts';

/** Turns beyond the connections of an account that submissions of others on the same account may have. */
const SUBMIT_EXTRA = 4;

/** Calls that are out for one vovserver account, control calls apart: those have connections of their own. */
interface AccountOut {
  out: number;
  users: number;
}

/** One identity at one account: what it has out in each lane, and in all but control. */
export interface Party {
  readonly key: string;
  readonly account: string;
  readonly shared: AccountOut;
  readonly lanes: Record<Lane, number>;
  out: number;
  /** Turns and waiting asks that refer to it. */
  users: number;
}

/** Who has turns of a queue or waits for them, on this replica. */
export class Parties {
  readonly #parties = new Map<string, Party>();
  readonly #accounts = new Map<string, AccountOut>();

  /** To be given back once for each time. */
  hold(identity: string, account: string): Party {
    const key = `${account}\n${identity}`;
    let party = this.#parties.get(key);
    if (party === undefined) {
      let shared = this.#accounts.get(account);
      if (shared === undefined) {
        shared = { out: 0, users: 0 };
        this.#accounts.set(account, shared);
      }
      shared.users += 1;
      party = { key, account, shared, lanes: { control: 0, submit: 0, read: 0, list: 0 }, out: 0, users: 0 };
      this.#parties.set(key, party);
    }
    party.users += 1;
    return party;
  }

  release(party: Party): void {
    party.users -= 1;
    if (party.users > 0) return;
    this.#parties.delete(party.key);
    party.shared.users -= 1;
    if (party.shared.users === 0) this.#accounts.delete(party.account);
  }
}

export function begin(party: Party, lane: Lane): void {
  party.lanes[lane] += 1;
  if (lane === 'control') return;
  party.out += 1;
  party.shared.out += 1;
}

export function end(party: Party, lane: Lane): void {
  party.lanes[lane] -= 1;
  if (lane === 'control') return;
  party.out -= 1;
  party.shared.out -= 1;
}

/**
 * Whether a connection of its account would be at hand: who holds a turn must not stand in another line with it. One
 * identity never has more out than `connections`; the submissions of others on its account go beyond that, and control
 * calls always go.
 */
export function hasConnection({ out, shared }: Party, lane: Lane, connections: number): boolean {
  if (lane === 'control') return true;
  if (out >= connections) return false;
  return shared.out < (lane === 'submit' ? connections + SUBMIT_EXTRA : connections);
}
