import { type Clock, GatewayError, type Identity } from '../kernel/index.ts';
import { normalJobId } from './job-id.ts';
import { readOwner } from './job-owner.ts';
import type { Origins, Ownership } from './ports.ts';

export interface OwnershipOptions {
  readonly origins: Pick<Origins, 'find'>;
  readonly clock: Clock;
}

/** The owner of a job never changes, but a number may begin anew with another server. */
const CACHED_MS = 60_000;
const CACHED = 20_000;

type Call = Parameters<Ownership['check']>[0];

const notYours = (jobId: string, detail: string): GatewayError =>
  new GatewayError('GW_NOT_YOURS', `Job ${jobId} ${detail}`);

/** An admin may control what vovserver lets their account control; an operator only sees whose job is whose. */
const mayControlAny = ({ roles }: Identity): boolean => roles.includes('admin');

interface Cached {
  readonly owner: string;
  readonly until: number;
}

/** Owners of jobs by queue and number, for a minute. */
function createOwners(clock: Clock) {
  const known = new Map<string, Cached>();
  return {
    get(key: string): string | null {
      const cached = known.get(key);
      return cached !== undefined && clock.now() < cached.until ? cached.owner : null;
    },
    put(key: string, owner: string): void {
      known.delete(key);
      known.set(key, { owner, until: clock.now() + CACHED_MS });
      if (known.size <= CACHED) return;
      for (const oldest of known.keys()) {
        known.delete(oldest);
        return;
      }
    },
  };
}

/**
 * Creates the check of who may control a job. On a shared account the record of the true submitter decides, and without one
 * nobody but an admin may; on a personal account the USER of the job at vovserver. A job that does not exist passes on a
 * personal account: vovserver answers that itself. Throws GW_BAD_PATH for what is no job id.
 */
export function createOwnership({ origins, clock }: OwnershipOptions): Ownership {
  const owners = createOwners(clock);

  const checkShared = async (call: Call, jobId: string): Promise<void> => {
    const origin = await origins.find(call.queue, jobId);
    if (origin === null || origin.account !== call.account) {
      throw notYours(jobId, `is on no record of the shared account ${call.account}.`);
    }
    if (origin.subject !== call.identity.subject) throw notYours(jobId, 'was submitted by somebody else.');
  };

  const checkPersonal = async (call: Call, jobId: string, way: Parameters<Ownership['check']>[1]): Promise<void> => {
    const key = JSON.stringify([call.queue, jobId]);
    const owner = owners.get(key) ?? (await readOwner(way, jobId));
    if (owner === null) return;
    owners.put(key, owner);
    if (owner !== call.account) throw notYours(jobId, 'belongs to another vovserver account.');
  };

  return {
    async check(call, way) {
      const jobId = normalJobId(call.jobId);
      if (jobId === null) throw new GatewayError('GW_BAD_PATH', 'A job id is 1 to 12 digits.');
      if (mayControlAny(call.identity)) return;
      await (call.shared ? checkShared(call, jobId) : checkPersonal(call, jobId, way));
    },
  };
}
