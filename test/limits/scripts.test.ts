import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/kernel/index.ts';
import { heartbeatScript } from '../../src/limits/replica-count.ts';
import { takeScript } from '../../src/limits/take-script.ts';
import {
  createMemoryKeyValue,
  createRedisKeyValue,
  type KeyValue,
  type Script,
  type ScriptValue,
} from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';

/** The same script with its time taken from two more arguments (seconds, microseconds) and without expiry. */
function timed(script: Script): Script {
  const lua = script.lua
    .replace("redis.call('TIME')", '{ ARGV[#ARGV - 1], ARGV[#ARGV] }')
    .replace(", 'PX', string.format('%.0f', whole)", '')
    .replace(", 'PX', life", '');
  assert.doesNotMatch(lua, /TIME|PX/);
  return { ...script, name: `${script.name}_timed`, lua };
}

const timeArgs = (ms: number): ScriptValue[] => [Math.floor(ms / 1000), (ms % 1000) * 1000 + 999];

describe('scripts, both twins', () => {
  let redis: RedisProcess;
  let store: KeyValue;
  let run = 0;
  before(async () => {
    redis = await startRedis();
    store = createRedisKeyValue(redis.config(), { clock: systemClock });
  });
  after(async () => {
    await store[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });

  /** Runs a step on a fresh memory twin and on Redis at the same moments of one manual clock. */
  async function createTwins(script: Script) {
    const clock = createManualClock();
    const memory = createMemoryKeyValue({ clock });
    const tag = `{twins-${run++}}`;
    const withTime = timed(script);
    return {
      clock,
      keys: Array.from({ length: script.keys }, (_, i) => `${tag}${i}`),
      async both(keys: readonly string[], args: readonly ScriptValue[]): Promise<ScriptValue[]> {
        const inMemory = await memory.run(script, keys, args);
        const inRedis = await store.run(withTime, keys, [...args, ...timeArgs(clock.now())]);
        assert.deepEqual(inRedis, inMemory, `${script.name} ${args.join(' ')}`);
        for (const key of keys) {
          const [kept, stored] = [await memory.get(key), await store.get(key)];
          // Memory lets a whole bucket lapse; Redis keeps it here, because its expiry runs by another clock.
          if (kept !== null) assert.equal(stored, kept);
        }
        return inMemory;
      },
      [Symbol.asyncDispose]: () => memory[Symbol.asyncDispose](),
    };
  }

  const bucket = fc.record({
    requests: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000 })),
    window: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 86_400_000 })),
  });
  const steps = fc.array(
    fc.record({
      wait: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 100_000_000 })),
      want: fc.oneof(fc.integer({ min: -5, max: 20 }), fc.integer({ min: -2_000_000, max: 2_000_000 })),
    }),
    { minLength: 1, maxLength: 12 },
  );

  for (const count of [1, 2] as const) {
    it(`taking from ${count} is the same in Lua and in TypeScript`, async () => {
      await fc.assert(
        fc.asyncProperty(bucket, bucket, steps, async (first, second, sequence) => {
          await using twins = await createTwins(takeScript(count));
          const terms = [first, second].slice(0, count).flatMap(({ requests, window }) => [requests, window]);
          for (const { wait, want } of sequence) {
            await twins.clock.advance(wait);
            const [granted = -1, ...states] = await twins.both(twins.keys, [want, ...terms]);
            if (want <= 0) assert.equal(granted, want);
            else assert.ok(Number(granted) >= 0 && Number(granted) <= want);
            assert.equal(states.length, 3 * count);
          }
        }),
        { numRuns: 60 },
      );
    });
  }

  it('a bucket that was stored ahead of time starts from now, in both', async () => {
    await using twins = await createTwins(takeScript(1));
    const { both, keys, clock } = twins;
    const { now } = clock;
    await both(keys, [4, 4, 4000]);
    clock.now = () => now() - 3_600_000;
    assert.deepEqual(await both(keys, [1, 4, 4000]), [0, 0, 4000, 1000]);
    clock.now = () => now() - 3_600_000 + 2000;
    assert.deepEqual(await both(keys, [5, 4, 4000]), [2, 0, 4000, 1000]);
  });

  it('grants from two buckets only what both have, and gives both back', async () => {
    await using twins = await createTwins(takeScript(2));
    const { both, keys } = twins;
    const terms = [10, 10_000, 3, 9000];
    assert.deepEqual(await both(keys, [5, ...terms]), [3, 7, 3000, 0, 0, 9000, 3000]);
    assert.deepEqual(await both(keys, [5, ...terms]), [0, 7, 3000, 0, 0, 9000, 3000]);
    assert.deepEqual(await both(keys, [-2, ...terms]), [-2, 9, 1000, 0, 2, 3000, 0]);
    assert.deepEqual(await both(keys, [-100, ...terms]), [-100, 10, 0, 0, 3, 0, 0]);
    assert.deepEqual(await both(keys, [0, ...terms]), [0, 10, 0, 0, 3, 0, 0]);
  });

  it('what is not a bucket counts as a whole one', async () => {
    await using twins = await createTwins(takeScript(1));
    const { both, keys } = twins;
    const [key = ''] = keys;
    await store.set(key, 'nonsense', null);
    assert.deepEqual(await both(keys, [1, 5, 5000]), [1, 4, 1000, 0]);
  });

  it('counting replicas is the same in Lua and in TypeScript', async () => {
    const beat = fc.record({
      id: fc.constantFrom('a', 'b', 'c-1_X', 'dddddddddddddddd'),
      stays: fc.constantFrom(0, 1, 1, 1),
      wait: fc.integer({ min: 0, max: 6000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(beat, { maxLength: 20 }), async (beats) => {
        await using twins = await createTwins(heartbeatScript);
        const seen = new Map<string, number>();
        for (const { id, stays, wait } of beats) {
          await twins.clock.advance(wait);
          const now = twins.clock.now();
          if (stays === 1) seen.set(id, now);
          else seen.delete(id);
          const living = [...seen.values()].filter((at) => now - at < 10_000).length;
          assert.deepEqual(await twins.both(twins.keys, [id, 10_000, stays]), [living]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('Redis counts by its own clock and forgets a bucket once it is whole', async () => {
    const key = `{own-clock-${run++}}`;
    const terms = [10, 3_600_000];
    const [granted, remaining, whole, next] = await store.run(takeScript(1), [key], [3, ...terms]);
    assert.deepEqual([granted, remaining, whole, next], [3, 7, 1_080_000, 0]);
    const ttl = Number(await redis.command('pttl', `test:${key}`));
    assert.ok(ttl > 1_000_000 && ttl <= 1_080_000, `${ttl} ms to live`);
    const [seconds] = (await redis.command('time')) as [string, string];
    const at = Number((await store.get(key))?.split(' ')[1]);
    assert.ok(Math.abs(at / 1000 - Number(seconds)) < 60);
    await store.run(takeScript(1), [key], [-3, ...terms]);
    assert.equal(await store.get(key), null);
  });

  it('looking leaves nothing behind', async () => {
    const key = `{looking-${run++}}`;
    assert.deepEqual(await store.run(takeScript(1), [key], [0, 10, 1000]), [0, 10, 0, 0]);
    assert.equal(await store.get(key), null);
  });
});
