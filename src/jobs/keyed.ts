import { GatewayError } from '../kernel/index.ts';
import type { HeldLease } from '../platform/index.ts';
import { proveAbsence } from './absence.ts';
import { fingerprintOf } from './fingerprint.ts';
import { checkKey } from './idempotency-key.ts';
import { readVerdict } from './job-id.ts';
import { readJobText } from './job-text.ts';
import { adoptedAnswer, keepAnswer, replay } from './kept-answer.ts';
import { createMark, putMark, takesMark } from './mark.ts';
import {
  checkSame,
  inProgress,
  isForgotten,
  isOver,
  nothingSent,
  outcomeForgotten,
  outcomeUnknown,
} from './outcome.ts';
import type { Parts, Work } from './parts.ts';
import type { Answer, Submission, SubmissionWay } from './ports.ts';
import { reconcile, recordOrigin } from './reconcile.ts';
import { type SubmissionRecord, type SubmissionState, withState } from './record.ts';
import { orRefuse, type Stored } from './record-store.ts';

/** Also how long a key stays locked when its lease could not be given back. */
const LEASE_MS = 6000;

/** A submission with a key, while this replica holds its lease. */
interface KeyedWork extends Work {
  readonly fingerprint: string;
  readonly lease: HeldLease;
}

/** A record in one of its states. */
type In<K extends SubmissionState['kind']> = Stored & {
  readonly record: SubmissionRecord & { readonly state: SubmissionState & { readonly kind: K } };
};

const isIn = <K extends SubmissionState['kind']>(kind: K, stored: Stored): stored is In<K> =>
  stored.record.state.kind === kind;

