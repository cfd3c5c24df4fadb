import { type Clock, messageOf } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type HeldLease, type Leases, StoreUnavailable } from '../platform/index.ts';
import { createSlots, type Slots } from './login-slots.ts';

export interface LoginPoolOptions {
  /** How many at once, over all replicas; asked each time. */
  readonly limit: () => number;
  readonly leases: Leases;
  /** Milliseconds after which the slot of a replica that died is free. */
  readonly life: () => number;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly report: Pick<Report, 'log'>;
}

/** Longest time between two looks for a free slot, milliseconds. */
const LOOK_EVERY_MS = 150;

/** Name of the lease of one slot of a pool. */
export const slotLease = (pool: string, place: number): string => `login-slot:${pool}:${place}`;

/**
 * Slots that all replicas share: each is a lease, which its holder extends while it works. Only as many of a replica
 * look for one as could have one; the others wait in order of arrival. While the store is away each replica has its own.
 */
function createLoginPool(name: string, options: LoginPoolOptions): Slots {
  const { limit, leases, life, clock, random, report } = options;
  const local = createSlots(limit);

  const tryPlace = async (place: number): Promise<HeldLease | null | 'away'> => {
    try {
      return await leases.tryAcquire(slotLease(name, place), life());
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) {
        const fields = { event: 'login_pool_failed', pool: name, reason: messageOf(error) };
        report.log.warn(fields, 'the shared store refused a login slot');
      }
      return 'away';
    }
  };
  /** Starts anywhere, so that not all replicas meet at the same place. */
  const tryAll = async (): Promise<HeldLease | null | 'away'> => {
    const places = limit();
    const start = Math.floor(random() * places);
    for (let nth = 0; nth < places; nth += 1) {
      const got = await tryPlace((start + nth) % places);
      if (got !== null) return got;
    }
    return null;
  };
  const acquire = async (signal: AbortSignal): Promise<HeldLease | 'away'> => {
    for (;;) {
      signal.throwIfAborted();
      const got = await tryAll();
      if (got !== null) return got;
      await clock.sleep(Math.min(LOOK_EVERY_MS, life() / 4) * (0.5 + random() / 2), signal);
    }
  };

  return {
    async take(signal) {
      const slot = await local.take(signal);
      let shared: HeldLease | 'away';
      try {
        shared = await acquire(signal);
      } catch (error) {
        slot[Symbol.dispose]();
        throw error;
      }
      return {
        [Symbol.dispose]() {
          // Nobody waits for it: the next one of this replica asks after it on the same connection.
          if (shared !== 'away') shared[Symbol.asyncDispose]().then(undefined, () => undefined);
          slot[Symbol.dispose]();
        },
      };
    },
  };
}

/** Creates the login pools of the queues; `purpose` keeps those of one use apart from those of another. */
export function createLoginPools(purpose: string, options: LoginPoolOptions): (queue: string) => Slots {
  const pools = new Map<string, Slots>();
  return (queue) => {
    const pool = pools.get(queue) ?? createLoginPool(`${purpose}:${queue}`, options);
    pools.set(queue, pool);
    return pool;
  };
}
