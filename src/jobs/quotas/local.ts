import type { Clock } from '../../kernel/index.ts';
import { createMemoryKeyValue } from '../../platform/index.ts';
import { type Settle, settleCall } from './settle-script.ts';
import { readTaken, type Take, type Taken, takeCall } from './take-script.ts';

/** Decides by this replica alone while the store is away: its share of what was left of each number when it last heard. */
export interface LocalShare {
  /** What the store said last; the local counting begins anew after it. */
  heard(take: Pick<Take, 'live' | 'counters'>, taken: Taken): void;
  take(take: Take, replicas: number): Promise<Taken>;
  settle(settle: Settle): Promise<void>;
}

const REMEMBERED = 20_000;

/** What the store said was used, and until when all of it may count. */
interface Known {
  readonly count: number;
  readonly until: number;
}

const NOTHING: Known = { count: 0, until: Number.POSITIVE_INFINITY };

const shareOf = (limit: number | null, known: number, replicas: number): number | null => {
  if (limit === null) return null;
  const left = limit - known;
  return left <= 0 ? 0 : Math.max(1, Math.floor(left / replicas));
};

/** What is used of the whole limit, as far as this replica can tell: all of it when its share is used up. */
function asOfAll(count: number, share: number | null, limit: number | null, known: number): number {
  if (share === null || limit === null) return known + count;
  return count >= share ? Math.max(limit, known) : Math.min(limit - 1, known + count);
}

/** Creates it: the same scripts on a store of its own, with the limits divided. */
export function createLocalShare(clock: Clock): LocalShare {
  // It only ever measures lengths of time: setting the wall clock gives nobody a new minute.
  const steady: Clock = { ...clock, now: () => clock.elapsed() };
  let kv = createMemoryKeyValue({ clock: steady });
  let used = false;
  const known = new Map<string, Known>();
  const note = (key: string, count: number, until: number): void => {
    if (known.size >= REMEMBERED) known.clear();
    known.set(key, { count, until });
  };
  const knownOf = (key: string): Known => {
    const found = known.get(key) ?? NOTHING;
    return found.until > clock.elapsed() ? found : NOTHING;
  };
  return {
    heard({ live, counters }, taken) {
      const more = taken.what === 'taken' ? 1 : 0;
      note(live, taken.live + more, Number.POSITIVE_INFINITY);
      for (const [at, { key, counts }] of counters.entries()) {
        const until = counts === 'members' ? Number.POSITIVE_INFINITY : clock.elapsed() + counts.ms + counts.slotMs;
        note(key, (taken.counters[at]?.used ?? 0) + more, until);
      }
      if (!used) return;
      used = false;
      const old = kv;
      kv = createMemoryKeyValue({ clock: steady });
      void old[Symbol.asyncDispose]();
    },
    async take(take, replicas) {
      used = true;
      const before = knownOf(take.live).count;
      const own = shareOf(take.limit, before, replicas);
      const parts = take.counters.map((counter) => {
        const { count, until } = knownOf(counter.key);
        return { counter, count, until, share: shareOf(counter.limit, count, replicas) };
      });
      const counters = parts.map(({ counter, share: limit }) => ({ ...counter, limit }));
      const taken = readTaken(await kv.run(...takeCall({ ...take, cold: true, limit: own, counters })));
      return {
        ...taken,
        live: asOfAll(taken.live, own, take.limit, before),
        counters: taken.counters.map((one, at) => {
          const { counter, count = 0, until = 0, share = null } = parts[at] ?? {};
          const used = asOfAll(one.used, share, counter?.limit ?? null, count);
          // Nothing is left of the whole: what was known has to end first.
          return { used, wait: share === 0 && counter?.counts !== 'members' ? until - clock.elapsed() : one.wait };
        }),
      };
    },
    async settle(settle) {
      if (used) await kv.run(...settleCall(settle));
    },
  };
}
