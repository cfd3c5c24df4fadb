import { GatewayError } from '../kernel/index.ts';
import { StoreUnavailable } from '../platform/index.ts';
import { readVerdict } from './job-id.ts';
import { type JobText, readJobText } from './job-text.ts';
import { adoptedAnswer, keepAnswer, replay } from './kept-answer.ts';
import { inProgress, isForgotten, isOver, nothingSent, outcomeForgotten, outcomeUnknown } from './outcome.ts';
import type { Parts, Work } from './parts.ts';
import type { Answer, Submission, SubmissionWay } from './ports.ts';
import { type Lost, reconcile, recordOrigin } from './reconcile.ts';
import { type KeptAnswer, type SubmissionRecord, type SubmissionState, withState } from './record.ts';
import type { Stored } from './record-store.ts';

const LEASE_MS = 6000;
/** Who repeats what it takes for lost does so within this time; an equal submission after it is a new one, of the next night. */
const UNHEARD_MS = 15 * 60_000;
/** A loss is remembered at least so much longer than its job may still show up. */
const SETTLED_MS = 60_000;

/** A submission without a key, by whose it is and what vovserver itself tells jobs apart by: account, run directory and log file. */
interface NaturalWork extends Work {
  readonly job: JobText;
}

/** What is remembered: a submission that was lost, or one whose answer was. After a delivered success nothing is. */
type Kept = SubmissionState & { readonly kind: 'unknown' | 'done' };

interface Earlier<K extends Kept['kind'] = Kept['kind']> {
  readonly stored: Stored;
  readonly state: Kept & { readonly kind: K };
}

/** Makes a submission without a key; one that repeats another whose outcome is unknown is looked for first. */
export async function submitUnkeyed(parts: Parts, submission: Submission, way: SubmissionWay): Promise<Answer> {
  const job = readJobText(submission.body);
  const life = parts.config().jobs.implicitKeyLife;
  if (job === null || life === 0) return pass(parts, submission, way, null);
  // On a shared account the lost job of a colleague is not this person's.
  const names = [submission.queue, submission.account, submission.identity.subject, job.rundir, job.logfile];
  const work = { submission, way, job, id: parts.hash('implicit', names) };
  const earlier = await readEarlier(parts, work);
  if (earlier === 'away') {
    const answer = await pass(parts, submission, way, work);
    return { ...answer, headers: [...answer.headers, 'Idempotency-Status', 'unavailable'] };
  }
  return earlier === null ? pass(parts, submission, way, work) : repeat(parts, work);
}

/** The submission that this one repeats; another command under the same log file is another submission. */
async function readEarlier(parts: Parts, work: NaturalWork): Promise<Earlier | null | 'away'> {
  try {
    const stored = await parts.store.read(work.id);
    if (stored === null || stored.record.fingerprint !== commandOf(parts, work)) return null;
    const { state } = stored.record;
    return state.kind === 'unknown' || state.kind === 'done' ? { stored, state } : null;
  } catch (error) {
    if (error instanceof StoreUnavailable) return 'away';
    if (error instanceof GatewayError) return null;
    throw error;
  }
}

const commandOf = (parts: Parts, { job }: NaturalWork): string => parts.hash('command', [job.command]);

