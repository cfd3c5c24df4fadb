import { type Account, type Clock, GatewayError, type JobState } from '../../kernel/index.ts';
import type { Origin, Origins } from '../ports.ts';
import { isFinal, stateOf } from './job-state.ts';
import type { WatchedJob } from './ports.ts';

/** Milliseconds: a job may be seen right before it is written down who submitted it. */
const WRITTEN_DOWN = 300;
/** Milliseconds, as in `short-memory.ts`: a number may begin anew with another server. */
const LIFE = 60_000;
const REMEMBERED = 20_000;

export interface SubmittersOptions {
  readonly account: Account;
  readonly origins: Pick<Origins, 'find'>;
  readonly clock: Clock;
  /** Names the server that numbers the jobs. */
  readonly epoch: () => string;
}

/** Who submitted the jobs of a shared account. */
export interface Submitters {
  /** Null when it is not known. Throws GW_STORE_UNAVAILABLE. */
  of(job: WatchedJob): Promise<string | null>;
  /** By job id, as far as it is known; waits once for what is not written down yet. */
  ofAll(jobs: readonly WatchedJob[]): Promise<ReadonlyMap<string, string>>;
}

/** In the place of a subject: ask again in a moment. No subject is empty. */
const DOUBTFUL = '';

interface Known {
  readonly subject: string;
  readonly until: number;
  readonly epoch: string;
  readonly step: number;
  readonly ended: number;
}

const BEGINNING: readonly JobState[] = ['idle', 'queued', 'sleeping', 'withdrawn'];
const stepOf = (state: JobState): number => (BEGINNING.includes(state) ? 0 : isFinal(state) ? 2 : 1);

/** A job that begins once more may be another one of the same number. */
const isBack = (known: Pick<Known, 'step' | 'ended'>, { state, ended }: WatchedJob): boolean =>
  stepOf(state) < known.step || (known.ended > 0 && ended > 0 && ended !== known.ended);

/** Creates the memory of them: for a minute, until the server changes, and until a job goes back to its beginning. */
export function createSubmitters({ account, origins, clock, epoch }: SubmittersOptions): Submitters {
  const kept = new Map<string, Known>();

  const keep = ({ jobId, state, ended }: WatchedJob, known: Pick<Known, 'subject' | 'until'>): void => {
    kept.delete(jobId);
    kept.set(jobId, { ...known, epoch: epoch(), step: stepOf(state), ended });
    for (const oldest of kept.keys()) {
      if (kept.size <= REMEMBERED) break;
      kept.delete(oldest);
    }
  };
  const recall = (job: WatchedJob): string | null => {
    const known = kept.get(job.jobId);
    if (known === undefined || known.epoch !== epoch() || isBack(known, job)) return null;
    const left = known.until - clock.now();
    // A clock that was set back must not prolong it.
    if (left <= 0 || left > LIFE) return null;
    if (stepOf(job.state) > known.step || job.ended > known.ended) keep(job, known);
    return known.subject;
  };
  /** Whether the record may still be that of the former job of this number. */
  const isDoubtful = (job: WatchedJob, origin: Origin): boolean => {
    const known = kept.get(job.jobId);
    if (known !== undefined && isBack(known, job)) return true;
    return !isFinal(job.state) && isFinal(stateOf(origin.lastSeen?.status ?? ''));
  };
  const read = async (job: WatchedJob, late: boolean): Promise<string | null> => {
    const origin = await origins.find(account.queue, job.jobId);
    if (origin === null || origin.account !== account.name) return null;
    if (!late && isDoubtful(job, origin)) return DOUBTFUL;
    keep(job, { subject: origin.subject, until: clock.now() + LIFE });
    return origin.subject;
  };
  const readSafely = (job: WatchedJob, late: boolean): Promise<string | null> =>
    read(job, late).catch((error: unknown) => {
      if (error instanceof GatewayError) return null;
      throw error;
    });

  return {
    async of(job) {
      const subject = recall(job) ?? (await read(job, false));
      if (subject !== DOUBTFUL) return subject;
      await clock.sleep(WRITTEN_DOWN);
      return await read(job, true);
    },
    async ofAll(jobs) {
      const found = new Map<string, string>();
      const asked: WatchedJob[] = [];
      for (const job of jobs) {
        const subject = recall(job) ?? (await readSafely(job, false));
        if (subject === null || subject === DOUBTFUL) asked.push(job);
        else found.set(job.jobId, subject);
      }
      if (asked.length > 0) await clock.sleep(WRITTEN_DOWN);
      for (const job of asked) {
        const subject = await readSafely(job, true);
        if (subject !== null) found.set(job.jobId, subject);
      }
      return found;
    },
  };
}
