import type { Account } from '../kernel/index.ts';
import type { UpstreamToken } from '../upstream/index.ts';
import type { BackOff } from './back-off.ts';
import { goodUntil, sameJwt } from './jwt-life.ts';
import type { Refusal } from './refused-passwords.ts';

/** How many rejected JWTs of an account are remembered, so that a late reader of the store does not revive one. */
const REMEMBERED_DEAD = 4;

/** A JWT in memory. */
export interface HeldJwt {
  readonly token: UpstreamToken;
  readonly epoch: string;
  /** Fence of the login that it came from; 0 when no lease was to be had. */
  readonly fence: number;
  /** Milliseconds since the epoch: replaced in the background from here on. */
  readonly renewAt: number;
}

/** What a call or a renewal got, and from where. */
export interface Obtained {
  readonly held: HeldJwt;
  readonly found: 'store' | 'login';
}

/** Everything that this process knows about the JWT of one account. */
export interface AccountJwt {
  readonly account: Account;
  readonly tag: string;
  held: HeldJwt | null;
  /** JWTs that vovserver answered 401 to, latest first. */
  dead: readonly UpstreamToken[];
  /** Time of the last call. */
  lastUsed: number;
  lastLoginAt: number;
  refusal: Refusal | null;
  failure: (BackOff & { readonly epoch: string }) | null;
  /** Background renewals that failed in a row, and when the next may start. */
  renewalFailures: number;
  renewalPausedUntil: number;
  /** Grows with each message about the account: what was read from the store before it may be out of date. */
  generation: number;
  /** True while the store may know something else than `held`. */
  unverified: boolean;
  /** When a missing password was last reported. */
  reportedMissingAt: number;
  flight: Promise<Obtained> | null;
  timer: Disposable | null;
  /** Woken by each message about the account. */
  readonly waiting: Set<() => void>;
}

/** Creates the knowledge about an account of which nothing is known. */
export function createAccountJwt(account: Account, tag: string): AccountJwt {
  return {
    account,
    tag,
    held: null,
    dead: [],
    lastUsed: Number.NEGATIVE_INFINITY,
    lastLoginAt: Number.NEGATIVE_INFINITY,
    refusal: null,
    failure: null,
    renewalFailures: 0,
    renewalPausedUntil: 0,
    generation: 0,
    unverified: false,
    reportedMissingAt: Number.NEGATIVE_INFINITY,
    flight: null,
    timer: null,
    waiting: new Set(),
  };
}

/** The JWT in memory if it may be handed out at `now` for the server named by `epoch`. */
export function usableJwt(state: AccountJwt, epoch: string, now: number): HeldJwt | null {
  const { held } = state;
  return held !== null && held.epoch === epoch && now < goodUntil(held.token) ? held : null;
}

/** Whether vovserver is known to have refused this JWT. */
export const isDead = (state: AccountJwt, token: UpstreamToken): boolean =>
  state.dead.some((dead) => sameJwt(dead, token));

/** Remembers a JWT as refused and forgets it in memory. */
export function markDead(state: AccountJwt, rejected: UpstreamToken): void {
  if (!isDead(state, rejected)) state.dead = [rejected, ...state.dead].slice(0, REMEMBERED_DEAD);
  if (state.held !== null && sameJwt(state.held.token, rejected)) forget(state);
}

/** Forgets the JWT in memory. */
export function forget(state: AccountJwt): void {
  state.held = null;
  state.unverified = false;
  state.timer?.[Symbol.dispose]();
  state.timer = null;
}

/** Whether a stored JWT is newer: by fence, which no clock can confuse; where one has none, by its end. */
export function supersedes(
  stored: { readonly token: UpstreamToken; readonly fence: number },
  held: Pick<HeldJwt, 'token' | 'fence'>,
): boolean {
  if (sameJwt(stored.token, held.token)) return false;
  if (stored.fence > 0 && held.fence > 0) return stored.fence > held.fence;
  return stored.token.expiresAt > held.token.expiresAt;
}
