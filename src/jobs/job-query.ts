import { type JobText, lastPart } from './job-text.ts';
import { type Mark, markField } from './mark.ts';

/** Characters that mean nothing in a selection rule. All else is compared in the gateway instead of being quoted. */
export const PLAIN = /^[A-Za-z0-9_./][A-Za-z0-9_./-]*$/;

/** A query for jobs, and how many rows it may give. */
export interface JobQuery {
  readonly target: string;
  readonly limit: number;
}

const FEW = 10;
/** Jobs of an account that are looked through one by one. */
const MANY = 5000;

/** A query for jobs; every part is known to mean nothing else in a selection rule. */
export function query(select: readonly string[], where: readonly string[], limit: number): JobQuery {
  const parts = { select: select.join(','), from: 'jobs', where: where.join(' '), limit: String(limit) };
  const text = Object.entries(parts).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return { target: `/api/v3/query?${text.join('&')}`, limit };
}

/** The jobs that carry a mark. */
export function markQuery(mark: Mark): JobQuery & { readonly fields: readonly string[] } {
  const field = markField(mark);
  const fields = ['idint', 'user', field];
  return { ...query(fields, [`${field}==${mark.text}`], FEW), fields };
}

export const LOG_FIELDS = ['idint', 'user', 'dir', 'command', 'submittime'] as const;

/** All jobs of an account since `seconds` (of the epoch). */
export function accountQuery(account: string, seconds: number): JobQuery {
  const where = [...(PLAIN.test(account) ? [`user==${account}`] : []), sinceTerm(seconds)];
  return query(LOG_FIELDS, where, MANY);
}

const sinceTerm = (seconds: number): string => `submittime>=${Math.max(0, Math.floor(seconds))}`;

/** The jobs of an account since `seconds` (of the epoch) that name the last part of the log file, or all of them when it is not plain. */
export function logQuery(account: string, { logfile }: JobText, seconds: number): JobQuery {
  // vovserver may show the path in another spelling than it was given.
  const name = lastPart(logfile);
  const where = [
    ...(PLAIN.test(account) ? [`user==${account}`] : []),
    sinceTerm(seconds),
    ...(PLAIN.test(name) ? [`command^${name}`] : []),
  ];
  return query(LOG_FIELDS, where, MANY);
}
