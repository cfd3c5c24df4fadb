import { type Clock, type ErrorCode, GatewayError } from '../kernel/index.ts';
import type { Parts } from './parts.ts';
import type { Answer } from './ports.ts';
import type { SubmissionRecord } from './record.ts';

/** What an error of the way with any other code says is that nothing was executed; see {@link SubmissionWay.send}. */
const MAYBE_EXECUTED: ReadonlySet<ErrorCode> = new Set(['GW_OUTCOME_UNKNOWN', 'GW_INTERNAL']);

/** True when an error of the way says that vovserver was not given anything; anything that is not sure may have been sent. */
export function nothingSent(error: unknown): boolean {
  return error instanceof GatewayError && !MAYBE_EXECUTED.has(error.code);
}

/** True for a failure of which vovserver itself says that it is over; a proxy before it would answer 502, 503 or 504. */
export const isOver = ({ status }: Answer): boolean => status === 500 || status === 501;

/** What a caller learns whose submission may have been executed; `settledAt` is when looking again may decide it. */
export function outcomeUnknown(clock: Clock, settledAt: number, keyed: boolean, cause?: unknown): GatewayError {
  const seconds = Math.min(600, Math.max(5, Math.ceil((settledAt - clock.now()) / 1000)));
  const what = keyed
    ? 'The answer to this submission was lost, and its job has not been found yet. Repeat it with the same Idempotency-Key: the gateway looks again before it sends anything.'
    : 'The answer to this submission was lost, and its job has not been found yet. List your jobs before you send it again.';
  const options = { retryAfter: seconds, ...(cause === undefined ? {} : { cause }) };
  return new GatewayError('GW_OUTCOME_UNKNOWN', what, options);
}

/** Whether a job that was sent at `at` may have run and been forgotten, so that its absence proves nothing. */
export const isForgotten = ({ clock, settle }: Pick<Parts, 'clock' | 'settle'>, at: number): boolean =>
  clock.now() >= at + settle.forgottenMs;

/** What a caller learns whose submission will never be decided any more; asking again is of no use. */
export function outcomeForgotten(keyed: boolean): GatewayError {
  const lost =
    'The answer to this submission was lost, and its job was not found while vovserver was sure to remember it: it may have run since.';
  const mend = keyed
    ? 'List your jobs; if it is not there, submit it with a new Idempotency-Key. This key sends nothing again.'
    : 'List your jobs; if it is not there, submit it with an Idempotency-Key.';
  return new GatewayError('GW_OUTCOME_UNKNOWN', `${lost} ${mend}`);
}

/** Nobody sends the same submission twice at once. */
export function inProgress(keyed: boolean): GatewayError {
  const detail = keyed
    ? 'A request with this Idempotency-Key is under way.'
    : 'Another repeat of this submission is under way.';
  return new GatewayError('GW_KEY_IN_PROGRESS', detail, { retryAfter: 2 });
}

/** Throws GW_KEY_REUSED when the record is of another body. */
export function checkSame({ fingerprint }: SubmissionRecord, given: string): void {
  if (fingerprint === given) return;
  throw new GatewayError('GW_KEY_REUSED', 'This Idempotency-Key was used before with another body; make a new key.');
}
