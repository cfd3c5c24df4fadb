import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFinal, type WatchedJob } from '../../src/jobs/index.ts';
import { personOf } from './jobs-world.ts';
import { ALICE, createWatchWorld } from './watch-world.ts';

// One look shows 20 000 jobs; the oldest numbers come first.

const LAST = 1_000_005;

const askOf = (waitMs: number) => ({
  account: ALICE,
  identity: personOf('alice'),
  jobId: String(LAST),
  waitMs,
  isWanted: (job: WatchedJob) => isFinal(job.state),
  leaving: undefined,
});

/** Two replicas that watch an account with as many jobs as a look shows, and then with more. */
async function createCrowded() {
  const world = createWatchWorld(5000);
  const [first, second] = [world.join('a'), world.join('b')];
  world.submit(LAST, 'Running');
  const one = await first.follow();
  const following = second.follow();
  await world.clock.advance(5000);
  const two = await following;
  const fill = (): void => {
    for (let id = 1; id <= 20_005; id++) world.farm.put(id, 'Queued');
  };
  const empty = (): void => {
    for (let id = 1; id <= 20_005; id++) world.farm.jobs.delete(id);
  };
  return { ...world, first, second, one, two, fill, empty };
}

describe('more jobs than a look shows', () => {
  it('show how old a state is, and let nobody wait for what a look does not show', async () => {
    const { clock, farm, first, second, one, fill } = await createCrowded();
    fill();
    const seenAt = clock.now();
    await clock.advance(10_000);
    farm.put(LAST, 'Suspended');
    for (const { watch } of [first, second]) {
      const looking = watch.look(askOf(0));
      await clock.advance(2000);
      assert.equal((await looking).job.state, 'suspended', 'looked up by itself');
    }
    farm.mood = 'away';
    await clock.advance(20_000);
    const old = first.watch.look(askOf(1)).catch(({ code }) => code);
    await clock.advance(3000);
    const answer = await old;
    assert.ok(answer === 'GW_UPSTREAM_DOWN' || answer.job.seenAt < clock.now() - 20_000);
    farm.mood = 'ok';
    await clock.advance(60_000);
    const waiting = [first, second].map(({ watch }) => watch.look(askOf(50_000)));
    await clock.advance(10_000);
    farm.put(LAST, 'Done');
    await clock.advance(12_000);
    for (const { job, end } of await Promise.all(waiting)) {
      assert.deepEqual([job.state, end], ['done', 'wanted']);
      assert.ok(job.seenAt > seenAt);
    }
    assert.ok(!one.jobs.some(({ jobId }) => jobId === String(LAST)));
    assert.deepEqual(first.forgotten, []);
  });

  it('are told to readers, on every replica, once a minute and once more when all are shown again', async () => {
    const { clock, farm, first, second, one, two, fill, empty } = await createCrowded();
    const before = one.last;
    fill();
    await clock.advance(20_000);
    for (const told of [one, two]) assert.deepEqual(told.begun, ['new', 'reset']);
    assert.equal(one.last, two.last);
    const between = one.last;
    await clock.advance(50_000);
    for (const told of [one, two]) assert.deepEqual(told.begun, ['new', 'reset', 'reset']);
    const gone = [before, between];
    for (const id of gone) {
      for (const replica of [first, second]) {
        const again = await replica.follow(id);
        assert.deepEqual(again.begun, ['reset'], 'something may have been missed since');
        again.stop();
      }
    }
    empty();
    farm.put(LAST, 'Done');
    await clock.advance(10_000);
    for (const told of [one, two]) {
      assert.deepEqual(told.begun, ['new', 'reset', 'reset', 'reset']);
      assert.ok(told.jobs.some(({ jobId, state }) => jobId === String(LAST) && state === 'done'));
    }
    const resumed = await second.follow(two.last);
    assert.deepEqual(resumed.begun, ['resumed']);
    await clock.advance(120_000);
    for (const told of [one, two]) assert.equal(told.begun.length, 4, 'and then no more');
  });
});
