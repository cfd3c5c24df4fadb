import { type Component, type Readiness, toReadiness } from '../admin/index.ts';
import type { Provider } from '../auth/index.ts';
import { type Freeze, freezeText } from '../limits/index.ts';
import type { KeyValue } from '../platform/index.ts';
import type { QueueStatus } from '../upstream/index.ts';

const LEVELS: Readonly<Record<QueueStatus['tlsLevel'], string>> = {
  1: 'level 1: plain HTTP, passwords and jobs are open to the network',
  2: 'level 2: TLS, but the server is not verified',
  3: 'level 3: the server must prove who it is',
};

function queueComponent(status: QueueStatus): Component {
  const detail = status.detail === '' ? '' : ` (${status.detail})`;
  return {
    name: `queue:${status.queue}`,
    state: status.state === 'up' || status.state === 'unknown' ? 'ok' : 'degraded',
    detail: `${status.url} ${status.state}${detail}; TLS policy ${LEVELS[status.tlsLevel]}`,
  };
}

function freezeComponent(freeze: Freeze): Component {
  const detail = `submissions are held back, ${freezeText(freeze)}`;
  return { name: `maintenance:${freeze.queue}`, state: 'degraded', detail };
}

function providerComponent({ name, type, state }: Pick<Provider, 'name' | 'type' | 'state'>): Component {
  const { ready, reason } = state();
  const detail = ready ? `${type}, at hand` : `${type}, nobody can sign in: ${reason ?? 'not read yet'}`;
  return { name: `provider:${name}`, state: ready ? 'ok' : 'degraded', detail };
}

function storeDetail(store: Pick<KeyValue, 'kind' | 'state'>, doubts: readonly string[]): string {
  if (store.kind === 'memory') return 'in memory, for this process only';
  return `redis ${store.state()}${doubts.length === 0 ? '' : `; may lose what it acknowledged: ${doubts.join('; ')}`}`;
}

/** The state of this replica from its parts; answers from memory. */
export function readinessOf(
  life: Readiness['life'],
  store: Pick<KeyValue, 'kind' | 'state'>,
  queues: readonly QueueStatus[],
  configFaults: number,
  providers: readonly Pick<Provider, 'name' | 'type' | 'state'>[],
  freezes: readonly Freeze[] = [],
  doubts: readonly string[] = [],
): Readiness {
  return toReadiness(life, [
    {
      name: 'store',
      state: store.state() === 'up' ? 'ok' : 'degraded',
      detail: storeDetail(store, doubts),
    },
    ...queues.map(queueComponent),
    ...freezes.map(freezeComponent),
    ...providers.map(providerComponent),
    {
      name: 'config',
      state: configFaults === 0 ? 'ok' : 'degraded',
      detail:
        configFaults === 0 ? 'as in the file' : `the file has ${configFaults} faults; the last good one is in use`,
    },
  ]);
}
