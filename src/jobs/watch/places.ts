import { GatewayError } from '../../kernel/index.ts';

/** How many may wait. */
export interface PlaceLimits {
  readonly waitsPerIdentity: number;
  readonly streamsPerIdentity: number;
  /** Waits and streams of everyone on this replica. */
  readonly total: number;
}

type Kind = 'wait' | 'stream';

/** Counts who waits, by identity. */
export interface Places {
  /** Throws GW_RATE_LIMITED when there is none. Disposing it gives it back, once. */
  take(kind: Kind, queue: string, subject: string): Disposable;
}

const full = (detail: string): GatewayError => new GatewayError('GW_RATE_LIMITED', detail, { retryAfter: 5 });

/** Creates them; `onCount` is told how many of a kind there are on a queue. */
export function createPlaces(
  limits: () => PlaceLimits,
  onCount: (queue: string, kind: Kind, count: number) => void,
): Places {
  const bySubject = new Map<string, number>();
  const byQueue = new Map<string, number>();
  let total = 0;
  const add = (counts: Map<string, number>, key: string, by: number): number => {
    const count = (counts.get(key) ?? 0) + by;
    if (count === 0) counts.delete(key);
    else counts.set(key, count);
    return count;
  };
  return {
    take(kind, queue, subject) {
      const { waitsPerIdentity, streamsPerIdentity, total: most } = limits();
      const key = JSON.stringify([kind, subject]);
      const mine = kind === 'wait' ? waitsPerIdentity : streamsPerIdentity;
      if (total >= most) throw full('Too many clients wait here; come again a little later.');
      if ((bySubject.get(key) ?? 0) >= mine) {
        throw full(kind === 'wait' ? `You may have ${mine} waits at once.` : `You may have ${mine} streams at once.`);
      }
      const change = (by: number): void => {
        total += by;
        add(bySubject, key, by);
        onCount(queue, kind, add(byQueue, JSON.stringify([kind, queue]), by));
      };
      change(1);
      let held = true;
      return {
        [Symbol.dispose]() {
          if (held) change(-1);
          held = false;
        },
      };
    },
  };
}
