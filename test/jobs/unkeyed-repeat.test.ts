import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer, SubmissionWay } from '../../src/jobs/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { BODY, createJobsWorld, type JobsWorld, jobsConfig, type Replica, submissionOf } from './jobs-world.ts';
import { createMortal } from './mortal.ts';

const jobIdOf = ({ body }: Answer): number => JSON.parse(body.toString()).jobid;
const codeIs = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;
/** Longer than a lease that could not be given back. */
const LEASE = 10_000;

function post(world: JobsWorld, replica: Replica = world, way: Partial<SubmissionWay> = {}): Promise<Answer> {
  return replica.submissions.submit(submissionOf({ key: null }), { ...world.vovserver.way('alice'), ...way });
}

/** A submission without a key was executed, and its answer lost. */
async function lostOne(): Promise<JobsWorld> {
  const world = createJobsWorld({ marker: 'none' });
  world.vovserver.refusesSameLogfile = false;
  world.vovserver.reading = 'away';
  world.vovserver.mishaps = ['lost-after'];
  await assert.rejects(post(world), codeIs('GW_OUTCOME_UNKNOWN'));
  world.vovserver.reading = 'ok';
  return world;
}

/** A submission without a key was answered when its caller had gone. */
async function unheardOne(): Promise<JobsWorld> {
  const world = createJobsWorld({ marker: 'none' });
  world.vovserver.refusesSameLogfile = false;
  await post(world, world, { gone: () => true });
  return world;
}

/** Steps of the store and of vovserver that a repeat takes, and some more. */
const STEPS = Array.from({ length: 18 }, (_, at) => at + 1);

describe('the repeat of a submission without a key', () => {
  for (const [what, begin] of [
    ['was lost', lostOne],
    ['nobody heard', unheardOne],
  ] as const) {
    it(`makes no second job whichever step of the store fails, before or after it took effect (${what})`, async () => {
      for (const step of STEPS) {
        for (const applied of [true, false]) {
          await using world = await begin();
          const mortal = createMortal(world.kv);
          const replica = world.join(mortal.kv);
          // The first one finds the store away, and then it is sent as it is: no promise without a key.
          if (step === 1) continue;
          mortal.loseStore(step, 1, applied);
          const answer = await post(world, replica).catch((error: unknown) => error);
          if (answer instanceof GatewayError) {
            await world.clock.advance(LEASE);
            assert.equal(jobIdOf(await post(world)), world.vovserver.jobs[0]?.id, `step ${step}`);
          } else {
            assert.equal(jobIdOf(answer as Answer), world.vovserver.jobs[0]?.id, `step ${step}`);
          }
          assert.equal(world.vovserver.jobs.length, 1, `step ${step}, ${applied}`);
        }
      }
    });

    it(`is answered by its job although the gateway died at any of its steps before (${what})`, async () => {
      for (const step of STEPS) {
        await using world = await begin();
        const mortal = createMortal(world.kv);
        const replica = world.join(mortal.kv);
        mortal.dieAt(step, true);
        let heard = false;
        const way = mortal.way(world.vovserver.way('alice'));
        const deliver = async (): Promise<boolean> => {
          heard = true;
          return true;
        };
        const trying = replica.submissions.submit(submissionOf({ key: null }), { ...way, deliver });
        await Promise.race([trying, mortal.died]);
        if (heard) continue;
        await world.clock.advance(LEASE);
        assert.equal(jobIdOf(await post(world)), world.vovserver.jobs[0]?.id, `step ${step}`);
        assert.equal(world.vovserver.jobs.length, 1, `step ${step}`);
      }
    });

    it(`keeps its answer until it was written, and lets it go then (${what})`, async () => {
      await using world = await begin();
      const job = world.vovserver.jobs[0]?.id;
      assert.equal(jobIdOf(await post(world, world, { deliver: async () => false })), job, 'it did not get through');
      const writing = Promise.withResolvers<boolean>();
      const given: Answer[] = [];
      const deliver = (answer: Answer): Promise<boolean> => {
        given.push(answer);
        return writing.promise;
      };
      const first = post(world, world, { deliver });
      await world.clock.advance(0);
      assert.deepEqual(given.map(jobIdOf), [job]);
      await assert.rejects(post(world), codeIs('GW_KEY_IN_PROGRESS'), 'one repeat at a time, until its answer is out');
      writing.resolve(true);
      assert.equal(await first, given[0]);
      assert.notEqual(jobIdOf(await post(world)), job, 'the next one is meant anew');
    });
  }

  it('lets its answer go later when the store goes away after it was given', async () => {
    await using world = await lostOne();
    const mortal = createMortal(world.kv);
    const replica = world.join(mortal.kv);
    const deliver = async (): Promise<boolean> => {
      mortal.loseStore(1, 3, false);
      return true;
    };
    const job = jobIdOf(await post(world, replica, { deliver }));
    await world.clock.advance(LEASE);
    assert.notEqual(jobIdOf(await post(world)), job, 'the next one is meant anew');
  });

  it('is looked for until its absence could be proved, however short a life losses are given', async () => {
    await using world = await lostOne();
    world.config = jobsConfig({ implicitKeyLife: 30_000 });
    world.vovserver.reading = 'away';
    world.vovserver.mishaps = ['lost-after'];
    const L2 = { ...BODY, logfile: 'L2' };
    const again = () => world.submissions.submit(submissionOf({ key: null, json: L2 }), world.vovserver.way('alice'));
    await assert.rejects(again(), codeIs('GW_OUTCOME_UNKNOWN'));
    await world.clock.advance(69_000);
    world.vovserver.reading = 'ok';
    assert.equal(jobIdOf(await again()), world.vovserver.jobs[1]?.id);
    assert.equal(world.vovserver.jobs.length, 2);
  });

  it('is a new one a while after the answer that nobody heard, however long losses are remembered', async () => {
    for (const begin of [unheardOne, lostOne]) {
      await using world = await begin();
      const job = world.vovserver.jobs[0]?.id;
      await world.clock.advance(5 * 60_000);
      assert.equal(jobIdOf(await post(world, world, { gone: () => true })), job);
      await world.clock.advance(15 * 60_000 + 1);
      assert.notEqual(jobIdOf(await post(world)), job, 'of the next night');
    }
  });

  it('is not sent again once its job could have run and been forgotten, and says what to do', async () => {
    await using world = await lostOne();
    world.vovserver.jobs.length = 0;
    await world.clock.advance(30 * 60_000);
    await assert.rejects(post(world), (error) => {
      assert.ok(error instanceof GatewayError && error.code === 'GW_OUTCOME_UNKNOWN');
      assert.match(error.message, /List your jobs.*with an Idempotency-Key/);
      assert.equal(error.retryAfter, undefined);
      return true;
    });
    assert.equal(world.vovserver.sent.length, 1);
  });
});
