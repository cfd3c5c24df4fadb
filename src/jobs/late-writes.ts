import { type Clock, messageOf } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { StoreUnavailable } from '../platform/index.ts';

/** Milliseconds until the next try after each failure; the last one again and again, for an hour in all. */
const PAUSES = [200, 1000, 3000, 5000, 10_000, 30_000, 60_000];
const TRIES = PAUSES.length + 58;
const MOST = 2000;

/** Who is told, instead of the log, of a write that waits and of one that is given up. */
export interface LateTold {
  waits(error: unknown): void;
  lost(error: unknown): void;
}

/** Writes what became of a submission, later when the store is away: what is known should not be lost with it. */
export type LateWrites = (what: string, step: () => Promise<unknown>, told?: LateTold) => Promise<void>;

/** Creates them; a write never throws, and waits for its first try only. At most 2000 wait at once. */
export function createLateWrites(clock: Clock, report: Pick<Report, 'log'>): LateWrites {
  let waiting = 0;
  const inLog = (what: string): LateTold => ({
    waits: (error) => report.log.warn({ event: 'submission_kept_later', reason: messageOf(error) }, what),
    lost: (error) => {
      const fields = { event: 'submission_not_kept', reason: what, error };
      report.log.error(fields, 'what became of a submission is not kept');
    },
  });
  const attempt = async (step: () => Promise<unknown>, tries: number, told: LateTold): Promise<void> => {
    try {
      await step();
    } catch (error) {
      const pause = tries < TRIES ? (PAUSES[tries] ?? PAUSES.at(-1)) : undefined;
      if (!(error instanceof StoreUnavailable) || pause === undefined || waiting >= MOST) return told.lost(error);
      if (tries === 0) told.waits(error);
      waiting += 1;
      clock.after(pause, () => {
        waiting -= 1;
        void attempt(step, tries + 1, told);
      });
    }
  };
  return (what, step, told = inLog(what)) => attempt(step, 0, told);
}
