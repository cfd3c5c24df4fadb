import type { LimitsConfig } from '../../src/config/index.ts';
import type { HeldTurn, LaneState, TurnAsk, Turns } from '../../src/limits/index.ts';
import { createTurns } from '../../src/limits/index.ts';
import type { Report } from '../../src/observe/index.ts';
import { createMemoryKeyValue, type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createSwitchedStore, LANES, POLICIES } from './limits-world.ts';

export type Lanes = LimitsConfig['lanes'];

/** Lanes with a fixed limit of `concurrency` each. */
export function fixedLanes(concurrency: number, changes: Partial<Lanes> = {}): Lanes {
  const lane = { concurrency, most: concurrency * 8 };
  return { ...LANES, mode: 'fixed', control: lane, submit: lane, read: lane, list: lane, ...changes };
}

export const limitsWith = (lanes: Lanes): LimitsConfig => ({ ...POLICIES, lanes });

/** A caller that can go away. */
export function createCaller() {
  const controller = new AbortController();
  return { signal: controller.signal, go: (): void => controller.abort() };
}

export function askFor(changes: Partial<TurnAsk> = {}): TurnAsk {
  return {
    queue: 'vnc',
    lane: 'read',
    identity: 'local:alice',
    token: 't1',
    route: '/jobs/{id}',
    waitMs: null,
    signal: createCaller().signal,
    ...changes,
  };
}

export const OK = { ok: true, seconds: 0.1 };

/** A report that keeps what turns tell, as lines. */
export function createTurnsReport() {
  const turns: string[] = [];
  const lanes: string[] = [];
  const report = {
    turn: (queue, lane, result, seconds) => void turns.push(`${queue} ${lane} ${result} ${seconds}`),
    lane: (queue, lane, ...figures) => void lanes.push(`${queue} ${lane} ${figures.join(' ')}`),
    log: { warn: () => undefined, info: () => undefined },
  } as Pick<Report, 'turn' | 'lane'> & { log: Pick<Report['log'], 'warn' | 'info'> } as Report;
  return { turns, lanes, report };
}

/** One replica's state of a lane. */
export function laneOf(turns: Turns, lane: LaneState['lane'] = 'read', queue = 'vnc'): LaneState {
  const found = turns.state().find((state) => state.lane === lane && state.queue === queue);
  if (found === undefined) throw new RangeError(`no lane ${lane} of ${queue}`);
  return found;
}

/** How an ask stands, for tests that look without waiting. */
export interface Asked {
  turn: HeldTurn | null;
  error: unknown;
  readonly sync: boolean;
}

/** Asks and notes what became of it. */
export function watchAsk(turns: Turns, ask: TurnAsk): Asked {
  try {
    const taken = turns.take(ask);
    if (!(taken instanceof Promise)) return { turn: taken, error: null, sync: true };
    const asked: Asked = { turn: null, error: null, sync: false };
    taken.then(
      (turn) => {
        asked.turn = turn;
      },
      (error: unknown) => {
        asked.error = error;
      },
    );
    return asked;
  } catch (error) {
    return { turn: null, error, sync: true };
  }
}

/** Replicas on one in-memory store and one manual clock; with more than one (or `shared`) the store passes for Redis. */
export async function createTurnsWorld(
  options: {
    readonly lanes?: Lanes;
    readonly replicas?: number;
    readonly shared?: boolean;
    readonly connections?: number;
  } = {},
) {
  const clock = createManualClock();
  const memory = createMemoryKeyValue({ clock });
  const count = options.replicas ?? 1;
  const shared = options.shared ?? count > 1;
  const store = createSwitchedStore(memory);
  const reach = (): void => {
    if (store.mode !== 'up') throw new StoreUnavailable('switched off by the test');
  };
  const kv: KeyValue = {
    ...store.kv,
    kind: shared ? 'redis' : 'memory',
    async get(key) {
      reach();
      return memory.get(key);
    },
    async compareAndSet(...args) {
      reach();
      return memory.compareAndSet(...args);
    },
  };
  const told = createTurnsReport();
  const state = { limits: limitsWith(options.lanes ?? fixedLanes(2)), replicas: count, random: 0.5 };
  const started: Turns[] = [];
  const start = (replicaId: string, own: Partial<Parameters<typeof createTurns>[0]> = {}): Turns => {
    const turns = createTurns({
      config: () => state.limits,
      kv,
      replicas: () => state.replicas,
      clock,
      random: () => state.random,
      report: told.report,
      replicaId,
      ...(options.connections === undefined ? {} : { connections: () => options.connections ?? 1 }),
      ...own,
    });
    started.push(turns);
    return turns;
  };
  const all = Array.from({ length: count }, (_, i) => start(`replica-${i}`));
  const [turns] = all;
  if (turns === undefined) throw new RangeError('a world of turns needs a replica');
  return {
    clock,
    kv,
    store,
    memory,
    state,
    told,
    start,
    turns,
    all,
    async [Symbol.asyncDispose]() {
      for (const each of started) await each[Symbol.asyncDispose]();
      await memory[Symbol.asyncDispose]();
    },
  };
}
