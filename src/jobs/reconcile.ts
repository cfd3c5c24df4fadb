import { type Found, type SeenJob, searchJob } from './job-search.ts';
import { type JobText, readJobText } from './job-text.ts';
import type { Mark } from './mark.ts';
import type { Parts, Work } from './parts.ts';
import type { Origin, Submission } from './ports.ts';

/** A sending whose outcome nobody knows. */
export interface Lost {
  readonly account: string;
  readonly mark: Mark | null;
  /** Without it the caller's own bytes say by what the job is looked for. */
  readonly sought?: JobText | null;
  readonly requestId: string;
  /** Unlike every other sending, also of an equal submission without a key. */
  readonly attempt: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Longer than any doubt about the clocks of replicas. */
const CLOCKS_MS = 60_000;

const claimKey = (parts: Parts, queue: string, { jobId, submitTime }: SeenJob): string =>
  `adopted:{${parts.hash('adopted', [queue, jobId, submitTime])}}`;

const claimant = ({ id }: Work, { attempt }: Lost): string => `${id}:${attempt}`;

function isOf(origin: Origin, { identity, key }: Submission, { requestId }: Lost): boolean {
  return origin.requestId === requestId && origin.subject === identity.subject && origin.key === key;
}

/** Whether a job is known to come from another submission: by its origin, or because another one has adopted it. */
export async function isAnothers(parts: Parts, work: Work, lost: Lost, job: SeenJob): Promise<boolean> {
  const { submission } = work;
  const { queue } = submission;
  const owner = await parts.kv.get(claimKey(parts, queue, job));
  if (owner !== null) return owner !== claimant(work, lost);
  const origin = await parts.origins.find(queue, job.jobId);
  if (origin === null || isOf(origin, submission, lost)) return false;
  // An origin that is older than the job is of an earlier one: numbers begin anew when a server does.
  const shownAt = Number(job.submitTime) * 1000;
  return origin.submittedAt >= (shownAt < lost.at ? shownAt : lost.at) - CLOCKS_MS;
}

/** One job answers for one sending only, whoever looks at the same moment. */
async function claim(parts: Parts, work: Work, lost: Lost, job: SeenJob): Promise<boolean> {
  const key = claimKey(parts, work.submission.queue, job);
  const mine = claimant(work, lost);
  const life = parts.config().jobs.keyLife;
  return (await parts.kv.set(key, mine, life, { onlyIfAbsent: true })) || (await parts.kv.get(key)) === mine;
}

/** Looks for the job of a lost sending and claims it. Throws StoreUnavailable and GW_STORE_UNAVAILABLE. */
export async function reconcile(parts: Parts, work: Work, lost: Lost): Promise<Found> {
  const { submission, way } = work;
  const options = { way, clock: parts.clock, isAnothers: (job: SeenJob) => isAnothers(parts, work, lost, job) };
  const job = lost.sought === undefined ? readJobText(submission.received ?? submission.body) : lost.sought;
  const wanted = { account: lost.account, mark: lost.mark, job, sentAt: lost.at };
  const found = await searchJob(options, wanted);
  if (found.kind === 'one' && found.job !== null && !(await claim(parts, work, lost, found.job))) {
    return { kind: 'unsure', reason: 'the job was adopted by another submission' };
  }
  if (found.kind === 'unsure') {
    const fields = { queue: submission.queue, account: lost.account, request_id: submission.requestId };
    parts.report.log.warn({ event: 'submission_unsure', ...fields, reason: found.reason }, 'a lost job was not found');
  }
  return found;
}

/** Keeps who submitted an accepted job. */
export function recordOrigin(parts: Parts, submission: Submission, jobId: string, lost?: Lost): Promise<void> {
  const { queue, epoch, identity, tokenId, tokenLabel, address, key } = submission;
  return parts.origins.record({
    ...{ queue, epoch, jobId, tokenId, tokenLabel, address, key },
    subject: identity.subject,
    user: identity.user,
    account: lost?.account ?? submission.account,
    requestId: lost?.requestId ?? submission.requestId,
    submittedAt: lost?.at ?? parts.clock.now(),
    lastSeen: null,
  });
}
