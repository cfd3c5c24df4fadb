import type { Config } from '../config/index.ts';
import {
  createOrigins,
  createOwnership,
  createQuotas,
  createSubmissions,
  hasEnded,
  type Origins,
  type Ownership,
  type Quotas,
  type Submissions,
} from '../jobs/index.ts';
import { GatewayError } from '../kernel/index.ts';
import { createTurns, type Turns } from '../limits/index.ts';
import type { KeyValue, Sealer } from '../platform/index.ts';
import { type Carrier, type CoalesceConfig, createCarrier, type UpstreamHandle } from '../upstream/index.ts';
import { createFreezeGate } from './freeze-gate.ts';
import { createGate } from './gate.ts';
import type { WireOptions } from './wire.ts';
import { type Freezes, wireFreezes } from './wire-freezes.ts';

/** What stands between a call and vovserver. */
export interface Guards extends Freezes {
  readonly turns: Turns;
  readonly carrier: Carrier;
  readonly origins: Origins;
  readonly submissions: Submissions;
  readonly quotas: Quotas;
  readonly ownership: Ownership;
}

/** What they need of the other parts. */
export interface SharedParts {
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly upstream: UpstreamHandle;
  readonly replicaId: string;
}

/** What protects vovserver, and makes submissions safe. */
export function wireGuards(options: WireOptions, shared: SharedParts): Guards {
  const { kv, sealer, upstream, replicaId } = shared;
  const { decided, report, clock, random } = options;
  const config = (): Config => decided().config;
  const { tokenKey: hashKey } = config().secrets;
  const replicas = (): number => config().replicas;
  const connections = (queue: string): number =>
    config().queues.find(({ name }) => name === queue)?.connections.perAccount ?? 1;
  const limits = () => config().limits;
  const turns = createTurns({ config: limits, kv, replicas, clock, random, report, replicaId, connections });
  const settings = (queue: string): CoalesceConfig => {
    const found = config().queues.find(({ name }) => name === queue);
    if (found === undefined) throw new GatewayError('GW_INTERNAL', 'This queue is not configured.');
    return found.coalesce;
  };
  const freezes = wireFreezes(options, shared);
  const gate = createFreezeGate(createGate(turns), freezes.maintenance);
  const carrier = createCarrier({ upstream, gate, settings, clock, report });
  const common = { kv, sealer, hashKey, config, clock, report };
  const origins: Origins = createOrigins({
    ...common,
    seen: ({ queue, subject, jobId }, status) => {
      if (hasEnded(status)) quotas.finished(queue, subject, jobId);
    },
  });
  const quotas = createQuotas({ ...common, origins, replicas, random });
  const submissions = createSubmissions({ ...common, origins, quotas });
  const ownership = createOwnership({ origins, clock });
  return { ...freezes, turns, carrier, origins, submissions, quotas, ownership };
}
