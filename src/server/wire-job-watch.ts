import { createJobWatch, type JobWatch, type Origins, type Quotas, type WatchWay } from '../jobs/index.ts';
import { createLeases, type KeyValue, type Sealer } from '../platform/index.ts';
import type { Broker } from '../tokens/index.ts';
import type { Carrier, Upstream } from '../upstream/index.ts';
import { createCorrelation } from './correlation.ts';
import type { WireOptions } from './wire.ts';

/** 20 000 jobs with every field that is asked for. */
const ANSWER_BYTES = 8_388_608;
const NEVER = new AbortController().signal;

/** What the watch over jobs needs of the other parts. */
export interface JobWatchParts {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly upstream: Pick<Upstream, 'epoch'>;
  readonly carrier: Carrier;
  readonly broker: Broker;
  readonly origins: Origins;
  readonly quotas: Quotas;
  readonly replicaId: string;
}

/** Reads for the watch: each call takes a turn like those of a caller, and belongs to the account itself. */
function createWatchWay(carrier: Carrier, broker: Broker): WatchWay {
  const correlation = createCorrelation();
  return (account) => ({
    async read(target) {
      // A read of one job is asked when a list was too old, so no kept answer will do.
      const one = target.startsWith('/api/v3/jobs/');
      const call = {
        queue: account.queue,
        account: account.name,
        method: 'GET',
        target,
        route: one ? 'jobs' : 'query',
        class: one ? 'read' : 'list',
        rawHeaders: ['Accept', 'application/json', ...(one ? ['Cache-Control', 'no-cache'] : [])],
        body: { kind: 'none' },
        requestId: correlation.requestId(undefined),
        traceparent: correlation.traceparent(undefined),
        signal: NEVER,
      } as const;
      return await carrier.ask(call, broker.credentialFor(account), ANSWER_BYTES);
    },
  });
}

/** The watch over jobs for those who wait. */
export function wireJobWatch(options: WireOptions, parts: JobWatchParts): JobWatch {
  const { kv, sealer, upstream, carrier, broker, origins, quotas, replicaId } = parts;
  const { decided, report, clock } = options;
  // A job that is gone counts no longer as live, whoever submitted it; what cannot be told now is found by the next recount.
  const onForgotten = async (queue: string, jobId: string, asOf: number): Promise<void> => {
    const origin = await origins.find(queue, jobId).catch(() => null);
    // A later one of this number is another job.
    if (origin !== null && origin.submittedAt <= asOf) quotas.finished(queue, origin.subject, jobId);
  };
  return createJobWatch({
    kv,
    sealer,
    leases: createLeases(kv, { clock, ownerId: replicaId }),
    hashKey: decided().config.secrets.tokenKey,
    config: () => decided().config,
    wayFor: createWatchWay(carrier, broker),
    origins,
    onForgotten: (queue, jobId, asOf) => void onForgotten(queue, jobId, asOf),
    epoch: (queue) => upstream.epoch(queue),
    clock,
    report,
  });
}
