import { accountQuery, LOG_FIELDS } from './job-query.ts';
import {
  askJobs,
  clockOffset,
  type LogRow,
  REPLICAS_MS,
  type SeenJob,
  SKEW_MS,
  SLACK_MS,
  seenJob,
} from './job-search.ts';
import type { Parts, Work } from './parts.ts';
import type { Origin } from './ports.ts';
import { isAnothers, type Lost } from './reconcile.ts';

/** Whether it is proved that a lost sending was never executed, or why not. */
export type Absence = { readonly proved: true } | { readonly proved: false; readonly reason: string };

/** So many jobs are held against the record of who submitted them. */
const MOST_ROWS = 1000;
/** So many of the newest jobs are tried as the control. */
const CONTROLS = 20;
/** A submission may take so long from being sent to being recorded, and no clock may be in more doubt. */
const DOUBT_MS = 30_000;

const not = (reason: string): Absence => ({ proved: false, reason });
const millis = ({ submittime }: LogRow): number => Number(submittime) * 1000;

/**
 * The newest job in a list that the gateway knows from vovserver's own answer to another submission. That it is there shows
 * that such a list has the jobs of this account in it, by these names of fields, up to the moment of its submission.
 */
async function findControl(parts: Parts, queue: string, lost: Lost, rows: readonly LogRow[]): Promise<Control | null> {
  const newest = [...rows].sort((a, b) => millis(b) - millis(a)).slice(0, CONTROLS);
  const ids = newest.map((row) => seenJob(row).jobId);
  const origins = await parts.origins.findMany(queue, ids);
  for (const [at, row] of newest.entries()) {
    const origin = origins.find(({ jobId }) => jobId === ids[at]);
    if (origin?.account === lost.account && origin.submittedAt >= lost.at - SKEW_MS) return { row, origin };
  }
  return null;
}

interface Control {
  readonly row: LogRow;
  readonly origin: Origin;
}

/** vovserver's clock minus the gateway's, by the Date of the answer and by the control, which must agree; milliseconds. */
function offsetBy({ row, origin }: Control, byDate: number | null): { least: number; most: number } | null {
  const byControl = millis(row) - origin.submittedAt;
  const offset = byDate ?? byControl;
  const slack = REPLICAS_MS + (byDate === null ? DOUBT_MS : SLACK_MS);
  const sound = Math.abs(byControl - offset) <= DOUBT_MS && Math.abs(offset) <= SKEW_MS - DOUBT_MS - REPLICAS_MS;
  return sound ? { least: offset - slack, most: offset + slack } : null;
}

/** Jobs of the time of the lost sending that nobody else is known to have submitted. */
async function unclaimed(parts: Parts, work: Work, lost: Lost, jobs: readonly SeenJob[]): Promise<number> {
  let count = 0;
  for (const job of jobs) if (!(await isAnothers(parts, work, lost, job))) count += 1;
  return count;
}

/**
 * Whether the account's own list of jobs proves that a lost sending was never executed. It does when all jobs of that time in
 * it are known to come from other submissions, and a control job in the same answer shows that the list is what it is taken
 * for and not older than `settledAt`. Nothing is taken from the form of a command. Throws StoreUnavailable and
 * GW_STORE_UNAVAILABLE.
 */
export async function proveAbsence(parts: Parts, work: Work, lost: Lost, settledAt: number): Promise<Absence> {
  const { queue } = work.submission;
  const since = Math.floor((lost.at - SKEW_MS) / 1000);
  const query = accountQuery(lost.account, since);
  const before = parts.clock.now();
  const listed = await askJobs(work.way, query, LOG_FIELDS);
  if (listed === null) return not('no good answer to the list of jobs');
  const rows = listed.rows.filter(({ user }) => user === lost.account);
  if (listed.rows.length >= query.limit) return not('too many jobs to look through');
  if (!rows.every((row) => Number.isFinite(millis(row)))) return not('times that are no numbers');
  const control = await findControl(parts, queue, lost, rows);
  if (control === null) return not('no job in the list that the gateway knows of');
  const offset = offsetBy(control, clockOffset(listed.answer, parts.clock.now()));
  if (offset === null) return not('the clocks of vovserver and gateway are too far apart');
  const to = settledAt + offset.most;
  // A list that shows a job of after `to` is not older than what may have been executed until then.
  const fresh = millis(control.row) > to;
  if (!fresh && before < settledAt + parts.settle.readAgeMs) return not('the list may be older than the sending');
  const near = rows.filter((row) => millis(row) >= lost.at + offset.least && millis(row) <= to).map(seenJob);
  if (near.length > MOST_ROWS) return not('too many jobs of that time');
  const others = await unclaimed(parts, work, lost, near);
  return others === 0 ? { proved: true } : not(`${others} jobs of that time may be it`);
}