/** Sends it, and remembers that its outcome is unknown when it is. */
async function pass(
  parts: Parts,
  submission: Submission,
  way: SubmissionWay,
  natural: NaturalWork | null,
): Promise<Answer> {
  // It names the submission for the quotas until its outcome is known.
  const attempt = parts.random(12).toString('hex');
  await parts.quotas.reserve(submission, attempt, way);
  const at = parts.clock.now();
  let answer: Answer;
  try {
    answer = await way.send(submission.body);
  } catch (error) {
    if (!nothingSent(error)) return lost(parts, { submission, natural, attempt }, at, error);
    await parts.quotas.cancel(submission, attempt);
    throw error;
  }
  const verdict = readVerdict(answer);
  const over = verdict.kind === 'failed' && isOver(answer);
  if (verdict.kind === 'refused' || over) await parts.quotas.cancel(submission, attempt);
  if (verdict.kind === 'accepted') {
    const counted = parts.quotas.commit(submission, attempt, verdict.jobId);
    await Promise.all([counted, recordOrigin(parts, submission, verdict.jobId)]);
    if (natural !== null) await keepUndelivered(parts, natural, keepAnswer(answer, verdict.jobId), attempt);
  }
  // A repeat is answered by the job if there is one, and not held back if there is none: this was an answer.
  const lostOnTheWay = verdict.kind === 'failed' && !over;
  const doubtful = verdict.kind === 'nonsense' || verdict.kind === 'doubted' || lostOnTheWay;
  if (doubtful && natural !== null) {
    await remember(parts, natural, { kind: 'unknown', at, settledAt: at - parts.settle.readAgeMs }, attempt);
  }
  return answer;
}

/** A caller that has gone repeats what it takes for lost: the repeat gets the answer that nobody heard. */
async function keepUndelivered(parts: Parts, work: NaturalWork, answer: KeptAnswer, attempt: string): Promise<void> {
  if (work.way.gone?.() === true) await remember(parts, work, { kind: 'done', answer }, attempt);
}

interface Passed {
  readonly submission: Submission;
  readonly natural: NaturalWork | null;
  readonly attempt: string;
}

async function lost(parts: Parts, passed: Passed, at: number, error: unknown): Promise<Answer> {
  const { submission, natural, attempt } = passed;
  const settledAt = parts.clock.now() + parts.settle.lostMs;
  if (natural !== null) {
    const { account, requestId } = submission;
    const sending: Lost = { account, requestId, mark: null, sought: natural.job, at, attempt };
    const found = await lookAtOnce(parts, natural, sending);
    if (found !== null) return adopt(parts, natural, sending, found);
    await remember(parts, natural, { kind: 'unknown', at, settledAt }, attempt);
  }
  parts.report.submission(submission.queue, 'unknown');
  throw outcomeUnknown(parts.clock, settledAt + parts.settle.readAgeMs, false, error);
}

async function lookAtOnce(parts: Parts, work: NaturalWork, lost: Lost): Promise<string | null> {
  try {
    const found = await reconcile(parts, work, lost);
    return found.kind === 'one' ? found.jobId : null;
  } catch {
    return null;
  }
}

/** Replaces whatever was there: the newest loss is the one that a repeat means. */
function remember(parts: Parts, work: NaturalWork, state: Kept, attempt: string): Promise<void> {
  const { id, submission } = work;
  const { account, requestId } = submission;
  const record: SubmissionRecord = {
    ...{ account, requestId, mark: null, fingerprint: commandOf(parts, work) },
    ...{ attempt, state },
  };
  return rememberLater(parts, id, record);
}

/** A loss that was forgotten before its job must show would be sent again without a look. */
function lifeOf(parts: Parts, { state }: SubmissionRecord): number {
  const { implicitKeyLife } = parts.config().jobs;
  if (state.kind === 'done') return Math.min(implicitKeyLife, UNHEARD_MS);
  const { lostMs, readAgeMs } = parts.settle;
  return Math.max(implicitKeyLife, lostMs + readAgeMs + SETTLED_MS);
}

/** Holds nothing but the record while the store is away: no body, and no way to its caller. */
function rememberLater(parts: Parts, id: string, record: SubmissionRecord): Promise<void> {
  return parts.late('a submission without a key that may be repeated', async () => {
    const before = await parts.store.read(id);
    await parts.store.put(id, before, record, lifeOf(parts, record));
  });
}

