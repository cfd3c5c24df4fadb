import { type AccountJwt, usableJwt } from './account-jwt.ts';
import { pauseAfter } from './back-off.ts';
import type { BrokerParts } from './broker-parts.ts';
import type { Fly } from './flights.ts';

/** Timers of Node fire at once beyond 2^31 ms; a longer wait is cut into pieces. */
const LONGEST_TIMER_MS = 86_400_000;

/** Replaces JWTs in the background before they end. */
export interface Renewal {
  /** Sets the timer for the JWT in memory. */
  schedule(state: AccountJwt): void;
  /** Starts a renewal unless one runs or has to pause. Never throws. */
  start(state: AccountJwt): void;
}

/** Creates the renewal. Accounts without a call within `broker.activeFor` wait for their next call. */
export function createRenewal({ config, upstream, clock, random, closing }: BrokerParts, fly: Fly): Renewal {
  const due = (state: AccountJwt): void => {
    state.timer = null;
    const held = usableJwt(state, upstream.epoch(state.account.queue), clock.now());
    if (held === null || clock.now() - state.lastUsed > config().broker.activeFor) return;
    if (clock.now() < Math.max(held.renewAt, state.renewalPausedUntil)) schedule(state);
    else start(state);
  };

  const schedule = (state: AccountJwt): void => {
    state.timer?.[Symbol.dispose]();
    state.timer = null;
    if (state.held === null || closing.aborted) return;
    const wait = Math.max(state.held.renewAt, state.renewalPausedUntil) - clock.now();
    state.timer = clock.after(Math.min(Math.max(0, wait), LONGEST_TIMER_MS), () => due(state));
  };

  const failed = (state: AccountJwt): void => {
    state.renewalFailures += 1;
    state.renewalPausedUntil = clock.now() + pauseAfter(state.renewalFailures, random());
    schedule(state);
  };

  const start = (state: AccountJwt): void => {
    if (state.flight !== null || clock.now() < state.renewalPausedUntil || closing.aborted) return;
    fly(state, 'renewal').catch(() => failed(state));
  };

  return { schedule, start };
}
