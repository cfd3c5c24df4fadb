import { checkScope } from '../access/index.ts';
import type { Caller, Visitor, WebRoute } from '../auth/index.ts';
import type { AccountRules } from '../identity/index.ts';
import { isFinal, type JobAnswer, type JobWatch, type WatchedJob } from '../jobs/index.ts';
import {
  type Account,
  type Clock,
  GatewayError,
  JOB_STATES,
  type WebAnswer,
  type WebRequest,
} from '../kernel/index.ts';
import { type Limiter, rateLimitHeaders } from '../limits/index.ts';
import { jobBody } from './job-body.ts';
import { openJobEvents } from './job-events.ts';
import { accountOf } from './steps/choose-account.ts';
import { preferredWait } from './upstream-call.ts';

export interface JobWatchRoutesOptions {
  readonly watch: JobWatch;
  readonly rules: () => AccountRules;
  readonly limiter: Pick<Limiter, 'admitIdentity'>;
  /** Milliseconds. */
  readonly maxWait: () => number;
  readonly clock: Clock;
}

const bad = (detail: string): GatewayError => new GatewayError('GW_BAD_REQUEST', detail);

/** What the caller wants to wait for. */
interface Wish {
  readonly waitMs: number;
  readonly preferred: boolean;
  readonly etag: string | null;
  readonly isWanted: (job: WatchedJob, first: WatchedJob) => boolean;
}

/** Names what a job is doing, so that a caller who names it again is told of whatever it does next. */
export const etagOf = ({ jobId, state, ended, status }: WatchedJob): string =>
  `"${jobId}-${state === 'unknown' ? encodeURIComponent(status) : state}${ended > 0 ? `-${ended}` : ''}"`;

/** The first entity tag of If-None-Match, without the mark of a weak one. */
function etagIn(header: string | undefined): string | null {
  return header === undefined ? null : (/^\s*(?:W\/)?("[^"]*")/.exec(header)?.[1] ?? null);
}

/** A parameter that is misspelt or given twice is not what the caller thinks it is. Throws GW_BAD_REQUEST. */
function checkQuery(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    const shown = JSON.stringify(name.slice(0, 40));
    if (!known.includes(name)) throw bad(`There is no parameter ${shown} here; there is ${known.join(', ')}.`);
    if (query.getAll(name).length > 1) throw bad(`The parameter ${shown} is given more than once.`);
  }
}

function waitMsOf({ query, raw }: WebRequest, most: number): { waitMs: number; preferred: boolean } {
  const text = query.get('wait');
  if (text !== null && !/^\d{1,5}$/.test(text)) throw bad('wait is a whole number of seconds.');
  const preferred = text === null ? preferredWait(raw.headers.prefer) : undefined;
  return { waitMs: Math.min(most, preferred ?? Number(text ?? 0) * 1000), preferred: preferred !== undefined };
}

function wishOf(request: WebRequest, most: number): Wish {
  const { query, raw } = request;
  checkQuery(query, ['wait', 'until', 'since']);
  const [until, since] = [query.get('until') ?? 'change', query.get('since')];
  if (until !== 'change' && until !== 'final') throw bad('until is change or final.');
  if (since !== null && !JOB_STATES.some((state) => state === since)) {
    throw bad(`since is one of ${JOB_STATES.join(', ')}.`);
  }
  const etag = etagIn(raw.headers['if-none-match']);
  const differs = (job: WatchedJob, first: WatchedJob): boolean => {
    if (etag !== null) return etagOf(job) !== etag;
    return since === null ? etagOf(job) !== etagOf(first) : job.state !== since;
  };
  return {
    ...waitMsOf(request, most),
    etag,
    isWanted: (job, first) => isFinal(job.state) || (until === 'change' && differs(job, first)),
  };
}

