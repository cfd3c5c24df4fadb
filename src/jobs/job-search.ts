import { type Clock, GatewayError } from '../kernel/index.ts';
import { normalJobId } from './job-id.ts';
import { type JobQuery, LOG_FIELDS, logQuery, markQuery } from './job-query.ts';
import type { JobText } from './job-text.ts';
import { isTheJob, mayName, names } from './log-name.ts';
import { type Mark, markField } from './mark.ts';
import type { Answer, SubmissionWay } from './ports.ts';
import { type Row, readRows } from './query-rows.ts';

/** A job as vovserver shows it; a number may begin anew with another server, together with a second it does not. */
export interface SeenJob {
  readonly jobId: string;
  readonly submitTime: string;
}

/** What a search for the job of a submission came to. `unsure` is neither: vovserver did not answer well, or several fit. */
export type Found =
  | { readonly kind: 'one'; readonly jobId: string; readonly job: SeenJob | null }
  | { readonly kind: 'none' }
  | { readonly kind: 'unsure'; readonly reason: string };

/** The submission whose job is looked for. */
export interface Wanted {
  readonly account: string;
  readonly mark: Mark | null;
  readonly job: JobText | null;
  /** Milliseconds since the epoch, on the gateway's clock. */
  readonly sentAt: number;
}

export interface JobSearchOptions {
  readonly way: Pick<SubmissionWay, 'read'>;
  readonly clock: Clock;
  /** True for a job that is known to come from another submission. */
  readonly isAnothers: (job: SeenJob) => Promise<boolean>;
}

export type LogRow = Row<(typeof LOG_FIELDS)[number]>;

/** Clocks may differ by so much before vovserver's own Date says by how much. */
export const SKEW_MS = 300_000;
/** SUBMITTIME and Date are whole seconds. */
export const SLACK_MS = 2000;
/** The clocks of two replicas may differ by so much: one lost it, another looks for it. */
export const REPLICAS_MS = 10_000;
/** So many jobs are held against the record of who submitted them. */
const MOST_NEAR = 1000;

const unsure = (reason: string): Found => ({ kind: 'unsure', reason });

async function ask(way: JobSearchOptions['way'], target: string): Promise<Answer | null> {
  try {
    return await way.read(target);
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  }
}

/** The rows of a query and the answer that they came in; null when it is no good answer. */
export async function askJobs<F extends string>(
  way: JobSearchOptions['way'],
  { target }: Pick<JobQuery, 'target'>,
  fields: readonly F[],
): Promise<{ readonly answer: Answer; readonly rows: readonly Row<F>[] } | null> {
  const answer = await ask(way, target);
  const rows = answer === null ? null : readRows(answer, fields);
  return answer === null || rows === null ? null : { answer, rows };
}

async function byMark(way: JobSearchOptions['way'], mark: Mark, account: string): Promise<Found> {
  const query = markQuery(mark);
  const { rows } = (await askJobs(way, query, query.fields)) ?? { rows: null };
  if (rows === null || rows.length >= query.limit) return unsure('no good answer to the search for the mark');
  const field = markField(mark);
  const ours = rows.filter((row) => row.user === account && row[field] === mark.text);
  const ids = ours.map((row) => normalJobId(row.idint ?? '')).filter((id) => id !== null);
  const [jobId, ...more] = ids;
  if (more.length > 0) return unsure('several jobs carry the mark');
  // Rows that do not hold what was asked for: the server reads the query in another way than it is meant.
  if (jobId === undefined) return rows.length === 0 ? { kind: 'none' } : unsure('rows without the mark');
  // Nobody else can have made the mark, so nobody else can take the job for theirs.
  return { kind: 'one', jobId, job: null };
}

/** vovserver's clock minus the gateway's, in milliseconds, by the Date of an answer; null without one. */
export function clockOffset(answer: Answer, now: number): number | null {
  const at = answer.headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'date');
  const date = at < 0 ? Number.NaN : Date.parse(answer.headers[at + 1] ?? '');
  return Number.isNaN(date) ? null : date - now;
}

export const seenJob = (row: LogRow): SeenJob => ({
  jobId: normalJobId(row.idint) ?? row.idint,
  submitTime: row.submittime,
});

const millis = ({ submittime }: LogRow): number => Number(submittime) * 1000;

/**
 * Adopted is a job only that says all of it and is not older than the sending. There is none only when nothing may be it: by
 * whatever spelling of the log file, and as early as clocks may differ.
 */
async function byLogfile({ way, clock, isAnothers }: JobSearchOptions, wanted: Wanted, job: JobText): Promise<Found> {
  const { account, sentAt } = wanted;
  const earliest = sentAt - SKEW_MS;
  const query = logQuery(account, job, earliest / 1000);
  const asked = await askJobs(way, query, LOG_FIELDS);
  if (asked === null) return unsure('no good answer to the search by log file');
  const { answer, rows } = asked;
  if (rows.length >= query.limit) return unsure('too many jobs to look through');
  const offset = clockOffset(answer, clock.now());
  const since = sentAt + (offset ?? 0) - SLACK_MS - REPLICAS_MS;
  if (since < earliest) return unsure('the clocks of vovserver and gateway are too far apart');
  const doubtful = offset === null ? earliest : since;
  // A time that is no number is in doubt, too.
  const near = rows.filter(
    (row) => row.user === account && !(millis(row) < doubtful) && mayName(row.command, job.logfile),
  );
  if (near.length > MOST_NEAR) return unsure('too many jobs that may be it');
  const anothers = await Promise.all(near.map((row) => isAnothers(seenJob(row))));
  const open = near.filter((_, at) => anothers[at] === false);
  if (open.length === 0) return { kind: 'none' };
  const named = open.filter((row) => millis(row) >= since && (names(row.command, job.logfile) || isTheJob(row, job)));
  const [row, ...more] = named;
  if (row === undefined || more.length > 0 || !isTheJob(row, job)) return unsure('jobs that may be it, or not');
  return { kind: 'one', jobId: seenJob(row).jobId, job: seenJob(row) };
}

/**
 * Looks for the job that a submission may have made. By its mark; and by its log file among the account's jobs since then,
 * because a mark proves nothing when vovserver dropped it: there is no job only when both say so. Throws StoreUnavailable.
 */
export async function searchJob(options: JobSearchOptions, wanted: Wanted): Promise<Found> {
  const { mark, job, account } = wanted;
  const marked = mark === null ? null : await byMark(options.way, mark, account);
  if (marked?.kind === 'one') return marked;
  const logged = job === null ? unsure('the body names no log file') : await byLogfile(options, wanted, job);
  return marked?.kind === 'unsure' && logged.kind === 'none' ? marked : logged;
}
