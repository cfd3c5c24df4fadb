import type { Account, Identity, JobState } from '../../kernel/index.ts';
import type { SubmissionWay } from '../ports.ts';

/** A job as vovserver showed it. */
export interface WatchedJob {
  readonly jobId: string;
  /** vovserver account. */
  readonly user: string;
  /** vovserver's word (STATUSNC). */
  readonly status: string;
  readonly state: JobState;
  /** Null where vovserver does not tell. */
  readonly host: string | null;
  /** Of a job that has ended; null where vovserver does not tell. */
  readonly exit: number | null;
  readonly duration: string | null;
  /** Seconds since the epoch on vovserver's clock; 0 while it has not ended or where vovserver does not tell. */
  readonly ended: number;
  /** Milliseconds since the epoch. */
  readonly seenAt: number;
}

/** A change that is told; `id` names it for a reader that comes again, null: it has none of its own. */
export interface JobChange {
  readonly id: string | null;
  readonly job: WatchedJob;
}

/** Changes that are told together; `head` is the name of the last. */
export interface JobNews {
  readonly queue: string;
  readonly changes: readonly JobChange[];
  readonly head: string;
}

/** Tells that the asker went away, once. */
export interface Leaving {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: { handleEvent(event: Event): void }): void;
  removeEventListener(type: 'abort', listener: { handleEvent(event: Event): void }): void;
}

/** A question about one job. */
export interface JobAsk {
  readonly account: Account;
  readonly identity: Identity;
  readonly jobId: string;
  /** Milliseconds to wait at most for what is wanted; 0: not at all. */
  readonly waitMs: number;
  /** Whether the job is what is waited for; not asked while `waitMs` is 0. */
  readonly isWanted: (job: WatchedJob, first: WatchedJob) => boolean;
  readonly leaving: Leaving | undefined;
}

/** Why a wait ended. */
export type WaitEnd = 'at_once' | 'wanted' | 'time' | 'left' | 'draining';

/** The answer to it. */
export interface JobAnswer {
  readonly job: WatchedJob;
  readonly end: WaitEnd;
}

/** Who reads the changes of jobs. */
export interface NewsReader {
  /**
   * The first word: `reset` when what came after the given id is not known any more, so the reader should list anew. `reset`
   * also comes later, when changes may have been missed.
   */
  begin(how: 'new' | 'resumed' | 'reset', head: string): void;
  read(news: JobNews): void;
  /** The gateway shuts down. */
  end(): void;
}

/** A wish to read the changes of one's jobs from now on, or from the change `after` on. */
export interface NewsAsk {
  readonly account: Account;
  readonly identity: Identity;
  readonly after: string | null;
}

/** Tells what jobs are doing to whoever waits, from one watcher for each vovserver account. */
export interface JobWatch extends AsyncDisposable {
  /**
   * The job as it is, or as it has become. Throws GW_NOT_FOUND for what is no job of the caller (operators see all),
   * GW_RATE_LIMITED when too many wait, and what a read of vovserver throws.
   */
  look(ask: JobAsk): Promise<JobAnswer>;
  /** Throws GW_RATE_LIMITED, GW_DRAINING, and what a read of vovserver throws. Disposing it ends the reading. */
  follow(ask: NewsAsk, reader: NewsReader): Promise<Disposable>;
  /** Ends every wait and reading; whoever asks from now on is answered at once. */
  drain(): void;
}

/** How the watcher reads, as an account. */
export type WatchWay = (account: Account) => Pick<SubmissionWay, 'read'>;
