import type { Clock } from '../../src/kernel/index.ts';

/** What a call is for vovserver. */
export type Work = 'login' | 'submit' | 'control' | 'list' | 'read';

/** Most calls of each kind that were under way at once since `at`, until the next entry. */
export type Peaks = Readonly<Record<Work, number>> & { readonly at: number };

/** Milliseconds of one entry. */
const STEP = 20;
/** Entries that are kept: an hour of steady load. */
const KEPT = 180_000;

/** Counts the calls that are under way, for whoever claims that there are never more than so many. */
export interface UnderWay {
  readonly peaks: Peaks[];
  /** A call came; call what is given when its work is done and its answer out. */
  begin(work: Work): () => void;
}

/** The kind of a call, by method and path. */
export function workOf(method: string, target: string): Work {
  const path = target.split('?', 1)[0] ?? '';
  if (method === 'POST') return path === '/api/v3/token' ? 'login' : 'submit';
  if (method !== 'GET' && method !== 'HEAD') return 'control';
  return path === '/api/v3/query' || /^\/api\/v3\/jobs\/?$/.test(path) ? 'list' : 'read';
}

/** Makes counters at zero. */
export function createUnderWay(clock: Pick<Clock, 'now'>): UnderWay {
  const now: Record<Work, number> = { login: 0, submit: 0, control: 0, list: 0, read: 0 };
  const peaks: (Record<Work, number> & { at: number })[] = [];
  return {
    peaks,
    begin(work) {
      const at = clock.now();
      const last = peaks.at(-1);
      const entry = last === undefined || at >= last.at + STEP ? { ...now, at } : last;
      if (entry !== last) peaks.push(entry);
      if (peaks.length > KEPT) peaks.splice(0, KEPT / 10);
      now[work] += 1;
      entry[work] = Math.max(entry[work], now[work]);
      return () => {
        now[work] -= 1;
      };
    },
  };
}
