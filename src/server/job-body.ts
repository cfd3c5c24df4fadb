import { isFinal, type WatchedJob } from '../jobs/index.ts';

const isoOf = (ms: number): string => new Date(ms).toISOString();

/** What a program gets to see of a job. */
export const jobBody = (queue: string, job: WatchedJob) => ({
  job_id: job.jobId,
  queue,
  account: job.user,
  status: job.status,
  state: job.state,
  final: isFinal(job.state),
  exit: job.exit,
  host: job.host,
  duration: job.duration,
  ended_at: job.ended > 0 ? isoOf(job.ended * 1000) : null,
  seen_at: isoOf(job.seenAt),
});
