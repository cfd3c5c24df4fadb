import { type Clock, GatewayError } from '../../kernel/index.ts';
import type { AccountWatch } from './account-watch.ts';
import type { JobAnswer, JobAsk, Leaving, WaitEnd, WatchedJob } from './ports.ts';

/** Ends waits early. */
export interface Drain {
  readonly draining: boolean;
  /** Told once when the gateway begins to shut down. */
  onDrain(listener: () => void): Disposable;
}

interface WaitParts {
  readonly watch: AccountWatch;
  readonly clock: Clock;
  readonly drain: Drain;
  /** Milliseconds between two looks at a job that the watcher does not show. */
  readonly interval: () => number;
  /** The job as it is now; `last`: as it was seen here. */
  readonly again: (last: WatchedJob) => Promise<WatchedJob>;
}

const nothing: Disposable = { [Symbol.dispose]: () => undefined };

function onLeaving(leaving: Leaving | undefined, left: () => void): Disposable {
  if (leaving === undefined) return nothing;
  const listener = { handleEvent: left };
  leaving.addEventListener('abort', listener);
  return { [Symbol.dispose]: () => leaving.removeEventListener('abort', listener) };
}

/**
 * What `step` gives, unless the asker leaves or `ms` milliseconds pass before: a wait is not as long as a look at vovserver.
 * Throws GW_UPSTREAM_TIMEOUT, GW_SATURATED when nobody is there any more, GW_DRAINING, and what the step throws.
 */
export async function within<T>(
  step: Promise<T>,
  ms: number,
  { clock, drain, leaving }: Pick<WaitParts, 'clock' | 'drain'> & Pick<JobAsk, 'leaving'>,
): Promise<T> {
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => undefined);
  const left = (): void => over.reject(new GatewayError('GW_SATURATED', 'The caller went away.'));
  const late = 'vovserver has not told within your wait what the job is doing.';
  const draining = 'This replica is shutting down.';
  using _time = clock.after(ms, () => over.reject(new GatewayError('GW_UPSTREAM_TIMEOUT', late, { retryAfter: 1 })));
  using _left = onLeaving(leaving, left);
  using _drain = drain.onDrain(() => over.reject(new GatewayError('GW_DRAINING', draining, { retryAfter: 1 })));
  if (leaving?.aborted === true) left();
  return await Promise.race([over.promise, step]);
}

/** Waits until the job is as wanted, or the time is over, or the asker left, or the gateway shuts down. */
export async function waitForJob(ask: JobAsk, first: WatchedJob, parts: WaitParts): Promise<JobAnswer> {
  const { watch, clock, drain, interval, again } = parts;
  const { jobId, waitMs, isWanted, leaving } = ask;
  if (isWanted(first, first)) return { job: first, end: 'at_once' };
  if (waitMs <= 0) return { job: first, end: 'time' };
  if (drain.draining) return { job: first, end: 'draining' };
  if (leaving?.aborted === true) return { job: first, end: 'left' };
  let job = first;
  const ended = Promise.withResolvers<WaitEnd>();
  const look = (seen: WatchedJob | undefined): void => {
    // An old list must not undo what a newer look has shown.
    if (seen === undefined || seen.seenAt < job.seenAt) return;
    job = seen;
    if (isWanted(job, first)) ended.resolve('wanted');
  };
  // Jobs of others, and those that the watcher has not met yet, are looked at one by one.
  const lookAside = async (): Promise<void> => {
    if (!watch.isShown(jobId)) look(await again(job).catch(() => undefined));
  };
  using _news = watch.listen({ news: () => look(watch.inTable(jobId)) });
  using _time = clock.after(waitMs, () => ended.resolve('time'));
  using _left = onLeaving(leaving, () => ended.resolve('left'));
  using _drain = drain.onDrain(() => ended.resolve('draining'));
  using _aside = clock.every(interval(), () => void lookAside());
  look(watch.inTable(jobId));
  const end = await ended.promise;
  return { job, end };
}
