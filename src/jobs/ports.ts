import type { Identity } from '../kernel/index.ts';

/** A whole answer to a submission. */
export interface Answer {
  readonly status: number;
  /** Name, value, …; without Content-Length and Transfer-Encoding. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** A submission (POST of class `submit`) on its way. */
export interface Submission {
  readonly queue: string;
  /** Names the server that answers now; part of where a job id is unique. */
  readonly epoch: string;
  /** vovserver account. */
  readonly account: string;
  /** Whether several people use the account. */
  readonly shared?: boolean;
  readonly identity: Identity;
  readonly tokenId: string;
  readonly tokenLabel: string;
  readonly address: string;
  readonly requestId: string;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Template of its route, which is one however the path is spelled. */
  readonly route?: string;
  readonly contentType: string;
  /** What is sent. */
  readonly body: Buffer;
  /** What the caller sent, where `body` was made from it: what a repeat is held against. */
  readonly received?: Buffer;
  /** Value of Idempotency-Key, checked; null without one. */
  readonly key: string | null;
}

/** What the submission needs of the way to vovserver. */
export interface SubmissionWay {
  /**
   * Sends the body once. Throws GatewayError; GW_OUTCOME_UNKNOWN when it may have been executed. `lost` aborts when this
   * replica no longer holds the submission: what has not been sent by then must not be sent (GW_KEY_IN_PROGRESS).
   */
  send(body: Buffer, lost?: AbortSignal): Promise<Answer>;
  /** Throws what forbids a submission with a key to be sent; asked when it would be, so not for the repeat of one that is done. */
  admit?(): void;
  /** Reads, as the same account. Throws GatewayError. */
  read(target: string): Promise<Answer>;
  /** Whether the caller has gone, so that no answer can reach it. */
  gone?(): boolean;
  /**
   * Gives the caller its answer, which `submit` then returns too; false when it did not reach the caller. Never throws. Used
   * where what is known may be let go only after that.
   */
  deliver?(answer: Answer): Promise<boolean>;
}

/** Makes a submission at most once. */
export interface Submissions {
  /**
   * Carries a submission: with a key its answer is kept and given again (`Idempotent-Replayed: true`); one with an unknown outcome
   * is looked for before anything is sent again. Throws GW_KEY_IN_PROGRESS, GW_KEY_REUSED, GW_BAD_REQUEST for a bad key,
   * GW_STORE_UNAVAILABLE for a keyed one while the store is away, GW_OUTCOME_UNKNOWN, and what `way` throws.
   */
  submit(submission: Submission, way: SubmissionWay): Promise<Answer>;
}

/** Who submitted a job. */
export interface Origin {
  readonly queue: string;
  readonly epoch: string;
  readonly jobId: string;
  readonly subject: string;
  readonly user: string;
  readonly account: string;
  readonly tokenId: string;
  readonly tokenLabel: string;
  readonly address: string;
  readonly requestId: string;
  readonly key: string | null;
  /** Milliseconds since the epoch of the clock. */
  readonly submittedAt: number;
  /** State of the job as last seen through the gateway, and when; null: never seen. */
  readonly lastSeen: { readonly status: string; readonly at: number } | null;
}

/** The gateway's own record of who submitted what. */
export interface Origins {
  /** Keeps an origin. A store that is away loses it with a log line; the submission itself goes on. */
  record(origin: Origin): Promise<void>;
  /** Null when there is none. Throws GW_STORE_UNAVAILABLE. */
  find(queue: string, jobId: string): Promise<Origin | null>;
  /** Those of these jobs that have one, in any order. Throws GW_STORE_UNAVAILABLE. */
  findMany(queue: string, jobIds: readonly string[]): Promise<readonly Origin[]>;
  /** Notes the state of a job as vovserver told it. Never throws. */
  saw(queue: string, jobId: string, status: string): void;
}

/** A call that concerns one job. */
export interface JobCall {
  readonly queue: string;
  readonly account: string;
  readonly shared: boolean;
  readonly identity: Identity;
  readonly jobId: string;
}

/** Whether a control call may go: the owner of the job by the gateway's own record, where the account is shared. */
export interface Ownership {
  /**
   * Throws GW_NOT_YOURS (403) when the job is another's: on a shared account by the record of the true submitter; on a personal
   * one by the job's USER as vovserver tells it (vovserver itself lets users rerun the jobs of others).
   */
  check(call: JobCall, way: Pick<SubmissionWay, 'read'>): Promise<void>;
  /** As `check`, but roles do not count and nothing is told: false for the job of another, and for none. Throws what is in the way of knowing. */
  isOwn(call: JobCall, way: Pick<SubmissionWay, 'read'>): Promise<boolean>;
  /** True when there is such a job, and it is not one's own as `isOwn` tells. Throws as `isOwn`. */
  isOther(call: JobCall, way: Pick<SubmissionWay, 'read'>): Promise<boolean>;
  /** Which of the jobs (ids without leading zeros) a person submitted over a shared account. Throws GW_STORE_UNAVAILABLE. */
  submittedBy(
    who: { readonly queue: string; readonly account: string; readonly subject: string },
    jobIds: readonly string[],
  ): Promise<ReadonlySet<string>>;
}
