import type { LimitsConfig } from '../../src/config/index.ts';
import type { Identity } from '../../src/kernel/index.ts';
import { createLimiter } from '../../src/limits/limiter.ts';
import type { Limiter } from '../../src/limits/ports.ts';
import type { Report } from '../../src/observe/index.ts';
import { createMemoryKeyValue, type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { localIdentity } from '../world/identities.ts';
import { createManualClock } from '../world/manual-clock.ts';

/** One call of `report.limit`, as `policy cls decision source`. */
export type Decision = string;

/** How the switched store answers: as it is, with StoreUnavailable, at once as `down`, with another error. */
export type StoreMode = 'up' | 'failing' | 'down' | 'broken';

export interface SwitchedStore {
  readonly kv: KeyValue;
  mode: StoreMode;
  /** Number of script calls by name. */
  readonly calls: Map<string, number>;
  takes(): number;
  /** While set, script calls wait for it before they reach the store. */
  gate: Promise<void> | null;
}

export function createSwitchedStore(inner: KeyValue): SwitchedStore {
  const store: SwitchedStore = {
    mode: 'up',
    calls: new Map(),
    takes: () => (store.calls.get('limits_take_1') ?? 0) + (store.calls.get('limits_take_2') ?? 0),
    gate: null,
    kv: {
      ...inner,
      state: () => (store.mode === 'down' ? 'down' : inner.state()),
      async run(script, keys, args) {
        store.calls.set(script.name, (store.calls.get(script.name) ?? 0) + 1);
        if (store.gate !== null) await store.gate;
        if (store.mode === 'broken') throw new TypeError('WRONGTYPE');
        if (store.mode !== 'up') throw new StoreUnavailable('switched off by the test');
        return inner.run(script, keys, args);
      },
    },
  };
  return store;
}

/** Turns as the schema has them by default. */
export const LANES: LimitsConfig['lanes'] = {
  mode: 'adaptive',
  control: { concurrency: 8, most: 64 },
  submit: { concurrency: 8, most: 64 },
  read: { concurrency: 8, most: 64 },
  list: { concurrency: 2, most: 16 },
  maxWait: 10_000,
  longestWait: 60_000,
  queueLength: 1000,
  identityQueueLength: 200,
};

export const POLICIES: LimitsConfig = {
  mode: 'enforce',
  lanes: LANES,
  identity: { all: { requests: 600, window: 60_000 } },
  groups: {},
  address: { requests: 6000, window: 60_000 },
  attempts: { requests: 10, window: 300_000 },
  attemptsPerAddress: { requests: 200, window: 300_000 },
};

export const ALICE: Identity = localIdentity('alice');

export type LimitsWorld = Awaited<ReturnType<typeof createLimitsWorld>>;

/** One sign-in from begin to end; whether it might be tried. */
export async function attempt(limiter: Limiter, address: string, tokenId: string | null, failed: boolean) {
  const { admission, settle } = await limiter.beginAttempt(address, tokenId);
  await settle(failed);
  return admission;
}

/** Some limiters on one in-memory store and one manual clock. */
export async function createLimitsWorld(
  options: { readonly limits?: Partial<LimitsConfig>; readonly limiters?: number; readonly replicas?: number } = {},
) {
  const clock = createManualClock();
  const memory = createMemoryKeyValue({ clock });
  const store = createSwitchedStore(memory);
  const decisions: Decision[] = [];
  const warnings: string[] = [];
  const report = {
    limit: (policy, cls, decision, source) => void decisions.push(`${policy} ${cls} ${decision} ${source}`),
    log: { warn: (_fields: unknown, message: string) => void warnings.push(message) },
  } as Pick<Report, 'limit'> & { log: Pick<Report['log'], 'warn'> } as Report;
  const state: { limits: LimitsConfig; replicas: number } = {
    limits: { ...POLICIES, ...options.limits },
    replicas: options.replicas ?? options.limiters ?? 1,
  };
  const start = (replicaId: string): Limiter =>
    createLimiter({
      config: () => state.limits,
      kv: store.kv,
      replicas: () => state.replicas,
      report,
      clock,
      replicaId,
    });
  const limiters = Array.from({ length: options.limiters ?? 1 }, (_, i) => start(`replica-${i}`));
  const [limiter] = limiters;
  if (limiter === undefined) throw new RangeError('a limits world needs a limiter');
  await clock.advance(0);
  return {
    clock,
    store,
    memory,
    decisions,
    warnings,
    state,
    start,
    limiter,
    limiters,
    /** Lets `count` calls of an identity follow each other; gives how many were allowed. */
    async call(count: number, identity: Identity = ALICE, cls: 'read' | 'list' | 'submit' | 'control' = 'read') {
      let allowed = 0;
      for (let i = 0; i < count; i += 1) {
        if ((await limiter.admitIdentity(identity, cls)).allowed) allowed += 1;
      }
      return allowed;
    },
    async [Symbol.asyncDispose]() {
      for (const each of limiters) await each[Symbol.asyncDispose]();
      await memory[Symbol.asyncDispose]();
    },
  };
}