/** Where it goes: one place however its path is spelled, unless the path itself says what is meant; and its query. */
function placeOf({ target, route }: Submission): { readonly place: string; readonly query: string } {
  const mark = target.includes('?') ? target.indexOf('?') : target.length;
  const named = route !== undefined && !/[{*]/.test(route);
  const query = target.slice(mark);
  return { place: named ? route : target.slice(0, mark), query: query === '?' ? '' : query };
}

/** Makes a submission with a key; see {@link Submissions.submit}. */
export async function submitKeyed(
  parts: Parts,
  submission: Submission,
  key: string,
  way: SubmissionWay,
): Promise<Answer> {
  checkKey(key);
  const { queue, identity, method } = submission;
  const { place, query } = placeOf(submission);
  const id = parts.hash('submission', [queue, identity.subject, method, place, key]);
  const lease = await orRefuse(() => parts.leases.tryAcquire(`submission:${id}`, LEASE_MS));
  const fingerprint = fingerprintOf(query, submission.received ?? submission.body);
  if (lease === null) return answerOfAnother(parts, submission, { id, fingerprint });
  await using held = lease;
  return await begin(parts, { submission, way, id, fingerprint, lease: held });
}

/** What is known while another request holds the submission. */
async function answerOfAnother(
  parts: Parts,
  { queue }: Submission,
  { id, fingerprint }: Pick<KeyedWork, 'id' | 'fingerprint'>,
): Promise<Answer> {
  const stored = await orRefuse(() => parts.store.read(id));
  if (stored !== null) checkSameOrTell(parts, queue, stored, fingerprint);
  if (stored?.record.state.kind === 'done') return replayed(parts, queue, stored.record.state.answer);
  parts.report.submission(queue, 'in_progress');
  throw inProgress(true);
}

function checkSameOrTell(parts: Parts, queue: string, { record }: Stored, fingerprint: string): void {
  if (record.fingerprint !== fingerprint) parts.report.submission(queue, 'reused');
  checkSame(record, fingerprint);
}

function replayed(parts: Parts, queue: string, answer: Parameters<typeof replay>[0]): Answer {
  parts.report.submission(queue, 'replayed');
  return replay(answer);
}

/** Goes on from where the record stands; whoever wrote it before has lost its lease. */
async function begin(parts: Parts, work: KeyedWork): Promise<Answer> {
  const { submission, id, fingerprint } = work;
  const mark = createMark(parts.config().jobs.marker, submission.body, parts.random);
  const first = await orRefuse(() => parts.store.put(id, null, newRecord(parts, work, mark), life(parts)));
  if (first !== null) return send(parts, work, first);
  const stored = await orRefuse(() => parts.store.read(id));
  if (stored === null) throw inProgress(true);
  checkSameOrTell(parts, submission.queue, stored, fingerprint);
  if (isIn('done', stored)) return replayed(parts, submission.queue, stored.record.state.answer);
  if (isIn('unknown', stored)) return resolve(parts, work, stored);
  if (isIn('sent', stored)) {
    const { at } = stored.record.state;
    const settledAt = parts.clock.now() + parts.settle.deadMs;
    return resolve(parts, work, await step(parts, work, stored, { kind: 'unknown', at, settledAt }));
  }
  return sendAgain(parts, work, stored);
}

const life = (parts: Parts): number => parts.config().jobs.keyLife;

function newRecord(parts: Parts, work: KeyedWork, mark: SubmissionRecord['mark']): SubmissionRecord {
  const { submission, fingerprint, lease } = work;
  const { account, requestId } = submission;
  const attempt = parts.random(12).toString('hex');
  const sought = submission.received === undefined ? {} : { sought: readJobText(submission.body) };
  return { fingerprint, account, mark, ...sought, requestId, attempt, state: { kind: 'pending', fence: lease.fence } };
}

/** A step that must not be lost before anything is sent. Throws GW_KEY_IN_PROGRESS when another replica has gone on. */
async function step<K extends SubmissionState['kind']>(
  parts: Parts,
  { id }: Work,
  from: Stored,
  state: SubmissionState & { readonly kind: K },
): Promise<In<K>> {
  const next = await orRefuse(() => parts.store.put(id, from, { ...from.record, state }, life(parts)));
  if (next === null || !isIn(state.kind, next)) throw inProgress(true);
  return next as In<K>;
}

/** Under the same record, and mark if the body can still carry it, as a new attempt. */
async function sendAgain(parts: Parts, work: KeyedWork, stored: Stored): Promise<Answer> {
  const { mark } = stored.record;
  const next = newRecord(parts, work, mark !== null && takesMark(mark.marker, work.submission.body) ? mark : null);
  const pending = await orRefuse(() => parts.store.put(work.id, stored, next, life(parts)));
  if (pending === null) throw inProgress(true);
  await parts.quotas.cancel(work.submission, stored.record.attempt);
  return send(parts, work, pending);
}

/** Sends what is pending, once. */
async function send(parts: Parts, work: KeyedWork, pending: Stored): Promise<Answer> {
  const { submission, way, lease } = work;
  const { mark } = pending.record;
  const body = mark === null ? submission.body : putMark(submission.body, mark);
  await reserve(parts, work, pending);
  const at = parts.clock.now();
  const sent = await sentStep(parts, work, pending, { kind: 'sent', fence: lease.fence, at });
  if (lease.lost.aborted) {
    await forget(parts, work, sent);
    throw inProgress(true);
  }
  parts.report.submission(submission.queue, 'first');
  let answer: Answer;
  try {
    answer = await way.send(body, lease.lost);
  } catch (error) {
    if (!nothingSent(error)) return lost(parts, work, sent, error);
    await forget(parts, work, sent);
    throw error;
  }
  return decide(parts, work, sent, answer);
}

/** Takes it from the quotas; what they or the rules refuse is no attempt. */
async function reserve(parts: Parts, work: KeyedWork, pending: Stored): Promise<void> {
  try {
    work.way.admit?.();
    await parts.quotas.reserve(work.submission, pending.record.attempt, work.way);
  } catch (error) {
    await forget(parts, work, pending);
    throw error;
  }
}

/** A store that fails here may have written `sent` although nothing is sent: that is taken back as soon as it answers. */
async function sentStep(
  parts: Parts,
  work: KeyedWork,
  pending: Stored,
  state: SubmissionState & { readonly kind: 'sent' },
): Promise<In<'sent'>> {
  try {
    return await step(parts, work, pending, state);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'GW_STORE_UNAVAILABLE') await forget(parts, work, pending);
    else await parts.quotas.cancel(work.submission, pending.record.attempt);
    throw error;
  }
}

