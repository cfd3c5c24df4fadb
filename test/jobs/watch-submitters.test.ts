import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Origin, WatchedJob } from '../../src/jobs/index.ts';
import { stateOf } from '../../src/jobs/watch/job-state.ts';
import { createSubmitters } from '../../src/jobs/watch/submitters.ts';
import { type Account, GatewayError } from '../../src/kernel/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createWatchWorld } from './watch-world.ts';

const TEAM: Account = { queue: 'test', name: 'team', shared: true };

const jobOf = (status: string, ended = 0): WatchedJob => ({
  ...{ jobId: '7', user: 'team', status, state: stateOf(status), host: null, exit: null, duration: null },
  ended,
  seenAt: 0,
});

function createRig() {
  const clock = createManualClock();
  const rig = { clock, subject: 'ann', account: 'team', lastSeen: 'Queued', epoch: 'one', reads: 0, away: false };
  const find = async (): Promise<Origin | null> => {
    rig.reads += 1;
    if (rig.away) throw new GatewayError('GW_STORE_UNAVAILABLE', 'away', { retryAfter: 5 });
    if (rig.subject === '') return null;
    const { subject, account, lastSeen } = rig;
    return { subject, account, lastSeen: { status: lastSeen, at: 1 } } as Origin;
  };
  const submitters = createSubmitters({ account: TEAM, origins: { find }, clock, epoch: () => rig.epoch });
  return Object.assign(rig, { submitters });
}

describe('who submitted a job of a shared account', () => {
  it('is remembered for a minute, also while the job goes on', async () => {
    const rig = createRig();
    for (const status of ['Queued', 'Running', 'Suspended', 'Running', 'Done', 'Done']) {
      assert.equal(await rig.submitters.of(jobOf(status, status === 'Done' ? 9 : 0)), 'ann');
    }
    assert.equal(rig.reads, 1);
    rig.subject = 'ben';
    await rig.clock.advance(59_999);
    assert.equal(await rig.submitters.of(jobOf('Done', 9)), 'ann');
    await rig.clock.advance(1);
    assert.equal(await rig.submitters.of(jobOf('Done', 9)), 'ben');
    await rig.clock.advance(-61_000);
    rig.subject = 'cleo';
    assert.equal(await rig.submitters.of(jobOf('Done', 9)), 'cleo', 'a clock that was set back');
  });

  for (const [what, before, after] of [
    ['is live after it had ended', jobOf('Done', 9), jobOf('Running')],
    ['has begun once more', jobOf('Running'), jobOf('Queued')],
    ['has another end', jobOf('Done', 9), jobOf('Done', 12)],
  ] as const) {
    it(`is looked up anew, after a moment, when the job ${what}`, async () => {
      const rig = createRig();
      assert.equal(await rig.submitters.of(before), 'ann');
      const one = rig.submitters.of(after);
      const many = rig.submitters.ofAll([after]);
      await rig.clock.advance(0);
      rig.subject = 'ben';
      await rig.clock.advance(300);
      assert.equal(await one, 'ben');
      assert.deepEqual([...(await many)], [['7', 'ben']]);
    });
  }

  it('is looked up anew on another server', async () => {
    const rig = createRig();
    assert.equal(await rig.submitters.of(jobOf('Running')), 'ann');
    rig.subject = 'ben';
    rig.epoch = 'two';
    assert.equal(await rig.submitters.of(jobOf('Running')), 'ben');
  });

  it('is not taken from the record of a job that has ended, at once', async () => {
    const rig = createRig();
    rig.lastSeen = 'Done';
    const found = rig.submitters.ofAll([jobOf('Queued')]);
    await rig.clock.advance(0);
    Object.assign(rig, { subject: 'ben', lastSeen: 'Queued' });
    await rig.clock.advance(300);
    assert.deepEqual([...(await found)], [['7', 'ben']]);
  });

  it('waits once for all that is not written down yet, and knows nothing without the store', async () => {
    const rig = createRig();
    rig.subject = '';
    const jobs = ['1', '2', '3'].map((jobId) => ({ ...jobOf('Queued'), jobId }));
    const late = rig.submitters.ofAll(jobs);
    await rig.clock.advance(0);
    rig.subject = 'ann';
    await rig.clock.advance(300);
    assert.equal((await late).size, 3);
    rig.subject = '';
    assert.equal(await rig.submitters.of({ ...jobOf('Queued'), jobId: '4' }), null);
    rig.away = true;
    const away = rig.submitters.ofAll([{ ...jobOf('Queued'), jobId: '4' }]);
    await rig.clock.advance(300);
    assert.equal((await away).size, 0);
    await assert.rejects(rig.submitters.of({ ...jobOf('Queued'), jobId: '4' }), GatewayError);
  });

  it('by another account is nobody', async () => {
    const rig = createRig();
    rig.account = 'other';
    assert.equal(await rig.submitters.of(jobOf('Running')), null);
  });
});

describe('numbers that begin anew', () => {
  it('tell the job of somebody else to nobody who had the number before', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    const told = await replica.follow(null, TEAM);
    world.submitters.set('1', 'local:team');
    world.farm.put(1, 'Running', 'team');
    await world.clock.advance(2000);
    world.farm.put(1, 'Done', 'team');
    await world.clock.advance(2000);
    assert.deepEqual(
      told.jobs.map(({ state }) => state),
      ['running', 'done'],
    );
    world.farm.jobs.clear();
    await world.clock.advance(5000);
    world.farm.put(1, 'Running', 'team');
    world.submitters.set('1', 'local:ben');
    await world.clock.advance(2000);
    assert.deepEqual(
      told.jobs.map(({ state }) => state),
      ['running', 'done'],
    );
  });
});
