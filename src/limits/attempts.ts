import type { Clock } from '../kernel/index.ts';
import type { Allowance } from './allowance.ts';
import { localRemaining, localWait, takeLocally } from './meter.ts';
import type { Taker } from './taker.ts';

/** Whether an attempt may be made against one allowance, and who knew it. */
export interface AttemptAnswer {
  readonly allowance: Allowance;
  readonly allowed: boolean;
  readonly source: 'store' | 'lease' | 'local';
}

/** Counts failed sign-in attempts. */
export interface Attempts {
  /** Looks without taking. */
  look(allowance: Allowance): Promise<AttemptAnswer>;
  /** Takes one failed attempt. */
  charge(allowance: Allowance): Promise<void>;
}

/** Creates the {@link Attempts} of a limiter; with the store away each replica counts its share by itself. */
export function createAttempts(options: {
  readonly taker: Taker;
  readonly clock: Clock;
  readonly replicas: () => number;
}): Attempts {
  const { taker, clock, replicas } = options;
  const lookLocally = (allowance: Allowance): AttemptAnswer => {
    const now = clock.now();
    const wait = localWait(allowance.main, now, replicas());
    allowance.retryAt = now + wait;
    return { allowance, allowed: wait === 0, source: 'local' };
  };
  return {
    async look(allowance) {
      const now = clock.now();
      if (taker.away(now)) return lookLocally(allowance);
      if (now < allowance.holdUntil) return { allowance, allowed: false, source: 'lease' };
      if ((await taker.take(allowance, 0)) === null) return lookLocally(allowance);
      return { allowance, allowed: allowance.main.remaining > 0, source: 'store' };
    },
    async charge(allowance) {
      if (!taker.away(clock.now()) && (await taker.take(allowance, 1)) !== null) return;
      const now = clock.now();
      if (localRemaining(allowance.main, now, replicas()) > 0) takeLocally(allowance.main, now, replicas());
    },
  };
}
