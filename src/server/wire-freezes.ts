import type { Config } from '../config/index.ts';
import { createFailoverStore, createMaintenance, type Maintenance } from '../limits/index.ts';
import type { KeyValue } from '../platform/index.ts';
import type { Upstream } from '../upstream/index.ts';
import { createPlannedFailover, type PlannedFailover } from './planned-failover.ts';
import type { WireOptions } from './wire.ts';

/** What holds submissions back for a time. */
export interface Freezes {
  readonly maintenance: Maintenance;
  readonly plannedFailover: PlannedFailover;
}

/** Maintenance of queues, and their planned failovers, as the store tells of them. */
export function wireFreezes(
  { decided, report, clock }: Pick<WireOptions, 'decided' | 'report' | 'clock'>,
  shared: { readonly kv: KeyValue; readonly upstream: Upstream; readonly replicaId: string },
): Freezes {
  const queues = (): Config['queues'] => decided().config.queues;
  const common = { ...shared, clock, report };
  const maintenance = createMaintenance({ ...common, queues: () => queues().map(({ name }) => name) });
  const store = createFailoverStore(common);
  return { maintenance, plannedFailover: createPlannedFailover({ ...common, store, maintenance, queues }) };
}
