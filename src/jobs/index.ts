// Makes submission safe: at most once, attributable, within policy and quota.
export type { Answer, Origin, Origins, Ownership, Submission, Submissions, SubmissionWay } from './ports.ts';
