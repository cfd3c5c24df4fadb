import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createReplicaCount, type ReplicaCount } from '../../src/limits/replica-count.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createSwitchedStore } from './limits-world.ts';

async function createCounts() {
  const clock = createManualClock();
  const memory = createMemoryKeyValue({ clock });
  const store = createSwitchedStore(memory);
  const started: ReplicaCount[] = [];
  return {
    clock,
    store,
    memory,
    start(replicaId: string, configured = 1): ReplicaCount {
      const count = createReplicaCount({ kv: store.kv, clock, replicaId, configured: () => configured });
      started.push(count);
      return count;
    },
    async [Symbol.asyncDispose]() {
      for (const count of started) await count[Symbol.asyncDispose]();
      await memory[Symbol.asyncDispose]();
    },
  };
}

describe('replica count', () => {
  it('is the configured number, at least one, while nothing was heard', async () => {
    await using world = await createCounts();
    world.store.mode = 'failing';
    assert.equal(world.start('a', 4).known(), 4);
    assert.equal(world.start('b', 0).known(), 1);
  });

  it('is the number of living replicas, once all had the time to beat', async () => {
    await using world = await createCounts();
    const counts = ['a', 'b c=9 d', 'e'].map((id) => world.start(id, 7));
    const known = (): number[] => counts.map((count) => count.known());
    await world.clock.advance(2000);
    assert.deepEqual(known(), [7, 7, 7]);
    await world.clock.advance(8000);
    assert.deepEqual(known(), [3, 3, 3]);
  });

  it('grows within a beat', async () => {
    await using world = await createCounts();
    const first = world.start('a');
    await world.clock.advance(20_000);
    assert.equal(first.known(), 1);
    world.start('b');
    await world.clock.advance(2000);
    assert.equal(first.known(), 2);
  });

  it('drops who said good-bye at once, and who fell silent after 10 s', async () => {
    await using world = await createCounts();
    const [first, second] = [world.start('a'), world.start('b')];
    // Killed: it beats no more, without a good-bye.
    const third = createReplicaCount({
      kv: world.store.kv,
      clock: { ...world.clock, every: () => ({ [Symbol.dispose]() {} }) },
      replicaId: 'killed',
      configured: () => 1,
    });
    await world.clock.advance(8000);
    assert.equal(first.known(), 3);
    await second[Symbol.asyncDispose]();
    await world.clock.advance(2000);
    assert.equal(first.known(), 1);
    await third[Symbol.asyncDispose]();
  });

  it('stays what was last heard while the store is away', async () => {
    await using world = await createCounts();
    const [first, second] = [world.start('a', 9), world.start('b', 9)];
    await world.clock.advance(12_000);
    world.store.mode = 'failing';
    await world.clock.advance(60_000);
    assert.deepEqual([first.known(), second.known()], [2, 2]);
    // The first beat after the outage meets nobody, because all old ones have lapsed.
    world.store.mode = 'up';
    for (let i = 0; i < 10; i += 1) {
      await world.clock.advance(2000);
      assert.deepEqual([first.known(), second.known()], [2, 2]);
    }
  });

  it('leaves nothing behind when the last one has gone', async () => {
    const world = await createCounts();
    world.start('a');
    await world.clock.advance(0);
    assert.ok((await world.memory.get('limit:{replicas}'))?.includes('='));
    const { memory } = world;
    const dispose = memory[Symbol.asyncDispose];
    memory[Symbol.asyncDispose] = async () => undefined;
    await world[Symbol.asyncDispose]();
    assert.equal(await memory.get('limit:{replicas}'), null);
    await dispose.call(memory);
  });
});
