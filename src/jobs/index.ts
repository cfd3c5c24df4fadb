// Makes submission safe: at most once, attributable, within policy and quota.
export { readIdempotencyKey } from './idempotency-key.ts';
export { normalJobId } from './job-id.ts';
export { createOrigins, type OriginsOptions } from './origins.ts';
export { createOwnership, type OwnershipOptions } from './ownership.ts';
export type { SettleTimes } from './parts.ts';
export type { Answer, Origin, Origins, Ownership, Submission, Submissions, SubmissionWay } from './ports.ts';
export { createQuotas, type QuotasOptions } from './quotas/create-quotas.ts';
export { hasEnded } from './quotas/live-query.ts';
export type { QuotaCaller, Quotas, QuotaViolation } from './quotas/ports.ts';
export { seenStatus } from './seen-status.ts';
export { createSubmissions, type SubmissionsOptions } from './submissions.ts';
export { createJobWatch, type JobWatchOptions } from './watch/create-job-watch.ts';
export { isFinal, stateOf } from './watch/job-state.ts';
export type {
  JobAnswer,
  JobAsk,
  JobChange,
  JobNews,
  JobWatch,
  NewsAsk,
  NewsReader,
  WatchedJob,
  WatchWay,
} from './watch/ports.ts';
