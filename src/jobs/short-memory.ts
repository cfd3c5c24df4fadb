import type { Clock } from '../kernel/index.ts';

/** The owner of a job never changes, but a number may begin anew with another server. */
const LIFE_MS = 60_000;
const MOST = 50_000;

/** Values by key for a while, a bounded number of them; null for what is not known. */
export interface ShortMemory<T> {
  get(key: string): T | null;
  put(key: string, value: T): void;
}

/** Creates a memory that forgets after `life` milliseconds, and the oldest first. */
export function createShortMemory<T>(clock: Clock, life = LIFE_MS): ShortMemory<T> {
  const known = new Map<string, { readonly value: T; readonly until: number }>();
  return {
    get(key) {
      const kept = known.get(key);
      if (kept === undefined) return null;
      const left = kept.until - clock.now();
      // A clock that was set back must not prolong it.
      return left > 0 && left <= life ? kept.value : null;
    },
    put(key, value) {
      known.delete(key);
      known.set(key, { value, until: clock.now() + life });
      if (known.size <= MOST) return;
      for (const oldest of known.keys()) {
        known.delete(oldest);
        return;
      }
    },
  };
}
