import { type Clock, GatewayError } from '../kernel/index.ts';
import { normalJobId } from './job-id.ts';
import { type JobQuery, LOG_FIELDS, logQuery, markQuery } from './job-query.ts';
import type { JobText } from './job-text.ts';
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

const NAME_PART = /[A-Za-z0-9_.-]/;

/** Whether a command names this file, not one whose name only holds it. */
function names(command: string, logfile: string): boolean {
  for (let at = command.indexOf(logfile); at >= 0; at = command.indexOf(logfile, at + 1)) {
    const around = [command[at - 1] ?? ' ', command[at + logfile.length] ?? ' '];
    if (!around.some((char) => NAME_PART.test(char))) return true;
  }
  return false;
}

const folder = (path: string): string => (path.length > 1 ? path.replace(/\/+$/, '') : path);

/** COMMAND is stored as `vw <command> > <logfile>` (tutorial); the first word is the wrapper. */
function isTheJob(row: LogRow, { rundir, logfile, command }: JobText): boolean {
  const written = `${command} > ${logfile}`;
  const [wrapper = ''] = row.command.split(' ', 1);
  const same = row.command === written || row.command === `${wrapper} ${written}`;
  return same && folder(row.dir) === folder(rundir);
}

export const seenJob = (row: LogRow): SeenJob => ({
  jobId: normalJobId(row.idint) ?? row.idint,
  submitTime: row.submittime,
});

async function byLogfile({ way, clock, isAnothers }: JobSearchOptions, wanted: Wanted, job: JobText): Promise<Found> {
  const query = logQuery(wanted.account, job, (wanted.sentAt - SKEW_MS) / 1000);
  const asked = await askJobs(way, query, LOG_FIELDS);
  if (asked === null) return unsure('no good answer to the search by log file');
  const { answer, rows } = asked;
  if (rows.length >= query.limit) return unsure('too many jobs to look through');
  const offset = clockOffset(answer, clock.now()) ?? 0;
  const since = wanted.sentAt + offset - SLACK_MS;
  const near = rows.filter(
    (row) => row.user === wanted.account && Number(row.submittime) * 1000 >= since && names(row.command, job.logfile),
  );
  const anothers = await Promise.all(near.map((row) => isAnothers(seenJob(row))));
  const open = near.filter((_, at) => anothers[at] === false);
  const [row, ...more] = open;
  if (row === undefined) return { kind: 'none' };
  if (more.length > 0 || !isTheJob(row, job)) return unsure('jobs that may be it, or not');
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
