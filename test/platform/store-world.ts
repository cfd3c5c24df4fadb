import type { RedisConfig } from '../../src/config/index.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, type StoreState } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import type { StoreWorld } from './conformance.ts';

/** The memory adapter on a clock that the test owns. */
export async function openMemoryWorld(): Promise<StoreWorld> {
  const clock = createManualClock();
  const kv = createMemoryKeyValue({ clock });
  return { one: kv, two: kv, pass: clock.advance, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() };
}

/** Two replicas on one Redis. */
export async function openRedisWorld(config: RedisConfig): Promise<StoreWorld> {
  await using stack = new AsyncDisposableStack();
  const one = stack.use(createRedisKeyValue(config, { clock: systemClock }));
  const two = stack.use(createRedisKeyValue(config, { clock: systemClock }));
  await eventually('both are up', () => one.state() === 'up' && two.state() === 'up');
  const owned = stack.move();
  return { one, two, pass: (ms) => systemClock.sleep(ms), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What an adapter reported, and the adapter. */
export function watchedRedis(config: RedisConfig) {
  const states: { state: StoreState; reason: string }[] = [];
  const commands: { name: string; seconds: number; ok: boolean }[] = [];
  const kv = createRedisKeyValue(config, {
    clock: systemClock,
    random: () => 0,
    events: {
      state: (state, reason) => void states.push({ state, reason }),
      command: (name, seconds, ok) => void commands.push({ name, seconds, ok }),
    },
  });
  const reaches = (state: StoreState): Promise<unknown> => eventually(`it is ${state}`, () => kv.state() === state);
  return { kv, states, commands, reaches };
}
