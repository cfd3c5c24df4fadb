import type { Ownership } from '../../jobs/index.ts';
import { GatewayError, type Identity } from '../../kernel/index.ts';
import type { Broker } from '../../tokens/index.ts';
import type { Carrier } from '../../upstream/index.ts';
import { createJobWay } from '../job-way.ts';
import type { Step } from '../scope.ts';
import { upstreamCall } from '../upstream-call.ts';

/** A job, and whatever a site opened below it. */
const JOB = /^\/api\/v3\/jobs\/([^/]+)/;

const mayKnow = ({ roles }: Identity): boolean => roles.some((role) => role !== 'user');

/** Refuses to control a job of somebody else; vovserver itself lets users rerun the jobs of others. */
export function createOwnJob(
  ownership: Ownership,
  carrier: Carrier,
  broker: Broker,
  /** True where a job of another is as one that does not exist. */
  hides: () => boolean,
): Step {
  return async (scope) => {
    const { meta, account, caller, path } = scope;
    if (scope.result !== null) return;
    // By method: a site may have given a write that it opened any class.
    if (meta.method === 'GET' || meta.method === 'HEAD' || account === null || caller === null) return;
    const jobId = JOB.exec(path)?.[1];
    const call = upstreamCall(scope);
    if (jobId === undefined || call === null) return;
    const { queue, name, shared } = account;
    const { identity } = caller;
    const way = createJobWay(carrier, broker, call, account);
    const job = { queue, account: name, shared, identity, jobId };
    if (!hides() || mayKnow(identity)) return await ownership.check(job, way);
    if (await ownership.isOwn(job, way)) return;
    throw new GatewayError('GW_NOT_FOUND', 'There is no job of yours with this id.');
  };
}
