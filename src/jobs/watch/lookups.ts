import { type Clock, GatewayError, messageOf } from '../../kernel/index.ts';
import type { SubmissionWay } from '../ports.ts';
import type { WatchedJob } from './ports.ts';
import { type Asker, createRounds } from './rounds.ts';
import type { Serial } from './serial.ts';
import { type FieldSet, idsQuery, isMisunderstood, jobTarget, MOST_IDS, readJob, readJobs } from './watch-query.ts';

/** Jobs that may wait to be looked up, and that are remembered. */
const MOST_PENDING = 5000;
const REMEMBERED = 5000;
/** Jobs that may wait to be read one by one. */
const MOST_CONFIRMING = 20;

/** Which fields vovserver is known to have; one for each queue. */
export interface Dialect {
  fields: FieldSet;
}

export interface LookupsOptions {
  readonly way: Pick<SubmissionWay, 'read'>;
  readonly serial: Serial;
  readonly dialect: Dialect;
  readonly clock: Clock;
  /** Milliseconds between two calls at least. */
  readonly gap: () => number;
  /** Told of every call and of every job that was seen. */
  readonly onCall: (ok: boolean) => void;
  readonly onSeen: (job: WatchedJob) => void;
}

/** Looks single jobs up, many with one call. */
export interface Lookups {
  /** The job, null when vovserver knows none; at most `maxAge` milliseconds old. Throws GatewayError. */
  find(jobId: string, maxAge: number, asker: Asker): Promise<WatchedJob | null>;
  /** The job as it was looked up last; undefined when it was not, or is not there. */
  recall(jobId: string): WatchedJob | undefined;
  /** Looks many up at once. Throws GatewayError. */
  findAll(ids: readonly string[]): Promise<ReadonlyMap<string, WatchedJob>>;
  /**
   * Reads one job itself: a list may come from an old copy, this does not. Null when vovserver knows no such job. Throws
   * GatewayError, also when vovserver does not tell.
   */
  confirm(jobId: string): Promise<WatchedJob | null>;
}

interface Known {
  readonly job: WatchedJob | null;
  readonly at: number;
}

const unreadable = (error: unknown): GatewayError =>
  error instanceof GatewayError
    ? error
    : new GatewayError('GW_UPSTREAM_INVALID', 'The answer of vovserver cannot be read.', {
        internal: messageOf(error),
        cause: error,
      });

/** Asks for jobs by their ids, with plainer fields when vovserver does not understand. Throws GatewayError. */
export async function askJobs(
  { way, dialect, clock, onCall }: Pick<LookupsOptions, 'way' | 'dialect' | 'clock' | 'onCall'>,
  targetOf: (fields: FieldSet) => string,
): Promise<WatchedJob[]> {
  try {
    for (;;) {
      const { fields } = dialect;
      const answer = await way.read(targetOf(fields));
      const jobs = readJobs(answer, fields, clock.now());
      if (jobs !== null) {
        onCall(true);
        return jobs;
      }
      if (fields === 'plain' || !isMisunderstood(answer)) {
        const detail = 'vovserver does not tell what the jobs are doing.';
        throw new GatewayError('GW_UPSTREAM_INVALID', detail, { internal: `status ${answer.status} to a query` });
      }
      dialect.fields = 'plain';
    }
  } catch (error) {
    onCall(false);
    throw unreadable(error);
  }
}

async function askJob({ way, clock, onCall }: LookupsOptions, jobId: string): Promise<WatchedJob | null> {
  try {
    const answer = await way.read(jobTarget(jobId));
    const job = readJob(answer, jobId, clock.now());
    if (job !== undefined) {
      onCall(true);
      return job;
    }
    const detail = 'vovserver does not tell what the job is doing.';
    throw new GatewayError('GW_UPSTREAM_INVALID', detail, { internal: `status ${answer.status} to a read of a job` });
  } catch (error) {
    onCall(false);
    throw unreadable(error);
  }
}

/** Creates the look-ups of one account. */
export function createLookups(options: LookupsOptions): Lookups {
  const { serial, clock, gap, onSeen } = options;
  const known = new Map<string, Known>();
  const pending = createRounds(MOST_PENDING);
  /** From when a call is planned until it ended: who asks meanwhile goes with the next. */
  let planned = false;
  let lastAt = Number.NEGATIVE_INFINITY;

  const remember = (jobId: string, job: WatchedJob | null): void => {
    known.delete(jobId);
    known.set(jobId, { job, at: clock.now() });
    if (job !== null) onSeen(job);
    for (const oldest of known.keys()) {
      if (known.size <= REMEMBERED) return;
      known.delete(oldest);
    }
  };
  const findAll = async (ids: readonly string[]): Promise<ReadonlyMap<string, WatchedJob>> => {
    const found = new Map<string, WatchedJob>();
    for (let from = 0; from < ids.length; from += MOST_IDS) {
      const some = ids.slice(from, from + MOST_IDS);
      const jobs = await serial(() => askJobs(options, (fields) => idsQuery(some, fields)));
      lastAt = clock.now();
      for (const job of jobs) if (some.includes(job.jobId)) found.set(job.jobId, job);
      for (const jobId of some) remember(jobId, found.get(jobId) ?? null);
    }
    return found;
  };
  const flush = async (): Promise<void> => {
    const asked = pending.take(MOST_IDS);
    const all = [...asked.values()].flat();
    try {
      const found = await findAll([...asked.keys()]);
      for (const { jobId, resolve } of all) resolve(found.get(jobId) ?? null);
    } catch (error) {
      for (const { reject } of all) reject(error);
    } finally {
      planned = false;
      if (pending.size > 0) schedule();
    }
  };
  const schedule = (): void => {
    if (planned) return;
    planned = true;
    clock.after(Math.max(0, lastAt + gap() - clock.now()), () => void flush());
  };

  const confirming = new Map<string, Promise<WatchedJob | null>>();
  const confirm = (jobId: string): Promise<WatchedJob | null> => {
    const running = confirming.get(jobId);
    if (running !== undefined) return running;
    if (confirming.size >= MOST_CONFIRMING) {
      const detail = 'Lists of vovserver are old, and too many jobs are being read one by one.';
      return Promise.reject(new GatewayError('GW_SATURATED', detail, { retryAfter: 2 }));
    }
    const next = serial(() => askJob(options, jobId))
      .then((job) => {
        remember(jobId, job);
        return job;
      })
      .finally(() => confirming.delete(jobId));
    confirming.set(jobId, next);
    return next;
  };

  return {
    findAll,
    confirm,
    recall: (jobId) => known.get(jobId)?.job ?? undefined,
    async find(jobId, maxAge, asker) {
      const one = known.get(jobId);
      if (one !== undefined && clock.now() - one.at < maxAge) return one.job;
      const waiter = pending.add(jobId, asker);
      schedule();
      return waiter.promise;
    },
  };
}
