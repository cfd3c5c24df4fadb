import type { Allowance } from './allowance.ts';

/** A lease covers the demand of one tick. */
const TICK_MS = 100;
/** Largest share of a bucket that all replicas together may hold in leases of one kind. */
const LEASED_SHARE = 0.04;

/** Counts one call at `now`, a time of `Clock.elapsed`. */
export function noteDemand(allowance: Allowance, now: number): void {
  const age = now - allowance.tickAt;
  if (age >= TICK_MS) {
    allowance.demandBefore = age < 2 * TICK_MS ? allowance.demand : 0;
    allowance.demand = 0;
    allowance.tickAt = now;
  }
  allowance.demand += 1;
}

/** Units to fetch beyond those that are needed at once: none for a caller with less than two calls in a tick. */
export function unitsAhead(allowance: Allowance, sharing: number): number {
  const demand = Math.max(allowance.demand, allowance.demandBefore);
  if (demand < 2) return 0;
  const { main, extra } = allowance;
  const smallest = extra === null ? main.requests : Math.min(main.requests, extra.requests);
  const most = Math.floor((smallest * LEASED_SHARE) / sharing);
  return Math.max(0, Math.min(demand, most) - allowance.units);
}
