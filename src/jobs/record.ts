import type { JobText } from './job-text.ts';
import type { Mark } from './mark.ts';

/** How far a submission with a key has come. Times are milliseconds since the epoch. */
export type SubmissionState =
  /** Nothing has been sent; whose lease it is. */
  | { readonly kind: 'pending'; readonly fence: number }
  /** It may have been sent since `at`. */
  | { readonly kind: 'sent'; readonly fence: number; readonly at: number }
  /** Nobody has its answer; sent at `at`, and from `settledAt` on a job that cannot be found does not exist. */
  | { readonly kind: 'unknown'; readonly at: number; readonly settledAt: number }
  | { readonly kind: 'done'; readonly answer: KeptAnswer };

/** The answer that is given again; the body in base64. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

/** What is kept of a submission. */
export interface SubmissionRecord {
  readonly fingerprint: string;
  readonly account: string;
  readonly mark: Mark | null;
  /** By what its job is looked for, where the caller's own bytes do not say it. */
  readonly sought?: JobText | null;
  /** Of the request that sent it, or was about to. */
  readonly requestId: string;
  /** Unlike every other sending, of this submission too: callers may choose equal request ids. */
  readonly attempt: string;
  readonly state: SubmissionState;
}

const VERSION = 1;

export const encodeRecord = (record: SubmissionRecord): string => JSON.stringify([VERSION, record]);

/** Null for anything that this version did not write; the seal vouches for the rest. */
export function decodeRecord(text: string): SubmissionRecord | null {
  try {
    const [version, record]: unknown[] = JSON.parse(text);
    return version === VERSION ? (record as SubmissionRecord) : null;
  } catch {
    return null;
  }
}

/** A record in another state; by what its job is looked for goes with the doubt. */
export function withState(record: SubmissionRecord, state: SubmissionState): SubmissionRecord {
  if (state.kind !== 'done') return { ...record, state };
  const { sought: _found, ...rest } = record;
  return { ...rest, state };
}
