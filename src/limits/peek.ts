import type { Clock, Identity } from '../kernel/index.ts';
import { createAllowance } from './allowance.ts';
import { localRemaining, type Meter, policyState } from './meter.ts';
import type { PolicyState } from './ports.ts';
import type { Taker } from './taker.ts';

export interface PeekParts {
  readonly taker: Taker;
  readonly clock: Clock;
  /** The number of replicas that local shares count by. */
  readonly replicas: () => number;
  /** The meters that the limits put on an identity; empty when there are none. */
  readonly metersOf: (identity: Identity) => readonly Meter[];
}

/** Creates {@link Limiter.peek}: one look at each meter in the store; with the store away what this replica knows. */
export function createPeek({ taker, clock, replicas, metersOf }: PeekParts) {
  const look = async (meter: Meter): Promise<PolicyState> => {
    // A copy: an answer that is overtaken by a lease must not overwrite what the lease noted.
    const copy: Meter = { ...meter };
    const seen = taker.away(clock.elapsed()) ? null : await taker.take(createAllowance(copy, null), 0);
    const now = clock.elapsed();
    if (seen === null) return policyState(meter, localRemaining(meter, now, replicas()), now);
    // What is leased here and not used yet is charged in the store, but still this identity's to use.
    return policyState(copy, Math.min(meter.requests, copy.remaining + meter.held), now);
  };
  return (identity: Identity): Promise<readonly PolicyState[]> => Promise.all(metersOf(identity).map(look));
}
