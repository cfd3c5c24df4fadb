import { type Account, type Clock, GatewayError, type Identity } from '../../kernel/index.ts';
import type { Origin, Origins } from '../ports.ts';
import { type AccountWatch, seesAll } from './account-watch.ts';
import { isFinal, stateOf } from './job-state.ts';
import type { JobAsk, WatchedJob } from './ports.ts';

/** Milliseconds: what is asked for at once may be so old. */
export const LOOKUP_GAP = 1000;

export interface CurrentParts {
  readonly origins: Pick<Origins, 'find'>;
  readonly clock: Clock;
  /** Milliseconds between two looks at all jobs. */
  readonly interval: () => number;
  /** Milliseconds that a list of vovserver may be old. */
  readonly readAge: () => number;
}

/** Tells what one job is doing now. `last`: as the same caller saw it before. Throws GW_NOT_FOUND, and what a read throws. */
export type Current = (
  watch: AccountWatch,
  ask: Pick<JobAsk, 'account' | 'identity' | 'jobId' | 'leaving'>,
  last?: WatchedJob,
) => Promise<WatchedJob>;

export const unknownJob = (): GatewayError =>
  new GatewayError('GW_NOT_FOUND', 'There is no job of yours with this id.');

/** What the gateway last saw of a job that vovserver does not show. */
function lastOf(jobId: string, origin: Origin | null, last: WatchedJob | undefined): WatchedJob {
  const seen = origin?.lastSeen ?? null;
  const isLatest = seen !== null && (isFinal(stateOf(seen.status)) || seen.at >= (last?.seenAt ?? 0));
  const status = (isLatest ? seen.status : last?.status) ?? '';
  const seenAt = Math.max(seen?.at ?? origin?.submittedAt ?? 0, last?.seenAt ?? 0);
  const nothing = { host: null, exit: null, duration: null, ended: 0 };
  const state = stateOf(status);
  return { jobId, user: origin?.account ?? last?.user ?? '', status, state, ...nothing, seenAt };
}

/** Creates it: from the table, else by a look-up, else from what the gateway remembers. */
export function createCurrent({ origins, clock, interval, readAge }: CurrentParts): Current {
  const originFor = async (account: Account, identity: Identity, jobId: string): Promise<Origin | null> => {
    const origin = await origins.find(account.queue, jobId);
    return origin !== null && (origin.subject === identity.subject || seesAll(identity)) ? origin : null;
  };
  const checkOwn = async (watch: AccountWatch, identity: Identity, job: WatchedJob): Promise<WatchedJob> => {
    if (!seesAll(identity) && !(await watch.isOwn(job, identity))) throw unknownJob();
    return job;
  };
  /** A job that a list asked for at `asked` did not show: gone, unless the list may be older than the job. */
  const missing: (...args: [...Parameters<Current>, asked: number, goneAt: number]) => Promise<WatchedJob> = async (
    watch,
    { account, identity, jobId },
    last,
    asked,
    goneAt,
  ) => {
    const origin = await originFor(account, identity, jobId);
    if (origin === null && last === undefined) throw unknownJob();
    const known = lastOf(jobId, origin, last);
    if (isFinal(known.state)) return known;
    const thereAt = Math.max(origin?.submittedAt ?? 0, origin?.lastSeen?.at ?? 0, last?.seenAt ?? 0);
    if (thereAt > goneAt && thereAt > asked - readAge()) {
      const job = await watch.confirm(jobId).catch((error: unknown) => {
        if (last === undefined) throw error;
        return last;
      });
      if (job !== null) return await checkOwn(watch, identity, job);
    }
    return { ...known, state: 'forgotten' };
  };

  return async (watch, ask, last) => {
    const { identity, jobId, leaving } = ask;
    const maxAge = Math.min(LOOKUP_GAP, interval());
    const asked = clock.now() - maxAge;
    const { job, shown } = await watch.find(jobId, maxAge, { subject: identity.subject, leaving });
    if (shown && job?.state !== 'forgotten') return await checkOwn(watch, identity, job);
    if (job === null) return await missing(watch, ask, last, asked, Number.NEGATIVE_INFINITY);
    if (job.state === 'forgotten') return await missing(watch, ask, last, asked, job.seenAt);
    // In the table, but neither in the last list nor among what was looked up since.
    return await missing(watch, ask, await checkOwn(watch, identity, job), asked, Number.NEGATIVE_INFINITY);
  };
}
