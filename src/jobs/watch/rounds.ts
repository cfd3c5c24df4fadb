import { GatewayError } from '../../kernel/index.ts';
import type { Leaving, WatchedJob } from './ports.ts';

/** Who asks for a job. */
export interface Asker {
  readonly subject: string;
  readonly leaving?: Leaving | undefined;
}

/** One who waits for a look-up. */
export interface Waiter {
  readonly jobId: string;
  readonly subject: string;
  readonly promise: Promise<WatchedJob | null>;
  resolve(job: WatchedJob | null): void;
  reject(error: unknown): void;
}

/** Jobs that wait to be looked up, taken by rounds over those who ask. */
export interface Rounds {
  /** Jobs. */
  readonly size: number;
  /** Throws GW_SATURATED when there are too many and nobody asks for more than this one. */
  add(jobId: string, asker: Asker): Waiter;
  /** So many jobs at most, one of each asker in turn, with all who wait for them. */
  take(most: number): ReadonlyMap<string, readonly Waiter[]>;
}

const saturated = (): GatewayError =>
  new GatewayError('GW_SATURATED', 'Too many jobs are being looked up.', { retryAfter: 2 });

function newWaiter(jobId: string, subject: string): Waiter {
  const { promise, resolve, reject } = Promise.withResolvers<WatchedJob | null>();
  promise.catch(() => undefined);
  return { jobId, subject, promise, resolve, reject };
}

/** Creates them for at most so many jobs; who asks for the most makes room for others. */
export function createRounds(mostJobs: number): Rounds {
  const byJob = new Map<string, Set<Waiter>>();
  /** Jobs of each asker, in the order of the asking. */
  const bySubject = new Map<string, Map<string, Set<Waiter>>>();

  const drop = (waiter: Waiter): void => {
    const { jobId, subject } = waiter;
    const all = byJob.get(jobId);
    if (all?.delete(waiter) === true && all.size === 0) byJob.delete(jobId);
    const jobs = bySubject.get(subject);
    const mine = jobs?.get(jobId);
    if (mine?.delete(waiter) === true && mine.size === 0) jobs?.delete(jobId);
    if (jobs?.size === 0) bySubject.delete(subject);
  };
  const makeRoom = (subject: string): void => {
    if (byJob.size < mostJobs) return;
    let most: ReadonlyMap<string, Set<Waiter>> = new Map();
    for (const jobs of bySubject.values()) if (jobs.size > most.size) most = jobs;
    if ((bySubject.get(subject)?.size ?? 0) + 1 >= most.size) throw saturated();
    for (const waiter of [...([...most.values()].at(-1) ?? [])]) {
      drop(waiter);
      waiter.reject(saturated());
    }
  };
  const put = (waiter: Waiter): void => {
    const { jobId, subject } = waiter;
    byJob.set(jobId, (byJob.get(jobId) ?? new Set()).add(waiter));
    const jobs = bySubject.get(subject) ?? new Map<string, Set<Waiter>>();
    bySubject.set(subject, jobs);
    jobs.set(jobId, (jobs.get(jobId) ?? new Set()).add(waiter));
  };
  /** Nobody is there any more for whom it could be looked up. */
  const watchLeaving = (waiter: Waiter, leaving: Leaving): void => {
    const left = (): void => {
      drop(waiter);
      waiter.reject(new GatewayError('GW_SATURATED', 'The caller went away.'));
    };
    if (leaving.aborted) {
      left();
      return;
    }
    const listener = { handleEvent: left };
    leaving.addEventListener('abort', listener);
    const stop = (): void => leaving.removeEventListener('abort', listener);
    waiter.promise.then(stop, stop);
  };

  return {
    get size() {
      return byJob.size;
    },
    add(jobId, { subject, leaving }) {
      if (!byJob.has(jobId)) makeRoom(subject);
      const waiter = newWaiter(jobId, subject);
      put(waiter);
      if (leaving !== undefined) watchLeaving(waiter, leaving);
      return waiter;
    },
    take(most) {
      const taken = new Map<string, readonly Waiter[]>();
      while (taken.size < most && bySubject.size > 0) {
        for (const [subject, jobs] of [...bySubject]) {
          if (taken.size >= most) break;
          // Whoever had a turn is last in the next round.
          bySubject.delete(subject);
          bySubject.set(subject, jobs);
          const [jobId] = jobs.keys();
          if (jobId === undefined) {
            bySubject.delete(subject);
            continue;
          }
          const waiters = [...(byJob.get(jobId) ?? [])];
          for (const waiter of waiters) drop(waiter);
          taken.set(jobId, waiters);
        }
      }
      return taken;
    },
  };
}
