import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { appendScript, conformance } from './conformance.ts';
import { openRedisWorld, watchedRedis } from './store-world.ts';

let redis: RedisProcess;

before(async () => {
  redis = await startRedis();
});
after(() => redis[Symbol.asyncDispose]());

conformance('redis', () => openRedisWorld(redis.config()));

test('redis: both twins of a script give the same for any arguments', async () => {
  await using world = await openRedisWorld(redis.config({ keyPrefix: 'twins' }));
  await using memory = createMemoryKeyValue({ clock: systemClock });
  const call = fc.tuple(fc.string({ unit: 'grapheme' }), fc.integer({ min: -1_000_000, max: 1_000_000 }));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 10 }), async (calls) => {
      run += 1;
      const keys = [`text:{${run}}`, `count:{${run}}`];
      for (const args of calls) {
        assert.deepEqual(await world.one.run(appendScript, keys, args), await memory.run(appendScript, keys, args));
      }
      for (const key of keys) assert.equal(await world.two.get(key), await memory.get(key));
    }),
    { numRuns: 40 },
  );
});

test('redis: whatever happens to Redis, an acknowledged increment is there, and none counts twice', async () => {
  await using own = await startRedis({ appendOnly: true });
  const world = watchedRedis(own.config({ commandTimeout: 100 }));
  await using kv = world.kv;
  await world.reaches('up');
  let acknowledged = 0;
  let stop = false;
  const work = async (): Promise<void> => {
    while (!stop) {
      await kv.increment('n', 1, 600_000).then(
        () => {
          acknowledged += 1;
        },
        () => undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const workers = Array.from({ length: 8 }, work);
  const faults: (() => unknown)[] = [
    own.freeze,
    own.thaw,
    () => own.kill().then(own.start),
    () => own.command('client', 'KILL', 'TYPE', 'normal'),
    own.freeze,
    own.kill,
    own.start,
    () => own.stop().then(own.start),
  ];
  for (const fault of faults) {
    await fault();
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  stop = true;
  await Promise.all(workers);
  await world.reaches('up');
  const count = Number(await kv.get('n'));
  // What was refused at once was never sent, and is not reported as a command.
  const unknown = world.commands.filter(({ name, ok }) => name === 'increment' && !ok).length;
  assert.ok(acknowledged > 0 && unknown > 0);
  assert.ok(count >= acknowledged, `${count} counted, ${acknowledged} acknowledged`);
  assert.ok(count <= acknowledged + unknown, `${count} counted, ${acknowledged} acknowledged, ${unknown} unknown`);
});