/** Takes the record of this attempt away: it executed nothing, so a retry may go again. Never throws. */
async function forget(parts: Parts, { id, submission }: Work, mine: Stored): Promise<void> {
  await Promise.all([
    dropAttempt(parts, id, mine.record.attempt),
    parts.quotas.cancel(submission, mine.record.attempt),
  ]);
}

/** Keeps the outcome of this attempt, also when another replica has taken it for unknown. Never throws. */
function keep(parts: Parts, { id, submission }: Work, mine: Stored, state: SubmissionState): Promise<void> {
  const { queue, account, requestId } = submission;
  return keepState(parts, id, mine, state, { queue, account, request_id: requestId });
}

/** What waits while the store is away holds no body and no way to a caller, only what it writes. */
function dropAttempt(parts: Parts, id: string, attempt: string): Promise<void> {
  return parts.late('a submission that executed nothing', async () => {
    const current = await parts.store.read(id);
    if (current?.record.attempt === attempt) await parts.store.drop(id, current);
  });
}

type LogFields = Readonly<Record<'queue' | 'account' | 'request_id', string>>;

/** As {@link dropAttempt} with a state. The texts by which a job is looked for may be long: only the first try has them. */
function keepState(parts: Parts, id: string, mine: Stored, state: SubmissionState, who: LogFields): Promise<void> {
  const { attempt } = mine.record;
  let first: Stored | null = mine;
  return parts.late('the outcome of a submission', async () => {
    const from = first;
    first = null;
    if (from !== null && (await parts.store.put(id, from, withState(from.record, state), life(parts))) !== null) return;
    const current = await parts.store.read(id);
    if (current === null || current.record.state.kind === 'done') return;
    if (current.record.attempt === attempt) {
      await parts.store.put(id, current, withState(current.record, state), life(parts));
      return;
    }
    const fields = { event: 'submission_twice', ...who };
    parts.report.log.error(fields, 'a submission was sent again while its first sending was still under way');
  });
}

/** The absence of a job that vovserver said it made proves nothing. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Decides by what vovserver answered. */
async function decide(parts: Parts, work: KeyedWork, sent: In<'sent'>, answer: Answer): Promise<Answer> {
  const verdict = readVerdict(answer);
  if (verdict.kind === 'refused') {
    await forget(parts, work, sent);
    return answer;
  }
  if (verdict.kind === 'accepted') {
    const { jobId } = verdict;
    const done = keep(parts, work, sent, { kind: 'done', answer: keepAnswer(answer, jobId) });
    const counted = parts.quotas.commit(work.submission, sent.record.attempt, jobId);
    await Promise.all([done, counted, recordOrigin(parts, work.submission, jobId)]);
    return answer;
  }
  const { settle, clock } = parts;
  const over = isOver(answer);
  const settledAt = verdict.kind === 'unreadable' ? NEVER : clock.now() + (over ? 0 : settle.lostMs);
  const unknown = await becomeUnknown(parts, work, sent, settledAt);
  const found = await look(parts, work, unknown);
  if (found.kind === 'one') return adopt(parts, work, unknown, found.jobId);
  // vovserver said yes: the caller gets its answer, and a retry the job once it can be found.
  if (verdict.kind === 'unreadable') return answer;
  // The answer may go; the record stays, since a search so soon may be answered by an older copy of vovserver.
  if (found.kind === 'none' && (over || verdict.kind === 'doubted')) return answer;
  throw tellUnknown(parts, work, unknown);
}

