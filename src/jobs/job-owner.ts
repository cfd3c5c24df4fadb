import { GatewayError } from '../kernel/index.ts';
import type { Answer, SubmissionWay } from './ports.ts';
import { readRows } from './query-rows.ts';

/** Whose a job is on vovserver; null: there is no such job. */
export type Owner = string | null;

/** Answers to the read of a job that does not exist: 404, or a good answer without rows. */
function ownerIn(answer: Answer): Owner | undefined {
  if (answer.status === 404) return null;
  const rows = readRows(answer, ['user']);
  if (rows !== null) return rows[0]?.user ?? null;
  return hasNothing(answer) ? null : undefined;
}

/** `{}` or an empty reply without columns is how some say that a job is gone. */
function hasNothing({ status, body }: Answer): boolean {
  if (status !== 200) return false;
  try {
    const { columns = [], rows = [], errmsg = '', errormsg = '' } = JSON.parse(body.toString('utf8'));
    return (
      errmsg === '' && errormsg === '' && [columns, rows].every((list) => Array.isArray(list) && list.length === 0)
    );
  } catch {
    return false;
  }
}

/**
 * Asks vovserver whose a job is: by the field, and by the whole row when the field alone is not to be had. Throws
 * GW_NOT_YOURS when vovserver does not show the job to this account, GW_UPSTREAM_INVALID when it cannot be told, and what
 * the way throws.
 */
export async function readOwner(way: Pick<SubmissionWay, 'read'>, jobId: string): Promise<Owner> {
  for (const target of [`/api/v3/jobs/${jobId}/user`, `/api/v3/jobs/${jobId}`]) {
    const answer = await way.read(target);
    const owner = ownerIn(answer);
    if (owner !== undefined) return owner;
    if (answer.status === 401 || answer.status === 403) {
      throw new GatewayError('GW_NOT_YOURS', `vovserver does not show job ${jobId} to your account.`);
    }
  }
  throw new GatewayError('GW_UPSTREAM_INVALID', `vovserver does not tell whose job ${jobId} is; nothing was sent.`);
}