function answerOf(queue: string, { job, end }: JobAnswer, wish: Wish): WebAnswer {
  const etag = etagOf(job);
  const headers: Record<string, string> = { ETag: etag };
  if (wish.preferred) headers['Preference-Applied'] = `wait=${wish.waitMs / 1000}`;
  // The next call should find another replica.
  if (end === 'draining') headers.Connection = 'close';
  if (wish.etag === etag) return { kind: 'empty', status: 304, headers };
  return { kind: 'json', body: { ...jobBody(queue, job), wait_end: end }, headers };
}

interface Known {
  readonly caller: Caller;
  readonly account: Account;
}

/** Waiting for jobs: one job with `?wait=`, or all of one's own as events. */
export function createJobWatchRoutes(options: JobWatchRoutesOptions): readonly WebRoute[] {
  const { watch, rules, limiter, maxWait, clock } = options;
  const known = (caller: Caller | null, queue: string): Known => {
    if (caller === null) throw new GatewayError('GW_UNAUTHENTICATED', 'Nobody is known here.');
    checkScope(caller.scopes, 'read');
    return { caller, account: accountOf(rules(), caller, queue) };
  };
  /** Whether the same person may still see the same account's jobs. Throws GatewayError. */
  const stillKnown = async ({ again, caller }: Visitor, queue: string): Promise<void> => {
    if (again === undefined || caller === null) return;
    const now = known(await again(), queue);
    const then = known(caller, queue);
    const same = now.caller.identity.subject === then.caller.identity.subject && now.account.name === then.account.name;
    if (!same) throw new GatewayError('GW_UNAUTHENTICATED', 'The credential now is another one’s.');
  };
  /** Takes one read from the limits of the caller, as a read of the proxied API does, however long it waits. */
  const admit = async ({ identity }: Caller): Promise<Readonly<Record<string, string>>> => {
    const admission = await limiter.admitIdentity(identity, 'read');
    const { 'Retry-After': _, ...headers } = rateLimitHeaders(admission);
    if (admission.allowed) return headers;
    const { retryAfter } = admission;
    const detail = `The rate limit of this identity is reached; retry in ${retryAfter} s.`;
    throw new GatewayError('GW_RATE_LIMITED', detail, { retryAfter, headers });
  };
  const route = (
    path: string,
    answer: (request: WebRequest, visitor: Visitor, who: Known) => Promise<WebAnswer> | WebAnswer,
  ): WebRoute => ({
    ...{ method: 'GET', path, door: 'portal', needs: 'caller' },
    async handle(request, visitor) {
      const who = known(visitor.caller, request.queue);
      const limits = await admit(who.caller);
      const answered = await answer(request, visitor, who);
      return { ...answered, headers: { ...limits, ...answered.headers } };
    },
  });
  return [
    route('/gateway/v1/jobs/events', ({ queue, raw, query, method }, visitor, { caller, account }) => {
      checkQuery(query, ['since']);
      const last = raw.headers['last-event-id'];
      const after = (typeof last === 'string' ? last : query.get('since')) || null;
      if (after !== null && after.length > 100) throw bad('The event id is too long.');
      const ask = { account, identity: caller.identity, after };
      return openJobEvents(watch, ask, {
        clock,
        check: () => stillKnown(visitor, queue),
        headOnly: method === 'HEAD',
      });
    }),
    route('/gateway/v1/jobs/:id', async (request, visitor, { caller, account }) => {
      const { params, queue, leaving, method } = request;
      const wish = wishOf(request, maxWait());
      const { waitMs, isWanted } = wish;
      const answer = await watch.look({
        ...{ account, identity: caller.identity, jobId: params.id ?? '', leaving, isWanted },
        waitMs: method === 'HEAD' ? 0 : waitMs,
      });
      // A minute is long enough for a token to be revoked.
      if (answer.end !== 'at_once' && answer.end !== 'left') await stillKnown(visitor, queue);
      return answerOf(queue, answer, wish);
    }),
  ];
}