/** After an answer that was lost on the way. */
async function lost(parts: Parts, work: KeyedWork, sent: In<'sent'>, error: unknown): Promise<Answer> {
  const unknown = await becomeUnknown(parts, work, sent, parts.clock.now() + parts.settle.lostMs);
  const found = await look(parts, work, unknown);
  if (found.kind === 'one') return adopt(parts, work, unknown, found.jobId);
  throw tellUnknown(parts, work, unknown, error);
}

/** The record of an outcome that nobody knows; a store that is away gets it later, and until then says `sent`. */
async function becomeUnknown(parts: Parts, work: Work, sent: In<'sent'>, settledAt: number): Promise<In<'unknown'>> {
  const state = { kind: 'unknown', at: sent.record.state.at, settledAt } as const;
  const record = { ...sent.record, state };
  try {
    const unknown = await parts.store.put(work.id, sent, record, life(parts));
    return { raw: unknown?.raw ?? sent.raw, record };
  } catch {
    await keep(parts, work, sent, state);
    return { raw: sent.raw, record };
  }
}

/** Looks at once after a loss; a store that is away makes it unsure. */
async function look(parts: Parts, work: Work, { record }: In<'unknown'>): ReturnType<typeof reconcile> {
  try {
    return await reconcile(parts, work, { ...record, at: record.state.at });
  } catch (error) {
    return { kind: 'unsure', reason: error instanceof Error ? error.message : 'the search failed' };
  }
}

function tellUnknown(parts: Parts, { submission }: Work, { record }: In<'unknown'>, cause?: unknown): GatewayError {
  parts.report.submission(submission.queue, 'unknown');
  return outcomeUnknown(parts.clock, record.state.settledAt + parts.settle.readAgeMs, true, cause);
}

/** The job that was found becomes the outcome. */
async function adopt(parts: Parts, work: Work, unknown: In<'unknown'>, jobId: string): Promise<Answer> {
  const { record } = unknown;
  const answer = adoptedAnswer(jobId);
  const origin = recordOrigin(parts, work.submission, jobId, { ...record, at: record.state.at });
  const counted = parts.quotas.commit(work.submission, record.attempt, jobId);
  await Promise.all([keep(parts, work, unknown, { kind: 'done', answer }), counted, origin]);
  parts.report.submission(work.submission.queue, 'adopted');
  return replay(answer);
}

/** Whether the account's own list proves it; looked at when there is no mark whose absence would. */
async function isAbsent(parts: Parts, work: KeyedWork, { record }: In<'unknown'>): Promise<boolean> {
  const { at, settledAt } = record.state;
  const absence = await orRefuse(() => proveAbsence(parts, work, { ...record, at }, settledAt));
  if (absence.proved) return true;
  const { queue, requestId } = work.submission;
  const fields = { queue, account: record.account, request_id: requestId, reason: absence.reason };
  parts.report.log.info({ event: 'submission_unproved', ...fields }, 'it is not proved that a lost job was never made');
  return false;
}

/**
 * A retry of a submission whose outcome nobody knows: its job is looked for. It is sent again only when vovserver answered
 * well and shows no such job, its mark or a control job proves it, all that was under way has settled, and no job can be
 * forgotten yet.
 */
async function resolve(parts: Parts, work: KeyedWork, unknown: In<'unknown'>): Promise<Answer> {
  const { record } = unknown;
  const { at, settledAt } = record.state;
  // Before the search: what has settled by then cannot appear behind it.
  const now = parts.clock.now();
  const found = await orRefuse(() => reconcile(parts, work, { ...record, at }));
  if (found.kind === 'one') return adopt(parts, work, unknown, found.jobId);
  if (isForgotten(parts, at)) {
    parts.report.submission(work.submission.queue, 'unknown');
    throw outcomeForgotten(true);
  }
  if (found.kind === 'none' && now >= settledAt) {
    const aged = record.mark !== null && now >= settledAt + parts.settle.readAgeMs;
    if (aged || (await isAbsent(parts, work, unknown))) return sendAgain(parts, work, unknown);
  }
  throw tellUnknown(parts, work, unknown);
}
