import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFinal, type WatchedJob } from '../../src/jobs/index.ts';
import type { Identity } from '../../src/kernel/index.ts';
import { personOf } from './jobs-world.ts';
import { ALICE, createWatchWorld } from './watch-world.ts';

// A wait ends when its time is over, whatever vovserver does, and when there is nothing more to wait for.

const askOf = (jobId: string, waitMs: number, more: { identity?: Identity; leaving?: AbortSignal } = {}) => ({
  account: ALICE,
  identity: more.identity ?? personOf('alice'),
  jobId,
  waitMs,
  isWanted: (job: WatchedJob) => isFinal(job.state),
  leaving: more.leaving,
});

/** How a wait ended, and after how long. */
function timed(world: ReturnType<typeof createWatchWorld>, looking: Promise<{ job: WatchedJob; end: string }>) {
  const began = world.clock.now();
  const after = { ms: Number.NaN };
  const note = (): void => {
    after.ms = world.clock.now() - began;
  };
  looking.then(note, note);
  return after;
}

describe('a wait while vovserver takes half a minute for a look', () => {
  it('ends with its time', async () => {
    const world = createWatchWorld(5000);
    const { watch } = world.join('a');
    world.submit(7, 'Running');
    world.farm.slow = 30_000;
    const looking = watch.look(askOf('7', 1000));
    const after = timed(world, looking);
    const refused = assert.rejects(looking, { code: 'GW_UPSTREAM_TIMEOUT', retryAfter: 1 });
    await world.clock.advance(40_000);
    await refused;
    assert.equal(after.ms, 1000);
  });

  it('ends with the time for one look when it is the single look that is slow', async () => {
    const world = createWatchWorld(5000);
    const { watch } = world.join('a');
    world.farm.put(8, 'Running', 'bob');
    const identity = personOf('olga', ['operator']);
    const first = watch.look(askOf('7', 1, { identity })).catch(() => null);
    await world.clock.advance(3000);
    await first;
    world.farm.slow = 30_000;
    const looking = watch.look(askOf('8', 1000, { identity }));
    const after = timed(world, looking);
    const refused = assert.rejects(looking, { code: 'GW_UPSTREAM_TIMEOUT' });
    await world.clock.advance(60_000);
    await refused;
    assert.ok(after.ms <= 2500, String(after.ms));
  });

  it('ends with its asker, and with the gateway', async () => {
    const world = createWatchWorld(5000);
    world.limits.waitsPerIdentity = 2;
    const { watch } = world.join('a');
    world.submit(7, 'Running');
    world.farm.slow = 30_000;
    const gone = new AbortController();
    const leaving = watch.look(askOf('7', 20_000, { leaving: gone.signal }));
    const staying = watch.look(askOf('7', 20_000));
    const after = timed(world, leaving);
    const refused = assert.rejects(leaving, { code: 'GW_SATURATED' });
    await world.clock.advance(500);
    gone.abort();
    await refused;
    assert.equal(after.ms, 500);
    const third = watch.look(askOf('7', 20_000));
    watch.drain();
    for (const one of [staying, third]) await assert.rejects(one, { code: 'GW_DRAINING' }, 'the place was given back');
  });

  it('is as long as it was asked for, with the look', async () => {
    const world = createWatchWorld(5000);
    const { watch } = world.join('a');
    world.submit(7, 'Running');
    world.farm.slow = 4000;
    const looking = watch.look(askOf('7', 10_000));
    const after = timed(world, looking);
    await world.clock.advance(20_000);
    assert.deepEqual([(await looking).end, after.ms], ['time', 10_000]);
  });
});

describe('a wait of an operator for the job of another', () => {
  for (const recorded of [true, false]) {
    it(`ends when the job is forgotten, ${recorded ? 'with' : 'without'} a record of it`, async () => {
      const world = createWatchWorld();
      const { watch } = world.join('a');
      if (recorded) world.submit(8, 'Running', 'bob');
      else world.farm.put(8, 'Running', 'bob');
      const identity = personOf('olga', ['operator']);
      const waiting = watch.look(askOf('8', 50_000, { identity }));
      const after = timed(world, waiting);
      await world.clock.advance(10_000);
      // Out of a list it may only be too old.
      world.farm.hidden = (id) => id === 8;
      await world.clock.advance(10_000);
      assert.ok(Number.isNaN(after.ms));
      world.farm.jobs.delete(8);
      await world.clock.advance(5000);
      const { job, end } = await waiting;
      assert.deepEqual([job.state, job.status, job.user, end], ['forgotten', 'Running', 'bob', 'wanted']);
      assert.ok(after.ms <= 25_000);
    });
  }
});
