import type { Clock } from '../../kernel/index.ts';
import { createMemoryKeyValue } from '../../platform/index.ts';
import type { Counter } from './counters.ts';
import { type Settle, settleCall } from './settle-script.ts';
import { readTaken, type Take, type Taken, takeCall } from './take-script.ts';

/** Decides by this replica alone while the store is away: its share of each number, live jobs by the last known ones. */
export interface LocalShare {
  /** What the store said last; the local counting begins anew after it. */
  heard(take: Pick<Take, 'live' | 'counters'>, taken: Taken): void;
  take(take: Take, replicas: number): Promise<Taken>;
  settle(settle: Settle): Promise<void>;
}

const REMEMBERED = 20_000;

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
  const known = new Map<string, number>();
  const note = (key: string, count: number): void => {
    if (known.size >= REMEMBERED) known.clear();
    known.set(key, count);
  };
  const shared = (counters: readonly Counter[], replicas: number): Counter[] =>
    counters.map((counter) => {
      const before = counter.counts === 'members' ? (known.get(counter.key) ?? 0) : 0;
      return { ...counter, limit: shareOf(counter.limit, before, replicas) };
    });
  return {
    heard({ live, counters }, taken) {
      const more = taken.what === 'taken' ? 1 : 0;
      note(live, taken.live + more);
      for (const [at, { key, counts }] of counters.entries()) {
        if (counts === 'members') note(key, (taken.counters[at]?.used ?? 0) + more);
      }
      if (!used) return;
      used = false;
      const old = kv;
      kv = createMemoryKeyValue({ clock: steady });
      void old[Symbol.asyncDispose]();
    },
    async take(take, replicas) {
      used = true;
      const before = known.get(take.live) ?? 0;
      const own = shareOf(take.limit, before, replicas);
      const counters = shared(take.counters, replicas);
      const taken = readTaken(await kv.run(...takeCall({ ...take, cold: true, limit: own, counters })));
      return {
        ...taken,
        live: asOfAll(taken.live, own, take.limit, before),
        counters: taken.counters.map(({ used: count, wait }, at) => {
          const { key = '', counts, limit = null } = take.counters[at] ?? {};
          const earlier = counts === 'members' ? (known.get(key) ?? 0) : 0;
          return { used: asOfAll(count, counters[at]?.limit ?? null, limit, earlier), wait };
        }),
      };
    },
    async settle(settle) {
      if (used) await kv.run(...settleCall(settle));
    },
  };
}