/** The job that was found at once, before anything was remembered. */
async function adopt(parts: Parts, work: NaturalWork, lost: Lost, jobId: string): Promise<Answer> {
  const kept = adoptedAnswer(jobId);
  await noteFound(parts, work, lost, jobId);
  await keepUndelivered(parts, work, kept, lost.attempt);
  return replay(kept);
}

async function noteFound(parts: Parts, { submission }: NaturalWork, lost: Lost, jobId: string): Promise<void> {
  const counted = parts.quotas.commit(submission, lost.attempt, jobId);
  await Promise.all([counted, recordOrigin(parts, submission, jobId, lost)]);
  parts.report.submission(submission.queue, 'adopted');
}

/**
 * One repeat at a time, until its answer is written; what it comes to ends the record, so that a later equal submission is a
 * new one.
 */
async function repeat(parts: Parts, work: NaturalWork): Promise<Answer> {
  const lease = await parts.leases.tryAcquire(`implicit:${work.id}`, LEASE_MS).catch(() => null);
  if (lease === null) throw inProgress(false);
  await using _held = lease;
  // Another repeat may have come to an end since it was read.
  const earlier = await readEarlier(parts, work);
  if (earlier === null || earlier === 'away') throw inProgress(false);
  const { stored, state } = earlier;
  // Awaited here: the lease is to be held until it is over, and a refusal must find somebody who waits for it.
  if (state.kind === 'unknown') return await resolve(parts, work, { stored, state });
  parts.report.submission(work.submission.queue, 'replayed');
  return await deliver(parts, work, stored.record.attempt, state.answer);
}

/** The answer that nobody heard is kept until somebody has heard it. */
async function deliver(parts: Parts, { id, way }: Work, attempt: string, kept: KeptAnswer): Promise<Answer> {
  const answer = replay(kept);
  if (await isHeard(way, answer)) await letGo(parts, id, attempt);
  return answer;
}

async function isHeard(way: SubmissionWay, answer: Answer): Promise<boolean> {
  if (way.gone?.() === true) return false;
  return way.deliver === undefined || (await way.deliver(answer));
}

/** Ends the record of an attempt whose answer was heard; a store that is away loses it later. Never throws. */
function letGo(parts: Parts, id: string, attempt: string): Promise<void> {
  return parts.late('a submission without a key that was answered', async () => {
    const current = await parts.store.read(id);
    if (current?.record.attempt === attempt) await parts.store.drop(id, current);
  });
}

async function resolve(parts: Parts, work: NaturalWork, earlier: Earlier<'unknown'>): Promise<Answer> {
  const { stored, state } = earlier;
  const { at, settledAt } = state;
  const now = parts.clock.now();
  const lostOne = { ...stored.record, sought: work.job, at };
  const found = await reconcile(parts, work, lostOne).catch(() => null);
  if (found?.kind === 'one') return adoptKept(parts, work, stored, lostOne, found.jobId);
  if (found?.kind !== 'none' || now < settledAt + parts.settle.readAgeMs || isForgotten(parts, at)) {
    parts.report.submission(work.submission.queue, 'unknown');
    if (isForgotten(parts, at)) throw outcomeForgotten(false);
    throw outcomeUnknown(parts.clock, settledAt + parts.settle.readAgeMs, false);
  }
  if (!(await parts.store.drop(work.id, stored).catch(() => false))) throw inProgress(false);
  await parts.quotas.cancel(work.submission, stored.record.attempt);
  return await pass(parts, work.submission, work.way, work);
}

/** The job that was found takes the place of the doubt until its answer is heard; a store that fails changes no answer. */
async function adoptKept(parts: Parts, work: NaturalWork, stored: Stored, lost: Lost, jobId: string): Promise<Answer> {
  const kept = adoptedAnswer(jobId);
  const done = withState(stored.record, { kind: 'done', answer: kept });
  await parts.store.put(work.id, stored, done, lifeOf(parts, done)).catch(() => null);
  await noteFound(parts, work, lost, jobId);
  return deliver(parts, work, lost.attempt, kept);
}
