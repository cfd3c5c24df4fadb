import type { UpstreamToken } from '../upstream/index.ts';
import { type AccountJwt, forget, type HeldJwt, isDead, supersedes, usableJwt } from './account-jwt.ts';
import { type BrokerParts, epochsOf, queueOf } from './broker-parts.ts';
import { goodUntil, renewAt } from './jwt-life.ts';
import type { StoredJwt } from './jwt-store.ts';

/** How often a reading is repeated because the account changed meanwhile. */
const REREADS = 3;

/** Keeps the JWTs in memory and in the store in step. */
export interface Holding {
  /** Takes a JWT into memory and has its renewal scheduled. */
  hold(state: AccountJwt, jwt: Pick<HeldJwt, 'token' | 'epoch' | 'fence'>): HeldJwt;
  /** Takes over a JWT of the store that is good and newer than the one in memory; `away`: the store is silent. */
  fromStore(state: AccountJwt, epoch: string): Promise<HeldJwt | null | 'away'>;
  /**
   * Takes a JWT of another server of the queue into memory, as if it were of this one: which JWTs outlive a failover is not
   * known. Null when there is none, or the one in memory is of this server.
   */
  suspect(state: AccountJwt, epoch: string): Promise<HeldJwt | null>;
  /** Compares memory with the store after a message or a gap: takes what is newer, puts back what was lost. */
  verify(state: AccountJwt): Promise<void>;
}

/** Creates the holding; `onHeld` is told of each JWT that was taken into memory. */
export function createHolding(
  { config, store, clock, random }: BrokerParts,
  onHeld: (state: AccountJwt) => void,
): Holding {
  const good = (token: UpstreamToken): boolean => clock.now() < goodUntil(token);

  const hold: Holding['hold'] = (state, { token, epoch, fence }) => {
    const held = { token, epoch, fence, renewAt: renewAt(token, config().broker, random()) };
    Object.assign(state, { held, unverified: false, failure: null, renewalFailures: 0, renewalPausedUntil: 0 });
    onHeld(state);
    return held;
  };

  const accept = (state: AccountJwt, epoch: string, stored: StoredJwt & { kind: 'jwt' }): HeldJwt | null => {
    if (!good(stored.token) || isDead(state, stored.token)) return null;
    const held = usableJwt(state, epoch, clock.now());
    return held === null || supersedes(stored, held) ? hold(state, { ...stored, epoch }) : null;
  };

  return {
    hold,
    async fromStore(state, epoch) {
      for (let reading = 0; reading < REREADS; reading += 1) {
        const { generation } = state;
        const stored = await store.read(state.account, epoch);
        if (stored.kind === 'away') return 'away';
        if (generation === state.generation) return stored.kind === 'jwt' ? accept(state, epoch, stored) : null;
      }
      return null;
    },
    async suspect(state, epoch) {
      const { held, account } = state;
      if (held?.epoch === epoch) return null;
      if (held !== null && good(held.token) && !isDead(state, held.token)) return hold(state, { ...held, epoch });
      const { generation } = state;
      for (const other of epochsOf(queueOf(config(), account))) {
        const stored = other === epoch ? null : await store.read(account, other);
        if (generation !== state.generation) return null;
        if (stored?.kind !== 'jwt' || !good(stored.token) || isDead(state, stored.token)) continue;
        return hold(state, { ...stored, epoch });
      }
      return null;
    },
    async verify(state) {
      const { held } = state;
      if (held === null || !good(held.token)) return forget(state);
      state.unverified = true;
      const stored = await store.read(state.account, held.epoch);
      if (state.held !== held || stored.kind === 'away') return;
      state.unverified = false;
      if (stored.kind === 'dropped') return forget(state);
      if (stored.kind === 'jwt') return void accept(state, held.epoch, stored);
      const restored = await store.restore(state.account, held.epoch, held.token, held.fence);
      if (restored === 'away' && state.held === held) state.unverified = true;
    },
  };
}
