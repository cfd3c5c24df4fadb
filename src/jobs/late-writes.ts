import { type Clock, messageOf } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { StoreUnavailable } from '../platform/index.ts';

/** Milliseconds until the next try after each failure; about four minutes in all. */
const PAUSES = [200, 1000, 3000, 10_000, 30_000, 60_000, 120_000];
const MOST = 2000;

/** Writes what became of a submission, later when the store is away: what is known should not be lost with it. */
export type LateWrites = (
  what: string,
  step: () => Promise<unknown>,
  /** Told instead of the log when it is given up. */
  lost?: (error: unknown) => void,
) => Promise<void>;

/** Creates them; a write never throws, and waits for its first try only. At most 2000 wait at once. */
export function createLateWrites(clock: Clock, report: Pick<Report, 'log'>): LateWrites {
  let waiting = 0;
  const tell = (what: string, error: unknown): void =>
    report.log.error({ event: 'submission_not_kept', reason: what, error }, 'what became of a submission is not kept');
  const attempt = async (
    what: string,
    step: () => Promise<unknown>,
    tries: number,
    lost?: (error: unknown) => void,
  ): Promise<void> => {
    try {
      await step();
    } catch (error) {
      const pause = PAUSES[tries];
      const away = error instanceof StoreUnavailable;
      if (!away || pause === undefined || waiting >= MOST) {
        if (lost === undefined) tell(what, error);
        else lost(error);
        return;
      }
      if (tries === 0) {
        report.log.warn({ event: 'submission_kept_later', reason: messageOf(error) }, what);
      }
      waiting += 1;
      clock.after(pause, () => {
        waiting -= 1;
        void attempt(what, step, tries + 1, lost);
      });
    }
  };
  return (what, step, lost) => attempt(what, step, 0, lost);
}
