import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryKeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { createStoreDoubts } from '../../src/server/store-doubts.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { createWorld } from '../world/world.ts';

type Told = [level: string, event: string, reason: string | undefined];

function createBench() {
  const clock = createManualClock();
  const told: Told[] = [];
  const note = (level: string) => (fields: object) => {
    const { event, reason } = fields as { event: string; reason?: string };
    told.push([level, event, reason]);
  };
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const world = { clock, told, answer: async (): Promise<readonly string[]> => [] };
  const kv = { ...createMemoryKeyValue({ clock }), doubts: () => world.answer() };
  return Object.assign(world, { kv, doubts: createStoreDoubts(kv, { log }, clock) });
}

describe('a store that may lose what it acknowledged', () => {
  it('is told of once, again when it changes, and when it is over', async () => {
    const bench = createBench();
    using doubts = bench.doubts;
    await doubts.look();
    assert.deepEqual([doubts.list(), bench.told], [[], []]);
    bench.answer = async () => ['one'];
    await bench.clock.advance(600_000);
    await bench.clock.advance(600_000);
    assert.deepEqual(doubts.list(), ['one']);
    bench.answer = async () => ['one', 'two'];
    await doubts.look();
    bench.answer = async () => [];
    await bench.clock.advance(600_000);
    assert.deepEqual(bench.told, [
      ['warn', 'store_may_lose', 'one'],
      ['warn', 'store_may_lose', 'one; two'],
      ['info', 'store_safe', undefined],
    ]);
  });

  it('is not asked for ever when it may not be asked, and stays what it was while it is away', async () => {
    const bench = createBench();
    using doubts = bench.doubts;
    bench.answer = async () => ['one'];
    await doubts.look();
    bench.answer = () => Promise.reject(new StoreUnavailable('away'));
    await doubts.look();
    bench.answer = () => Promise.reject(new Error('Redis refused config'));
    await doubts.look();
    await doubts.look();
    const notAsked = 'it may not be asked; the ACL user needs +config|get';
    assert.deepEqual(doubts.list(), ['one', notAsked]);
    assert.deepEqual(bench.told.slice(1), [['warn', 'store_not_asked', 'Redis refused config']]);
    bench.answer = async () => ['one'];
    await doubts.look();
    assert.deepEqual(doubts.list(), ['one']);
  });

  it('is shown to the operator by a gateway on a real Redis, and takes no replica out of its balancer', async () => {
    await using redis = await startRedis();
    await using world = await createWorld({ redisPort: redis.port });
    const store = async (): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${world.gateway.adminPort}/readyz?verbose`);
      assert.equal(answer.status, 200);
      return (await answer.text()).split('\n').find((line) => line.startsWith('ok\tstore')) ?? '';
    };
    await eventually('it was asked', async () => /may lose what it acknowledged/.test(await store()));
    assert.match(await store(), /^ok\tstore\tredis up; may lose what it acknowledged: appendonly is no/);
  });
});
