import { type Account, type Clock, GatewayError, type JobState } from '../../kernel/index.ts';
import type { Origin, Origins } from '../ports.ts';
import { createShortMemory } from '../short-memory.ts';
import { isFinal, stateOf } from './job-state.ts';
import type { WatchedJob } from './ports.ts';

/** Milliseconds: a job may be seen right before it is written down who submitted it. */
const WRITTEN_DOWN = 300;
/** Milliseconds, as in `short-memory.ts`: a number may begin anew with another server. */
const LIFE = 60_000;
const REMEMBERED = 20_000;
/** Milliseconds: a job may be seen so long before its submission is answered, which is when it is recorded. */
const ANSWERED = 120_000;
/** Records that are read at once. */
const AT_ONCE = 100;

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
  /**
   * By job id, each once: null without a record, and nothing for what cannot be read now. Waits once for what is not written
   * down yet.
   */
  ofAll(jobs: readonly WatchedJob[]): Promise<ReadonlyMap<string, string | null>>;
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

/** What is known of the submitters: for a minute, until the server changes, and until a job goes back to its beginning. */
function createMemory(clock: Clock, epoch: () => string) {
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
  return { keep, recall, isDoubtful };
}

/** Creates the answers to who submitted what, from memory or from the record. */
export function createSubmitters({ account, origins, clock, epoch }: SubmittersOptions): Submitters {
  const { keep, recall, isDoubtful } = createMemory(clock, epoch);
  /** Jobs that had no record when they were asked for twice. */
  const unrecorded = createShortMemory<true>(clock);
  const absentKey = ({ jobId }: WatchedJob): string => JSON.stringify([epoch(), jobId]);

  /** Null without a record. */
  const read = async (job: WatchedJob, late: boolean): Promise<string | null> => {
    const origin = await origins.find(account.queue, job.jobId);
    // A later record is that of the next job of this number.
    if (origin === null || origin.account !== account.name || origin.submittedAt > job.seenAt + ANSWERED) return null;
    if (!late && isDoubtful(job, origin)) return DOUBTFUL;
    keep(job, { subject: origin.subject, until: clock.now() + LIFE });
    return origin.subject;
  };
  /** Undefined when it cannot be read. */
  const readSafely = (job: WatchedJob, late: boolean): Promise<string | null | undefined> =>
    read(job, late).catch((error: unknown) => {
      if (error instanceof GatewayError) return undefined;
      throw error;
    });
  /** What is found of these goes into `found`; gives those of which more may be known in a moment. */
  const readAll = async (
    jobs: readonly WatchedJob[],
    late: boolean,
    found: Map<string, string | null>,
  ): Promise<WatchedJob[]> => {
    const again: WatchedJob[] = [];
    for (let at = 0; at < jobs.length; at += AT_ONCE) {
      const some = jobs.slice(at, at + AT_ONCE);
      const subjects = await Promise.all(some.map((job) => recall(job) ?? readSafely(job, late)));
      for (const [index, job] of some.entries()) {
        const subject = subjects[index];
        if (subject !== DOUBTFUL && subject !== undefined) found.set(job.jobId, subject);
        if (subject === null || subject === DOUBTFUL) again.push(job);
      }
      // What cannot be read now cannot be read in a moment either.
      if (subjects.includes(undefined)) break;
    }
    return again;
  };

  return {
    async of(job) {
      const subject = recall(job) ?? (await read(job, false));
      if (subject !== DOUBTFUL) return subject;
      await clock.sleep(WRITTEN_DOWN);
      return await read(job, true);
    },
    async ofAll(jobs) {
      const found = new Map<string, string | null>();
      const lacking = await readAll(jobs, false, found);
      const again = lacking.filter((job) => found.get(job.jobId) !== null || unrecorded.get(absentKey(job)) === null);
      if (again.length === 0) return found;
      await clock.sleep(WRITTEN_DOWN);
      await readAll(again, true, found);
      for (const job of again) if (found.get(job.jobId) === null) unrecorded.put(absentKey(job), true);
      return found;
    },
  };
}
