import type { ClientReport } from './client.ts';

/** A job that was submitted: when it ends, at the earliest, in milliseconds since the epoch. */
export interface SentJob {
  readonly jobId: string;
  readonly account: string;
  readonly endsAt: number;
}

/** What the reports of a crowd come to. */
export interface Verdict {
  /** Ends of jobs that a stream was not told, or a waiting client that waited for the job. */
  readonly lost: number;
  /** Changes that one stream was told twice, or in another order than the others. */
  readonly twice: number;
  /** Events of another account. */
  readonly foreign: number;
  readonly resets: number;
  readonly reconnects: number;
  readonly failures: readonly string[];
  /** Milliseconds from the end of a job to each client that was told. */
  readonly latencies: readonly number[];
  readonly told: number;
}

const isEnd = (state: string): boolean => state === 'done' || state === 'failed';

/** Compares what `accountOf` client `index` saw with what was submitted. Jobs that end after `until` may still be on their way. */
export function judge(
  reports: readonly ClientReport[],
  sent: readonly SentJob[],
  options: { readonly until: number; readonly accounts: readonly string[] },
): Verdict {
  const due = sent.filter(({ endsAt }) => endsAt < options.until);
  const endsAt = new Map(sent.map((job) => [job.jobId, job.endsAt]));
  const tally = { lost: 0, twice: 0, foreign: 0, resets: 0, reconnects: 0, told: 0 };
  const latencies: number[] = [];
  const failures: string[] = [];
  for (const report of reports) {
    tally.resets += report.resets;
    tally.reconnects += report.reconnects;
    failures.push(...report.failures);
    const ends = new Set<string>();
    const changes = new Set<string>();
    const mine = new Set(report.seen.map(([, , account]) => account));
    tally.foreign += Math.max(0, mine.size - 1) + [...mine].filter((one) => !options.accounts.includes(one)).length;
    for (const [job, state, , at] of report.seen) {
      tally.told += 1;
      if (report.kind === 'stream' && changes.has(`${job} ${state}`)) tally.twice += 1;
      changes.add(`${job} ${state}`);
      if (!isEnd(state)) continue;
      ends.add(job);
      const end = endsAt.get(job);
      if (end !== undefined) latencies.push(at - end);
    }
    const [own] = mine;
    const waited = new Set(report.seen.map(([job]) => job));
    const expected = due.filter(({ jobId, account }) =>
      report.kind === 'stream' ? account === own || own === undefined : waited.has(jobId),
    );
    tally.lost += expected.filter(({ jobId }) => !ends.has(jobId)).length;
  }
  return { ...tally, failures, latencies };
}
