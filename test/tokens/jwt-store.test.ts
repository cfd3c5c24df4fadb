import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { createJwtStore } from '../../src/tokens/jwt-store.ts';
import { putUnderFence } from '../../src/tokens/put-under-fence.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { accountOf, createRecordedReport, SEALING_KEY } from './replicas.ts';
import { jwtStoreSuite, type StoreUnderTest } from './store-suite.ts';

async function openMemory(): Promise<StoreUnderTest> {
  const clock = createManualClock();
  const kv = createMemoryKeyValue({ clock });
  return { kv, clock, pass: clock.advance, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() };
}

describe('the JWT store in memory', () => jwtStoreSuite(openMemory));

describe('the JWT store on Redis', async () => {
  const redis = await startRedis();
  after(() => redis[Symbol.asyncDispose]());
  const open = async (): Promise<StoreUnderTest> => {
    const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('Redis is there', () => kv.state() === 'up');
    const pass = (ms: number): Promise<void> => systemClock.sleep(ms);
    return { kv, clock: systemClock, pass, [Symbol.asyncDispose]: () => kv[Symbol.asyncDispose]() };
  };

  jwtStoreSuite(open);

  it('decides about fences exactly as in memory', async () => {
    await using onRedis = await open();
    await using inMemory = await openMemory();
    const step = fc.record({
      fence: fc.oneof(fc.nat(5), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 3 })),
      body: fc.constantFrom('', 'x', '7|8'),
      mode: fc.constantFrom('fenced', 'next'),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        run += 1;
        const key = `jwt:{run-${run}}:e`;
        const play = async (kv: KeyValue): Promise<unknown[]> => {
          const seen: unknown[] = [];
          for (const { fence, body, mode } of steps) {
            seen.push(await kv.run(putUnderFence, [key], [fence, body, 60_000, mode]), await kv.get(key));
          }
          return seen;
        };
        assert.deepEqual(await play(onRedis.kv), await play(inMemory.kv));
      }),
      { numRuns: 60 },
    );
  });
});

describe('faults of the store other than its absence', () => {
  it('are a miss, and stand in the log without a secret', async () => {
    const clock = createManualClock();
    const kv = createMemoryKeyValue({ clock });
    const report = createRecordedReport();
    const broken: KeyValue = { ...kv, get: () => Promise.reject(new Error('WRONGTYPE')) };
    const jwts = createJwtStore({ kv: broken, sealer: createSealer({ current: SEALING_KEY }), clock, report });
    assert.deepEqual(await jwts.read(accountOf('alice'), 'e'), { kind: 'away' });
    assert.match(report.all.join(), /jwt_store_failed.*WRONGTYPE/);
    await kv[Symbol.asyncDispose]();
  });
});
