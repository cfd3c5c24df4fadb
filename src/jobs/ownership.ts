import { type Clock, GatewayError, type Identity } from '../kernel/index.ts';
import { normalJobId } from './job-id.ts';
import { readOwner } from './job-owner.ts';
import type { JobCall, Origins, Ownership, SubmissionWay } from './ports.ts';
import { createShortMemory } from './short-memory.ts';

export interface OwnershipOptions {
  readonly origins: Pick<Origins, 'find' | 'findMany'>;
  readonly clock: Clock;
}

type Way = Pick<SubmissionWay, 'read'>;

const notYours = (jobId: string, detail: string): GatewayError =>
  new GatewayError('GW_NOT_YOURS', `Job ${jobId} ${detail}`);

/** Milliseconds: one list after the other asks for the same jobs, but a job may be seen before its record is written. */
const UNRECORDED_MS = 3000;

/** An admin may control what vovserver lets their account control; an operator only sees whose job is whose. */
const mayControlAny = ({ roles }: Identity): boolean => roles.includes('admin');

function checkedId(text: string): string {
  const jobId = normalJobId(text);
  if (jobId === null) throw new GatewayError('GW_BAD_PATH', 'A job id is 1 to 12 digits.');
  return jobId;
}

/** What is known of a job: on a shared account who submitted it, else its USER at vovserver. */
const keyOf = (queue: string, jobId: string): string => JSON.stringify([queue, jobId]);

/**
 * Creates the check of who may control a job. On a shared account the record of the true submitter decides, and without one
 * nobody but an admin may; on a personal account the USER of the job at vovserver. A job that does not exist passes on a
 * personal account: vovserver answers that itself. A job is one's own when, on a shared account, both agree, since a number may
 * begin anew. Throws GW_BAD_PATH for what is no job id.
 */
export function createOwnership({ origins, clock }: OwnershipOptions): Ownership {
  const users = createShortMemory<string>(clock);
  const submitters = createShortMemory<string>(clock);
  const unrecorded = createShortMemory<true>(clock, UNRECORDED_MS);

  const userOf = async ({ queue }: JobCall, jobId: string, way: Way): Promise<string | null> => {
    const key = keyOf(queue, jobId);
    const user = users.get(key) ?? (await readOwner(way, jobId));
    if (user !== null) users.put(key, user);
    return user;
  };

  const checkShared = async (call: JobCall, jobId: string): Promise<void> => {
    const origin = await origins.find(call.queue, jobId);
    if (origin === null || origin.account !== call.account) {
      throw notYours(jobId, `is on no record of the shared account ${call.account}.`);
    }
    if (origin.subject !== call.identity.subject) throw notYours(jobId, 'was submitted by somebody else.');
  };

  const checkPersonal = async (call: JobCall, jobId: string, way: Way): Promise<void> => {
    const user = await userOf(call, jobId, way);
    if (user !== null && user !== call.account) throw notYours(jobId, 'belongs to another vovserver account.');
  };

  const isOwn = async (call: JobCall, jobId: string, way: Way): Promise<boolean> => {
    try {
      if (call.shared) await checkShared(call, jobId);
      return (await userOf(call, jobId, way)) === call.account;
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'GW_NOT_YOURS') return false;
      throw error;
    }
  };

  return {
    async check(call, way) {
      const jobId = checkedId(call.jobId);
      if (mayControlAny(call.identity)) return;
      await (call.shared ? checkShared(call, jobId) : checkPersonal(call, jobId, way));
    },
    isOwn: async (call, way) => isOwn(call, checkedId(call.jobId), way),
    async isOther(call, way) {
      const jobId = checkedId(call.jobId);
      try {
        if ((await userOf(call, jobId, way)) === null) return false;
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'GW_NOT_YOURS') return true;
        throw error;
      }
      return !(await isOwn(call, jobId, way));
    },
    async submittedBy({ queue, account, subject }, jobIds) {
      // The mark of an origin: no two parts can be read as another two.
      const wanted = JSON.stringify([account, subject]);
      const mine = new Set<string>();
      const unknown: string[] = [];
      for (const jobId of jobIds) {
        const key = keyOf(queue, jobId);
        const known = submitters.get(key);
        if (known === wanted) mine.add(jobId);
        else if (known === null && unrecorded.get(key) === null) unknown.push(jobId);
      }
      if (unknown.length === 0) return mine;
      const lacking = new Set(unknown);
      for (const origin of await origins.findMany(queue, unknown)) {
        const found = JSON.stringify([origin.account, origin.subject]);
        submitters.put(keyOf(queue, origin.jobId), found);
        lacking.delete(origin.jobId);
        if (found === wanted) mine.add(origin.jobId);
      }
      for (const jobId of lacking) unrecorded.put(keyOf(queue, jobId), true);
      return mine;
    },
  };
}
