import type { Ownership } from '../../jobs/index.ts';
import type { Broker } from '../../tokens/index.ts';
import type { Carrier } from '../../upstream/index.ts';
import { createJobWay } from '../job-way.ts';
import type { Step } from '../scope.ts';
import { upstreamCall } from '../upstream-call.ts';

/** A job, and whatever a site opened below it. */
const JOB = /^\/api\/v3\/jobs\/([^/]+)/;

/** Refuses to control a job of somebody else; vovserver itself lets users rerun the jobs of others. */
export function createOwnJob(ownership: Ownership, carrier: Carrier, broker: Broker): Step {
  return (scope) => {
    const { meta, account, caller, path } = scope;
    if (scope.result !== null) return;
    // By method: a site may have given a write that it opened any class.
    if (meta.method === 'GET' || meta.method === 'HEAD' || account === null || caller === null) return;
    const jobId = JOB.exec(path)?.[1];
    const call = upstreamCall(scope);
    if (jobId === undefined || call === null) return;
    const { queue, name, shared } = account;
    const way = createJobWay(carrier, broker, call, account);
    return ownership.check({ queue, account: name, shared, identity: caller.identity, jobId }, way);
  };
}
