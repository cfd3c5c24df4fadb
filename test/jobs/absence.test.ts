import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer } from '../../src/jobs/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { BODY, createJobsWorld, createReplica, type JobsWorld, submissionOf } from './jobs-world.ts';

const jobIdOf = ({ body }: Answer): number => JSON.parse(body.toString()).jobid;
const isUnknown = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_OUTCOME_UNKNOWN';

const submit = (world: JobsWorld, name: string, more: Parameters<typeof submissionOf>[0] = {}): Promise<Answer> => {
  const submission = submissionOf({ key: name, json: { ...BODY, logfile: name }, ...more });
  return world.submissions.submit(submission, world.vovserver.way(submission.account));
};
const jobsOf = ({ vovserver }: JobsWorld, name: string): number =>
  vovserver.jobs.filter(({ body }) => body.logfile === name).length;

/** A submission without a mark was lost, and all that was under way has settled. */
async function lostOne(mishap: 'lost-before' | 'lost-after', reading: 'ok' | 'away' = 'ok'): Promise<JobsWorld> {
  const world = createJobsWorld({ marker: 'none' });
  world.vovserver.refusesSameLogfile = false;
  world.vovserver.mishaps = [mishap];
  world.vovserver.reading = reading;
  await assert.rejects(submit(world, 'LOST'), isUnknown);
  world.vovserver.reading = 'ok';
  return world;
}

/** Longer than jobs.settle.lost and what the clocks of vovserver and of replicas may differ by when no Date says it. */
const LATER = 56_000;
const LONGER = 71_000;

