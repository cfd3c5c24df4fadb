import type { RouteClass } from '../kernel/index.ts';
import type { Meter } from './meter.ts';
import type { Admission } from './ports.ts';

/** Where a decision came from; see `Report.limit`. */
export type Source = 'store' | 'lease' | 'local';

/** A call that waits for the store's answer. */
export interface Waiter {
  readonly cls: RouteClass | 'any';
  readonly resolve: (admission: Admission) => void;
}

/**
 * Units that calls of one kind draw on: each unit was charged to every meter of the allowance at once, so that a denial
 * by one meter leaves nothing behind in the other.
 */
export interface Allowance {
  readonly main: Meter;
  readonly extra: Meter | null;
  /** Keys and terms of the take script. */
  readonly keys: readonly string[];
  readonly terms: readonly number[];
  /** Leased units, valid until `expiresAt`; at `lowWater` the next batch is fetched. */
  units: number;
  lowWater: number;
  expiresAt: number;
  /** The store said “empty”: it is not asked before this time. */
  holdUntil: number;
  /** When the meter that denied last can give a unit again. */
  retryAt: number;
  denying: Meter;
  /** Demand in the current and the previous tick. */
  tickAt: number;
  demand: number;
  demandBefore: number;
  asking: boolean;
  waiters: Waiter[];
}

/** An allowance with nothing leased yet. Both meters' keys must share a hash tag. */
export function createAllowance(main: Meter, extra: Meter | null): Allowance {
  const meters = extra === null ? [main] : [main, extra];
  return {
    main,
    extra,
    keys: meters.map((meter) => meter.key),
    terms: meters.flatMap((meter) => [meter.requests, meter.window]),
    units: 0,
    lowWater: 0,
    expiresAt: 0,
    holdUntil: 0,
    retryAt: 0,
    denying: main,
    tickAt: 0,
    demand: 0,
    demandBefore: 0,
    asking: false,
    waiters: [],
  };
}

/** Adds to (or, negative, takes from) the leased units. */
export function addUnits(allowance: Allowance, units: number): void {
  allowance.units += units;
  allowance.main.held += units;
  if (allowance.extra !== null) allowance.extra.held += units;
}
