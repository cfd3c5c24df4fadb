import type { Clock, RouteClass } from '../kernel/index.ts';
import { type Allowance, addUnits, type Source } from './allowance.ts';
import { localRemaining, localWait, takeLocally } from './meter.ts';
import type { Admission } from './ports.ts';
import type { Taker } from './taker.ts';

/** Units that are not used within this time go back to the store. */
const LEASE_MS = 500;
const SWEEP_MS = 250;
/** A lease covers the demand of one tick. */
const TICK_MS = 100;
/** Largest share of a bucket that all replicas together may hold in leases of one kind. */
const LEASED_SHARE = 0.04;

/** Turns a decision into an admission and reports it. */
export type Conclude = (
  allowance: Allowance,
  cls: RouteClass | 'any',
  allowed: boolean,
  source: Source,
  now: number,
) => Admission;

/** Decides calls against their allowance, mostly without asking the store. */
export interface Leases extends AsyncDisposable {
  /** Synchronous while units are leased, while the bucket is known to be empty, and while the store is away. */
  admit(allowance: Allowance, cls: RouteClass | 'any'): Admission | Promise<Admission>;
}

/** What {@link createLeases} needs. `sharing` is the number of replicas that lease, `known` the one that shares count by. */
export interface LeasesOptions {
  readonly taker: Taker;
  readonly clock: Clock;
  readonly replicas: { sharing(): number; known(): number };
  readonly conclude: Conclude;
}

function noteDemand(allowance: Allowance, now: number): void {
  const age = now - allowance.tickAt;
  // The clock was set back: what was due at the old time would hold for the whole step.
  if (age < 0) allowance.holdUntil = 0;
  if (age >= TICK_MS || age < 0) {
    allowance.demandBefore = age < 2 * TICK_MS ? allowance.demand : 0;
    allowance.demand = 0;
    allowance.tickAt = now;
  }
  allowance.demand += 1;
}

/** Units to fetch beyond those that are needed at once: none for a caller with less than two calls in a tick. */
function unitsAhead(allowance: Allowance, sharing: number): number {
  const demand = Math.max(allowance.demand, allowance.demandBefore);
  if (demand < 2) return 0;
  const { main, extra } = allowance;
  const smallest = extra === null ? main.requests : Math.min(main.requests, extra.requests);
  const most = Math.floor((smallest * LEASED_SHARE) / sharing);
  return Math.max(0, Math.min(demand, most) - allowance.units);
}

/** Creates the {@link Leases} of a limiter. */
export function createLeases({ taker, clock, replicas, conclude }: LeasesOptions): Leases {
  const holding = new Set<Allowance>();
  const fetches = new Set<Promise<void>>();

  const spend = (allowance: Allowance, cls: RouteClass | 'any', source: Source, now: number): Admission => {
    addUnits(allowance, -1);
    return conclude(allowance, cls, true, source, now);
  };

  const giveBack = async (allowance: Allowance): Promise<void> => {
    const { units } = allowance;
    if (units === 0) return;
    addUnits(allowance, -units);
    await taker.take(allowance, -units);
  };

  const admitLocally = (allowance: Allowance, cls: RouteClass | 'any', now: number): Admission => {
    const { main, extra } = allowance;
    const count = replicas.known();
    if (localRemaining(main, now, count) > 0 && (extra === null || localRemaining(extra, now, count) > 0)) {
      takeLocally(main, now, count);
      if (extra !== null) takeLocally(extra, now, count);
      return conclude(allowance, cls, true, 'local', now);
    }
    const mainWait = localWait(main, now, count);
    const extraWait = extra === null ? 0 : localWait(extra, now, count);
    allowance.denying = extra !== null && extraWait > mainWait ? extra : main;
    allowance.retryAt = now + Math.max(mainWait, extraWait);
    return conclude(allowance, cls, false, 'local', now);
  };

  const serveWaiters = (allowance: Allowance, granted: number | null, short: boolean): void => {
    const now = clock.now();
    const { waiters } = allowance;
    allowance.waiters = [];
    for (const waiter of waiters) {
      if (allowance.units > 0) waiter.resolve(spend(allowance, waiter.cls, 'store', now));
      else if (granted === null) waiter.resolve(admitLocally(allowance, waiter.cls, now));
      else if (short) waiter.resolve(conclude(allowance, waiter.cls, false, 'store', now));
      else allowance.waiters.push(waiter);
    }
  };

  const fetchUnits = async (allowance: Allowance): Promise<void> => {
    let want = allowance.waiters.length + unitsAhead(allowance, replicas.sharing());
    while (want > 0) {
      // Set beforehand as well: what is granted may be spent before this function goes on.
      allowance.expiresAt = clock.now() + LEASE_MS;
      const granted = await taker.lease(allowance, want);
      if (granted !== null && granted > 0) allowance.expiresAt = clock.now() + LEASE_MS;
      serveWaiters(allowance, granted, granted !== null && granted < want);
      want = allowance.waiters.length === 0 ? 0 : allowance.waiters.length + unitsAhead(allowance, replicas.sharing());
    }
    allowance.lowWater = Math.floor(allowance.units / 2);
    if (allowance.units > 0) holding.add(allowance);
    allowance.asking = false;
  };

  const ask = (allowance: Allowance): void => {
    allowance.asking = true;
    const fetching: Promise<void> = fetchUnits(allowance).finally(() => fetches.delete(fetching));
    fetches.add(fetching);
  };

  const spendLease = (allowance: Allowance, cls: RouteClass | 'any', now: number): Admission => {
    const admission = spend(allowance, cls, 'lease', now);
    if (allowance.units <= allowance.lowWater && !allowance.asking && now >= allowance.holdUntil && !taker.away(now)) {
      ask(allowance);
    }
    return admission;
  };

  const sweeping = clock.every(SWEEP_MS, () => {
    const now = clock.now();
    for (const allowance of holding) {
      if (allowance.units > 0 && now < allowance.expiresAt) continue;
      holding.delete(allowance);
      void giveBack(allowance);
    }
  });

  return {
    admit(allowance, cls) {
      const now = clock.now();
      noteDemand(allowance, now);
      if (allowance.units > 0) {
        if (now < allowance.expiresAt) return spendLease(allowance, cls, now);
        void giveBack(allowance);
      }
      if (taker.away(now)) return admitLocally(allowance, cls, now);
      if (now < allowance.holdUntil) return conclude(allowance, cls, false, 'lease', now);
      return new Promise((resolve) => {
        allowance.waiters.push({ cls, resolve });
        if (!allowance.asking) ask(allowance);
      });
    },
    async [Symbol.asyncDispose]() {
      sweeping[Symbol.dispose]();
      await Promise.all(fetches);
      const kept = [...holding];
      holding.clear();
      await Promise.all(kept.map(giveBack));
    },
  };
}
