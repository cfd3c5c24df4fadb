import type { Submission, SubmissionWay } from '../ports.ts';

/** Who wants to submit, and where. */
export type QuotaCaller = Pick<Submission, 'queue' | 'account' | 'identity'> & {
  /** Whether several people use the account. */
  readonly shared?: boolean;
};

/** A quota that is used up. */
export interface QuotaViolation {
  /** Name in the configuration. */
  readonly quota: string;
  readonly mode: 'enforce' | 'observe';
  /** For people: what is used up, and of how many. */
  readonly reason: string;
}

/** How much a person or a group may submit, over all replicas. */
export interface Quotas {
  /**
   * Takes one submission from every quota that concerns the caller. Throws GW_QUOTA, with every exceeded one, having taken
   * nothing. `id` names the submission until it is settled; with the store away each replica decides its share.
   */
  reserve(caller: QuotaCaller, id: string, way: Pick<SubmissionWay, 'read'>): Promise<void>;
  /** The submission became a job. Never throws. */
  commit(caller: QuotaCaller, id: string, jobId: string): Promise<void>;
  /** The submission executed nothing and does not stay counted. Never throws. */
  cancel(caller: QuotaCaller, id: string): Promise<void>;
  /** What a submission would break now; counts nothing. Throws nothing: with the store away by what this replica knows. */
  check(caller: QuotaCaller): Promise<readonly QuotaViolation[]>;
  /** A job of a person was seen as ended, or is gone. Never throws; few at a time. */
  finished(queue: string, subject: string, jobId: string): void;
}

/** Counts nothing and refuses nothing. */
export const NO_QUOTAS: Quotas = {
  reserve: async () => undefined,
  commit: async () => undefined,
  cancel: async () => undefined,
  check: async () => [],
  finished: () => undefined,
};
