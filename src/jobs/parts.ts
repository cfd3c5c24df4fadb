import type { Config } from '../config/index.ts';
import type { Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue, Leases } from '../platform/index.ts';
import type { KeyedHash } from './keyed-hash.ts';
import type { LateWrites } from './late-writes.ts';
import type { Origins, Submission, SubmissionWay } from './ports.ts';
import type { Quotas } from './quotas/ports.ts';
import type { RecordStore } from './record-store.ts';

/** What both kinds of submission work with. */
export interface Parts {
  readonly kv: KeyValue;
  readonly store: RecordStore;
  readonly leases: Leases;
  readonly hash: KeyedHash;
  readonly origins: Origins;
  readonly late: LateWrites;
  readonly quotas: Quotas;
  readonly config: () => Pick<Config, 'jobs'>;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly report: Pick<Report, 'log' | 'submission'>;
  readonly settle: SettleTimes;
}

/** From when on a job that vovserver does not show does not exist; milliseconds. */
export interface SettleTimes {
  /** After the answer was lost: what vovserver had already received it has read by then. */
  readonly lostMs: number;
  /** After a replica died while it sent, or lost its lease: what it had not sent by then it never sends. */
  readonly deadMs: number;
  /** A list of jobs may show a state that is older by so much: helpers of vovserver are copies of it. */
  readonly readAgeMs: number;
  /** So long after it was sent, a job may have run and be forgotten: from then on its absence proves nothing. */
  readonly forgottenMs: number;
}

/** One submission under its record. */
export interface Work {
  readonly submission: Submission;
  readonly way: SubmissionWay;
  /** Name of its record. */
  readonly id: string;
}
