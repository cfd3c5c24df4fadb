import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFinal, type WatchedJob } from '../../src/jobs/index.ts';
import type { Identity } from '../../src/kernel/index.ts';
import { personOf } from './jobs-world.ts';
import { ALICE, createWatchWorld, type Told } from './watch-world.ts';

// Lists of vovserver may come from a copy that is up to a minute old (jobs.settle.readAge); a read of one job does not.

const text = (told: Told): string[] => told.jobs.map(({ jobId, state }) => `${jobId} ${state}`);

const askOf = (jobId: string, waitMs = 0, identity: Identity = personOf('alice')) => ({
  account: ALICE,
  identity,
  jobId,
  waitMs,
  isWanted: (job: WatchedJob) => isFinal(job.state),
  leaving: undefined,
});

const singles = (world: ReturnType<typeof createWatchWorld>): number =>
  world.farm.reads.filter(({ target }) => target.startsWith('/api/v3/jobs/')).length;

describe('a list from an older copy', () => {
  it('ends no job that lives: neither for streams nor for quotas', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    world.submit(1, 'Running');
    const told = await replica.follow();
    for (const id of [2, 3]) world.submit(id, 'Running');
    await world.clock.advance(1000);
    world.farm.hidden = () => true;
    await world.clock.advance(50_000);
    assert.deepEqual([text(told), replica.forgotten], [['2 running', '3 running'], []]);
    world.farm.hidden = null;
    world.farm.put(2, 'Done');
    await world.clock.advance(1000);
    assert.deepEqual([text(told).slice(2), replica.forgotten], [['2 done'], []]);
  });

  it('ends no job that lives when vovserver cannot be asked for single jobs either', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    // More than are read one by one in a look.
    for (let id = 1; id <= 30; id++) world.submit(id, 'Running');
    const told = await replica.follow();
    world.farm.hidden = () => true;
    world.farm.deaf = true;
    await world.clock.advance(59_000);
    assert.deepEqual([text(told), replica.forgotten], [[], []]);
    await world.clock.advance(3000);
    assert.equal(replica.forgotten.length, 30, 'a list cannot be older than that');
    assert.ok(replica.sure.every((asOf) => asOf <= world.clock.now() - 60_000));
  });

  it('is told from a job that is gone by one read of it', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    world.submit(1, 'Running');
    const told = await replica.follow();
    const since = world.clock.now();
    world.farm.jobs.delete(1);
    await world.clock.advance(1000);
    assert.deepEqual([text(told), replica.forgotten, singles(world)], [['1 forgotten'], ['1'], 1]);
    assert.ok(Number(replica.sure[0]) >= since);
  });

  it('does not make a job that was submitted a moment ago forgotten', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.submit(7, 'Queued');
    world.farm.hidden = () => true;
    const looking = watch.look(askOf('7'));
    await world.clock.advance(2000);
    assert.equal((await looking).job.state, 'queued');
    const waiting = watch.look(askOf('7', 30_000));
    await world.clock.advance(10_000);
    world.farm.put(7, 'Done');
    await world.clock.advance(3000);
    const { job, end } = await waiting;
    assert.deepEqual([job.state, end], ['done', 'wanted']);
  });

  it('says that a job is gone once it cannot be older than its submission', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.submit(7, 'Queued');
    world.farm.jobs.delete(7);
    const early = watch.look(askOf('7'));
    await world.clock.advance(2000);
    assert.deepEqual([(await early).job.state, singles(world)], ['forgotten', 1]);
    await world.clock.advance(60_000);
    const late = watch.look(askOf('7'));
    await world.clock.advance(2000);
    assert.deepEqual([(await late).job.state, singles(world)], ['forgotten', 1]);
  });

  it('says nothing when vovserver does not tell of the job itself', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.submit(7, 'Queued');
    world.farm.hidden = () => true;
    world.farm.deaf = true;
    const looking = assert.rejects(watch.look(askOf('7')), { code: 'GW_UPSTREAM_INVALID' });
    await world.clock.advance(2000);
    await looking;
  });

  it('is not believed by the replica that takes over either, and followers show how old a state is', async () => {
    const world = createWatchWorld();
    const [first, second] = [world.join('a'), world.join('b')];
    world.submit(1, 'Running');
    await first.follow();
    const following = second.follow();
    await world.clock.advance(1000);
    const told = await following;
    // Nothing changed for longer than a list may be old: what is stored of the job is as old.
    await world.clock.advance(100_000);
    world.farm.hidden = () => true;
    world.farm.deaf = true;
    const hiddenAt = world.clock.now();
    await world.clock.advance(10_000);
    for (const { watch } of [first, second]) {
      const waiting = watch.look(askOf('1', 1));
      await world.clock.advance(5);
      const { job } = await waiting;
      assert.ok(job.seenAt <= hiddenAt && job.seenAt >= hiddenAt - 2000, String(job.seenAt - hiddenAt));
    }
    await first.watch[Symbol.asyncDispose]();
    await world.clock.advance(20_000);
    assert.deepEqual([text(told), second.forgotten], [[], []]);
  });
});
