import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { WatchedJob } from '../../src/jobs/index.ts';
import { createRounds } from '../../src/jobs/watch/rounds.ts';
import { personOf } from './jobs-world.ts';
import { createWatchWorld } from './watch-world.ts';

const TEAM = { queue: 'test', name: 'team', shared: true };
const saturated = { code: 'GW_SATURATED' };

const askOf = (who: string, jobId: string, leaving?: AbortSignal) => ({
  account: TEAM,
  identity: personOf(who),
  jobId,
  waitMs: 0,
  isWanted: (_job: WatchedJob) => true,
  leaving,
});

describe('look-ups of single jobs on a shared account', () => {
  it('are made by rounds: who asks for thousands does not hold up who asks for one', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.submit(50, 'Running', 'team', 'local:ben');
    const flood = Array.from({ length: 4000 }, (_, at) => watch.look(askOf('ann', String(100_000 + at))));
    const ended = Promise.allSettled(flood);
    await world.clock.advance(0);
    const asked = world.clock.now();
    let told = Number.NaN;
    const looking = watch.look(askOf('ben', '50')).then(({ job }) => {
      told = world.clock.now();
      return job;
    });
    await world.clock.advance(3000);
    assert.ok(told - asked <= 1000, String(told - asked));
    assert.equal((await looking).state, 'running');
    await world.clock.advance(30_000);
    assert.ok((await ended).every(({ status }) => status === 'rejected'));
  });

  it('have room for everybody when one person takes all of it', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.submit(50, 'Running', 'team', 'local:ben');
    const flood = Array.from({ length: 5100 }, (_, at) => watch.look(askOf('ann', String(100_000 + at))));
    const ended = Promise.allSettled(flood);
    const looking = watch.look(askOf('ben', '50'));
    await world.clock.advance(60_000);
    assert.equal((await looking).job.state, 'running');
    const codes = (await ended).map((one) => (one.status === 'rejected' ? one.reason.code : 'found'));
    assert.equal(codes.filter((code) => code === 'GW_SATURATED').length, 101, 'what came after 5000, and one for ben');
  });

  it('are not made for those who left', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.submit(50, 'Running', 'team', 'local:ben');
    const gone = new AbortController();
    const flood = Array.from({ length: 4000 }, (_, at) => watch.look(askOf('ann', String(100_000 + at), gone.signal)));
    const ended = Promise.allSettled(flood);
    const staying = watch.look(askOf('ben', '50'));
    const shared = watch.look(askOf('ann', '50', gone.signal)).catch(() => null);
    gone.abort();
    await world.clock.advance(30_000);
    assert.equal((await staying).job.state, 'running', 'somebody else asks for it, too');
    await shared;
    assert.equal(world.farm.reads.length, 1, 'one question, with one id');
    assert.ok((await ended).every((one) => one.status === 'rejected' && one.reason.code === 'GW_SATURATED'));
    await assert.rejects(watch.look(askOf('ann', '51', gone.signal)), saturated, 'who left before asking');
  });
});

describe('rounds', () => {
  it('give each asker a turn before any gets a second one, and lose nobody', () => {
    const asks = fc.array(fc.tuple(fc.nat(4), fc.nat(30)), { maxLength: 80 });
    fc.assert(
      fc.property(asks, fc.integer({ min: 1, max: 7 }), (all, most) => {
        const rounds = createRounds(1000);
        for (const [subject, job] of all) rounds.add(String(job), { subject: String(subject) });
        const waiting = new Set(all.map(([, job]) => String(job)));
        const askers = new Set(all.map(([subject]) => subject)).size;
        assert.equal(rounds.size, waiting.size);
        let waiters = 0;
        while (rounds.size > 0) {
          const taken = rounds.take(most);
          assert.ok(taken.size <= most && taken.size > 0);
          for (const [jobId, those] of taken) {
            assert.ok(waiting.delete(jobId), 'taken once');
            waiters += those.length;
          }
        }
        assert.deepEqual([waiters, waiting.size], [all.length, 0]);
        assert.ok(askers <= 5);
      }),
    );
    const rounds = createRounds(1000);
    for (const job of ['1', '2', '3', '4']) rounds.add(job, { subject: 'ann' });
    for (const job of ['8', '9']) rounds.add(job, { subject: 'ben' });
    assert.deepEqual([...rounds.take(3).keys()], ['1', '8', '2']);
    assert.deepEqual([...rounds.take(3).keys()], ['9', '3', '4']);
  });

  it('make room at whoever asks for the most', async () => {
    const rounds = createRounds(3);
    const all = ['1', '2', '3'].map((job) => rounds.add(job, { subject: 'ann' }));
    assert.throws(() => rounds.add('4', { subject: 'ann' }), saturated);
    const again = rounds.add('3', { subject: 'ann' });
    rounds.add('8', { subject: 'ben' });
    assert.throws(() => rounds.add('9', { subject: 'ben' }), saturated, 'no more than another one has');
    for (const waiter of [all[2], again]) await assert.rejects(waiter?.promise ?? Promise.resolve(), saturated);
    assert.deepEqual([...rounds.take(9).keys()].sort(), ['1', '2', '8']);
  });
});
