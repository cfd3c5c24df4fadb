import { normalJobId } from '../job-id.ts';
import { readMembers } from '../job-text.ts';
import type { Answer } from '../ports.ts';
import { readRows } from '../query-rows.ts';
import { isFinal, stateOf } from './job-state.ts';
import type { WatchedJob } from './ports.ts';

/**
 * Which fields are asked for. The tutorial vouches for the plain ones only; the others are tried first, since a job that
 * ended between two looks is found by its end.
 */
export type FieldSet = 'full' | 'plain';

const PLAIN_FIELDS = ['idint', 'user', 'statusnc', 'host', 'durationpp'] as const;
const FULL_FIELDS = [...PLAIN_FIELDS, 'exit', 'ended'] as const;

const fieldsOf = (set: FieldSet): readonly string[] => (set === 'full' ? FULL_FIELDS : PLAIN_FIELDS);

/** Jobs that one look may give; an account with more is looked at job by job. */
export const MOST_JOBS = 20_000;
/** Ids in one query. */
export const MOST_IDS = 200;

/** Account names that mean nothing in a selection rule. */
const PLAIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

function target(select: FieldSet, where: string, limit: number): string {
  const parts = { select: fieldsOf(select).join(','), from: 'jobs', where, limit: String(limit) };
  const text = Object.entries(parts).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `/api/v3/query?${text.join('&')}`;
}

/**
 * Asks for the jobs of an account that have not ended, and those that ended at `since` (seconds on vovserver's clock) or
 * later. Null for an account name that could be read as more than a name.
 */
export function liveQuery(account: string, set: FieldSet, since: number): string | null {
  if (!PLAIN_NAME.test(account)) return null;
  const live = '(statusnc!=Done statusnc!=Failed)';
  const which = set === 'full' ? `(${live}|ended>=${Math.max(0, Math.floor(since))})` : live;
  return target(set, `user==${account} ${which}`, MOST_JOBS);
}

/** Asks for jobs by their ids, at most {@link MOST_IDS}. */
export function idsQuery(ids: readonly string[], set: FieldSet): string {
  return target(set, `idint==${ids.join(',')}`, ids.length + 1);
}

/** Reads one job itself: what is told of it comes from no copy. */
export const jobTarget = (jobId: string): string => `/api/v3/jobs/${jobId}`;

const wholeNumber = (text: string | undefined): number | null => {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) ? value : null;
};

function jobIn(row: Readonly<Record<string, string>>, jobId: string, now: number): WatchedJob {
  const status = (row.statusnc ?? '').slice(0, 40);
  const state = stateOf(status);
  const over = isFinal(state);
  return {
    jobId,
    user: row.user ?? '',
    status,
    state,
    host: row.host === undefined || row.host === '' ? null : row.host,
    exit: over ? wholeNumber(row.exit) : null,
    duration: over ? (row.durationpp ?? null) : null,
    ended: over ? (wholeNumber(row.ended) ?? 0) : 0,
    seenAt: now,
  };
}

/** The jobs in an answer; null when it is not a good answer to the question. */
export function readJobs(answer: Answer, set: FieldSet, now: number): WatchedJob[] | null {
  const rows = readRows(answer, fieldsOf(set));
  if (rows === null) return null;
  const jobs: WatchedJob[] = [];
  for (const row of rows) {
    const jobId = normalJobId(row.idint ?? '');
    if (jobId === null) return null;
    jobs.push(jobIn(row, jobId, now));
  }
  return jobs;
}

/** Whether an answer says that the question was not understood, so that a plainer one may be. */
export const isMisunderstood = ({ status, body }: Answer): boolean =>
  status === 400 || (status === 200 && body.length < 4096 && /"err(?:or)?msg"\s*:\s*"[^"]/.test(body.toString('utf8')));

const isEmpty = (value: unknown): boolean => value === undefined || (Array.isArray(value) && value.length === 0);

/** Fields of the answer to a read of one job, from all that are used to those that must be there. */
const ONE_JOB: readonly (readonly string[])[] = [
  ['user', 'statusnc', 'host', 'durationpp', 'exit', 'ended'],
  ['user', 'statusnc', 'host', 'durationpp'],
  ['user', 'statusnc'],
];

/** The job in the answer to a read of it; null when there is none, undefined when that is not told. */
export function readJob(answer: Answer, jobId: string, now: number): WatchedJob | null | undefined {
  if (answer.status === 404) return null;
  for (const fields of ONE_JOB) {
    const rows = readRows(answer, fields);
    if (rows !== null) return rows[0] === undefined ? null : jobIn(rows[0], jobId, now);
  }
  const { columns, rows, errmsg = '', errormsg = '' } = readMembers(answer.body) ?? { errmsg: 'no object' };
  // Without rows, and even without columns, is how some say that a job is gone.
  const nothing = answer.status === 200 && errmsg === '' && errormsg === '' && isEmpty(rows) && isEmpty(columns);
  return nothing ? null : undefined;
}
