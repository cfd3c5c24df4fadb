import { normalJobId } from '../job-id.ts';
import { PLAIN, query } from '../job-query.ts';
import type { SubmissionWay } from '../ports.ts';
import { readRows } from '../query-rows.ts';

/** States of a job that has ended or will not run; any other word is a live job (NC words, then internal ones). */
const ENDED = new Set(['done', 'failed', 'sleeping', 'withdrawn', 'valid', 'forgotten']);

/** Whether a job in this state no longer counts as live. */
export const hasEnded = (status: string): boolean => ENDED.has(status.toLowerCase());

const FIELDS = ['idint', 'user', 'statusnc'] as const;
const MOST = 50_000;

/** The live jobs of an account as vovserver shows them; `all` false: there may be more. Null when it does not tell. */
export async function readLiveJobs(
  way: Pick<SubmissionWay, 'read'>,
  account: string,
): Promise<{ readonly ids: readonly string[]; readonly all: boolean } | null> {
  const owner = PLAIN.test(account) ? [`user==${account}`] : [];
  const { target, limit } = query(FIELDS, [...owner, 'statusnc!=Done', 'statusnc!=Failed'], MOST);
  const rows = readRows(await way.read(target), FIELDS);
  if (rows === null) return null;
  const live = rows.filter(({ user, statusnc }) => user === account && !hasEnded(statusnc));
  const ids = live.map(({ idint }) => normalJobId(idint)).filter((id) => id !== null);
  return { ids, all: rows.length < limit };
}