describe('a lost submission without a mark', () => {
  it('is sent again once a later job of the account in the same list shows that the list is what it is taken for', async () => {
    await using world = await lostOne('lost-before');
    await world.clock.advance(LATER);
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    assert.match(world.log.join('\n'), /submission_unproved.*no job in the list that the gateway knows of/);
    await submit(world, 'CONTROL');
    assert.equal(jobIdOf(await submit(world, 'LOST')), world.vovserver.jobs[1]?.id);
    assert.equal(jobsOf(world, 'LOST'), 1);
  });

  it('needs no later job when the list cannot be that old any more', async () => {
    await using world = createJobsWorld({ marker: 'none' });
    await submit(world, 'CONTROL');
    await world.clock.advance(40_000);
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    await world.clock.advance(LATER);
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    assert.match(world.log.join('\n'), /the list may be older than the sending/);
    await world.clock.advance(LONGER - LATER);
    await submit(world, 'LOST');
    assert.equal(jobsOf(world, 'LOST'), 1);
  });

  it('stays unknown while the account has no other job of that time', async () => {
    await using world = await lostOne('lost-before');
    await world.clock.advance(LONGER);
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    await submit(world, 'BOBS', { account: 'bob' });
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    assert.equal(jobsOf(world, 'LOST'), 0);
  });

  it('stays unknown while a job of that time may be it, however vovserver shows commands', async () => {
    await using world = await lostOne('lost-after', 'away');
    world.vovserver.showsCommand = () => '/opt/wrapped 7f3a';
    await world.clock.advance(LONGER);
    await submit(world, 'CONTROL');
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    assert.match(world.log.join('\n'), /1 jobs of that time may be it/);
    assert.equal(jobsOf(world, 'LOST'), 1);
    world.vovserver.showsCommand = (command, logfile) => `vw ${command} > ${logfile}`;
    assert.equal(jobIdOf(await submit(world, 'LOST')), world.vovserver.jobs[0]?.id);
  });

  it('is not sent again on the word of a copy that is older than its sending', async () => {
    await using world = createJobsWorld({ marker: 'none' });
    world.vovserver.refusesSameLogfile = false;
    await submit(world, 'CONTROL');
    await world.clock.advance(5000);
    world.vovserver.copyOf = world.clock.now();
    await world.clock.advance(1000);
    world.vovserver.mishaps = ['lost-after'];
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    await world.clock.advance(LATER);
    await submit(world, 'LATE-CONTROL');
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    world.vovserver.copyOf = null;
    assert.equal(jobIdOf(await submit(world, 'LOST')), world.vovserver.jobs[1]?.id);
    assert.equal(jobsOf(world, 'LOST'), 1);
  });

  for (const clockOffset of [0, -120_000, 240_000]) {
    it(`is held against the times of vovserver, whose clock is ${clockOffset / 1000} s off`, async () => {
      await using world = createJobsWorld({ marker: 'none' });
      world.vovserver.clockOffset = clockOffset;
      await submit(world, 'BEFORE');
      await world.clock.advance(5000);
      world.vovserver.jobs.push({ id: 7, user: 'alice', body: { ...BODY, logfile: 'BY-HAND' }, at: world.clock.now() });
      await world.clock.advance(15_000);
      world.vovserver.mishaps = ['lost-before'];
      await assert.rejects(submit(world, 'LOST'), isUnknown);
      await world.clock.advance(25_000);
      await submit(world, 'CONTROL');
      await submit(world, 'LOST');
      assert.equal(jobsOf(world, 'LOST'), 1, 'what was submitted by hand before is not it');
    });
  }

  it('stays unknown when clocks are too far apart, a job of that time came from elsewhere, or the list is no good', async () => {
    for (const harm of ['clock', 'by-hand', 'error-text', 'nonsense'] as const) {
      await using world = await lostOne('lost-before');
      const { vovserver } = world;
      const byHand = { id: 7, user: 'alice', body: { ...BODY, logfile: 'BY-HAND' }, at: world.clock.now() + 1000 };
      if (harm === 'by-hand') vovserver.jobs.push(byHand);
      await world.clock.advance(LONGER);
      await submit(world, 'CONTROL');
      if (harm === 'clock') vovserver.clockOffset = 290_000;
      if (harm === 'error-text' || harm === 'nonsense') vovserver.reading = harm;
      await assert.rejects(submit(world, 'LOST'), isUnknown, harm);
      assert.equal(jobsOf(world, 'LOST'), 0);
    }
  });

  it('stays unknown for a replica whose clock is behind the one that lost it', async () => {
    await using world = createJobsWorld({ marker: 'none' });
    world.vovserver.clockOffset = 0;
    world.vovserver.refusesSameLogfile = false;
    world.vovserver.showsCommand = () => 'hidden';
    world.vovserver.mishaps = ['lost-after'];
    const ahead = { ...world.clock, now: () => world.clock.now() + 9000 };
    const other = createReplica(world.kv, ahead, () => world.config);
    const lost = submissionOf({ key: 'LOST', json: { ...BODY, logfile: 'LOST' } });
    await assert.rejects(other.submissions.submit(lost, world.vovserver.way('alice')), isUnknown);
    await world.clock.advance(LONGER + 10_000);
    await submit(world, 'CONTROL');
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    assert.equal(jobsOf(world, 'LOST'), 1);
  });

  it('stays unknown when vovserver writes times in another way', async () => {
    await using world = await lostOne('lost-before');
    await world.clock.advance(LATER);
    await submit(world, 'CONTROL');
    const way = world.vovserver.way('alice');
    const read = async (target: string): Promise<Answer> => {
      const answer = await way.read(target);
      return { ...answer, body: Buffer.from(answer.body.toString().replace(/\b\d{10}\b/g, '"Thu Jan 01 2026"')) };
    };
    const again = submissionOf({ key: 'LOST', json: { ...BODY, logfile: 'LOST' } });
    await assert.rejects(world.submissions.submit(again, { ...way, read }), isUnknown);
    assert.match(world.log.join('\n'), /times that are no numbers/);
  });

  it('is told from its twin: one job of two equal submissions answers for one of them', async () => {
    await using world = await lostOne('lost-after', 'away');
    world.vovserver.mishaps = ['lost-before'];
    world.vovserver.reading = 'away';
    const twin = (): Promise<Answer> => submit(world, 'TWIN', { json: { ...BODY, logfile: 'LOST' } });
    await assert.rejects(twin(), isUnknown);
    world.vovserver.reading = 'ok';
    await world.clock.advance(LATER);
    await submit(world, 'CONTROL');
    const [one, other] = [await submit(world, 'LOST'), await twin()];
    assert.notEqual(jobIdOf(one), jobIdOf(other));
    assert.equal(jobsOf(world, 'LOST'), 2);
  });
});

describe('a lost submission with a mark', () => {
  it('is sent again as soon as a later job shows that the list is fresh', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    await world.clock.advance(LATER);
    await assert.rejects(submit(world, 'LOST'), isUnknown);
    await submit(world, 'CONTROL');
    await submit(world, 'LOST');
    assert.equal(jobsOf(world, 'LOST'), 1);
  });
});
