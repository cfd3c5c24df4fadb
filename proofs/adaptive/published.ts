import type { Peaks } from '../../standin/vovserver/under-way.ts';

/** The limit of the list lane as the replicas publish it, over time. */
export interface Published extends Disposable {
  readonly seen: { readonly at: number; readonly limit: number }[];
}

/** Looks at the ledger in Redis every 50 ms; while it is away the last limit stays. */
export function watchPublished(read: () => Promise<unknown>): Published {
  const seen: { at: number; limit: number }[] = [];
  let reading = false;
  const timer = setInterval(() => {
    if (reading) return;
    reading = true;
    read()
      .then((text) => {
        const ledger = JSON.parse(String(text)) as { pools?: Record<string, { law?: { limit?: number } | null }> };
        const limit = ledger.pools?.['proof list']?.law?.limit;
        if (limit !== undefined && seen.at(-1)?.limit !== limit) seen.push({ at: Date.now(), limit });
      })
      .catch(() => undefined)
      .finally(() => {
        reading = false;
      });
  }, 50);
  return { seen, [Symbol.dispose]: () => clearInterval(timer) };
}

/** Entries with more lists under way than the highest limit that held within the `graceMs` before their end. */
export function above(peaks: readonly Peaks[], seen: Published['seen'], graceMs: number): string[] {
  return peaks.flatMap(({ at, list }) => {
    let most = 0;
    for (const [index, { at: since, limit }] of seen.entries()) {
      const until = seen[index + 1]?.at ?? Number.POSITIVE_INFINITY;
      if (since <= at + 100 && until >= at - graceMs) most = Math.max(most, limit);
    }
    return list > most ? [`${list} > ${most}`] : [];
  });
}
