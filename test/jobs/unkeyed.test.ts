import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer } from '../../src/jobs/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { BODY, createJobsWorld, DAY, type JobsWorld, personOf, type Replica, submissionOf } from './jobs-world.ts';
import { createMortal } from './mortal.ts';

const jobIdOf = ({ body }: Answer): number => JSON.parse(body.toString()).jobid;
const submit = (world: JobsWorld, json: object = BODY, replica: Replica = world): Promise<Answer> =>
  replica.submissions.submit(submissionOf({ key: null, json }), world.vovserver.way('alice'));
const codeIs = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code;
/** Beyond jobs.settle.lost and readAge. */
const SETTLED = 71_000;

describe('a submission without a key', () => {
  it('is never held back after a known success', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    const [one, two] = [await submit(world), await submit(world)];
    assert.notEqual(jobIdOf(one), jobIdOf(two));
    assert.equal(world.vovserver.reads.length, 0);
    assert.equal(world.vovserver.sent[0]?.toString(), JSON.stringify(BODY), 'it carries no mark');
    assert.deepEqual(world.what, []);
  });

  it('is answered with its job when the answer was lost and the job can be found', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-after'];
    const answer = await submit(world);
    assert.equal(jobIdOf(answer), world.vovserver.jobs[0]?.id);
    assert.ok(answer.headers.includes('Idempotent-Replayed'));
    assert.equal((await world.origins.find('test', String(jobIdOf(answer))))?.key, null);
  });

  it('is looked for when it repeats one with an unknown outcome, and adopted once only', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    world.vovserver.reading = 'away';
    world.vovserver.mishaps = ['lost-after'];
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'));
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'));
    world.vovserver.reading = 'ok';
    const answer = await submit(world);
    assert.equal(jobIdOf(answer), world.vovserver.jobs[0]?.id);
    assert.equal(world.vovserver.jobs.length, 1);
    assert.notEqual(jobIdOf(await submit(world)), jobIdOf(answer), 'the next one is meant anew');
    assert.deepEqual(world.what, ['unknown', 'unknown', 'adopted']);
  });

  it('is answered by the job when it repeats one that got no real answer, and not held back without one', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    world.vovserver.mishaps = ['gateway-error', 'half-answer', 'page'];
    assert.equal((await submit(world)).status, 502, 'what vovserver says goes to the caller');
    assert.equal(jobIdOf(await submit(world)), world.vovserver.jobs[0]?.id);
    const other = { ...BODY, logfile: 'L2' };
    assert.equal((await submit(world, other)).status, 200);
    assert.equal(jobIdOf(await submit(world, other)), world.vovserver.jobs[1]?.id);
    const third = { ...BODY, logfile: 'L3' };
    assert.equal((await submit(world, third)).status, 200);
    assert.equal(jobIdOf(await submit(world, third)), world.vovserver.jobs[2]?.id);
    assert.equal(world.vovserver.jobs.length, 3);
  });

  it('is sent when the one that it repeats is provably absent', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-late', 'none'];
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'));
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'), 'not before all has settled');
    assert.equal(world.vovserver.sent.length, 1);
    await world.clock.advance(SETTLED);
    assert.equal(jobIdOf(await submit(world)), world.vovserver.jobs[0]?.id);
    assert.equal(world.vovserver.sent.length, 1, 'it had come late');

    world.vovserver.jobs.length = 0;
    world.vovserver.mishaps = ['lost-before', 'none'];
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'));
    await world.clock.advance(SETTLED);
    await submit(world);
    assert.equal(world.vovserver.jobs.length, 1);
  });

  it('goes its own way with another command, log file or directory, and after implicitKeyLife', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'));
    const reads = world.vovserver.reads.length;
    world.vovserver.refusesSameLogfile = false;
    for (const change of [{ command: 'other' }, { logfile: 'L2' }, { rundir: '/proj/b' }]) {
      await submit(world, { ...BODY, ...change });
    }
    await world.clock.advance(DAY + 1);
    await submit(world);
    assert.equal(world.vovserver.reads.length, reads);
  });

  for (const [mishap, status] of [
    ['proxy-timeout', 408],
    ['proxy-page', 403],
  ] as const) {
    it(`is answered by the job when it repeats one of which only a proxy spoke (${mishap})`, async () => {
      await using world = createJobsWorld();
      world.vovserver.refusesSameLogfile = false;
      world.vovserver.mishaps = [mishap];
      assert.equal((await submit(world)).status, status);
      assert.equal(jobIdOf(await submit(world)), world.vovserver.jobs[0]?.id);
      assert.equal(world.vovserver.jobs.length, 1);
    });
  }

  it('is answered with its job when it repeats one whose caller had gone, and held back no longer than that', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    const post = (gone: boolean, json: object = BODY): Promise<Answer> => {
      const way = { ...world.vovserver.way('alice'), gone: () => gone };
      return world.submissions.submit(submissionOf({ key: null, json }), way);
    };
    const unheard = jobIdOf(await post(true));
    assert.notEqual(jobIdOf(await post(false, { ...BODY, command: 'other' })), unheard);
    assert.equal(jobIdOf(await post(true)), unheard, 'nobody heard this one either');
    const heard = await post(false);
    assert.deepEqual([jobIdOf(heard), heard.headers.includes('Idempotent-Replayed')], [unheard, true]);
    const next = await post(false);
    assert.notEqual(jobIdOf(next), unheard, 'the next one is meant anew');
    assert.notEqual(jobIdOf(await post(false)), jobIdOf(next));
    assert.equal(world.vovserver.reads.length, 0);
    assert.deepEqual(world.what, ['replayed', 'replayed']);

    world.vovserver.mishaps = ['lost-after'];
    const L2 = { ...BODY, logfile: 'L2' };
    const found = await post(true, L2);
    assert.equal(jobIdOf(await post(false, L2)), jobIdOf(found), 'found, but nobody was there');
    await post(true, { ...BODY, logfile: 'L3' });
    await world.clock.advance(DAY + 1);
    const late = await post(false, { ...BODY, logfile: 'L3' });
    assert.ok(!late.headers.includes('Idempotent-Replayed'), 'after implicitKeyLife');
  });

  it('is not kept for a caller that had gone when vovserver refused it, or when it was not sent', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['refused', 'not-sent'];
    const way = { ...world.vovserver.way('alice'), gone: () => true };
    const post = () => world.submissions.submit(submissionOf({ key: null }), way);
    assert.equal((await post()).status, 400);
    await assert.rejects(post(), codeIs('GW_SATURATED'));
    assert.equal((await post()).status, 200);
    assert.equal(world.vovserver.jobs.length, 1);
  });

  it('is looked for by what was sent, not by what its caller wrote', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    const { rundir: _byDefault, ...written } = BODY;
    const received = Buffer.from(JSON.stringify(written));
    const post = () => world.submissions.submit(submissionOf({ key: null, received }), world.vovserver.way('alice'));
    world.vovserver.mishaps = ['lost-after', 'lost-after'];
    assert.equal(jobIdOf(await post()), world.vovserver.jobs[0]?.id);
    await world.clock.advance(5000);
    world.vovserver.reading = 'away';
    await assert.rejects(post(), codeIs('GW_OUTCOME_UNKNOWN'));
    world.vovserver.reading = 'ok';
    assert.equal(jobIdOf(await post()), world.vovserver.jobs[1]?.id);
  });

  it('is not answered with the lost job of a colleague on a shared account', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    const post = (user: string): Promise<Answer> => {
      const shared = { key: null, account: 'team', shared: true, identity: personOf(user) };
      return world.submissions.submit(submissionOf(shared), world.vovserver.way('team'));
    };
    world.vovserver.reading = 'away';
    world.vovserver.mishaps = ['lost-after'];
    await assert.rejects(post('ann'), codeIs('GW_OUTCOME_UNKNOWN'));
    world.vovserver.reading = 'ok';
    const bens = await post('ben');
    assert.equal(jobIdOf(bens), world.vovserver.jobs[1]?.id, 'a job of his own');
    const anns = await post('ann');
    assert.equal(jobIdOf(anns), world.vovserver.jobs[0]?.id, 'she gets hers');
    const owner = async (answer: Answer) => (await world.origins.find('test', String(jobIdOf(answer))))?.subject;
    assert.deepEqual([await owner(anns), await owner(bens)], ['local:ann', 'local:ben']);
  });

  it('is sent as it is when implicit keys are switched off', async () => {
    await using world = createJobsWorld({ implicitKeyLife: 0 });
    world.vovserver.mishaps = ['lost-after', 'none'];
    world.vovserver.refusesSameLogfile = false;
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'));
    await submit(world);
    assert.equal(world.vovserver.jobs.length, 2);
  });

  it('passes while the store is away, and says so', async () => {
    await using world = createJobsWorld();
    const mortal = createMortal(world.kv);
    const replica = world.join(mortal.kv);
    mortal.loseStore(1, 50, false);
    const answer = await submit(world, BODY, replica);
    assert.equal(answer.headers[answer.headers.indexOf('Idempotency-Status') + 1], 'unavailable');
    assert.equal(world.vovserver.jobs.length, 1);
    assert.match(replica.log.join('\n'), /origin_later.*job 45080/);
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world, { ...BODY, logfile: 'L2' }, replica), codeIs('GW_OUTCOME_UNKNOWN'));
  });

  it('is looked for by one repeat at a time: the others are told to wait until that one has ended', async () => {
    await using world = createJobsWorld();
    world.vovserver.reading = 'away';
    world.vovserver.mishaps = ['lost-after'];
    await assert.rejects(submit(world), codeIs('GW_OUTCOME_UNKNOWN'));
    world.vovserver.reading = 'ok';
    const [looks, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const way = world.vovserver.way('alice');
    const slow = async (target: string): Promise<Answer> => {
      looks.resolve();
      await goesOn.promise;
      return way.read(target);
    };
    const first = world.submissions.submit(submissionOf({ key: null }), { ...way, read: slow });
    await looks.promise;
    // Its lease would have been given back by now, if it was given back too early.
    await new Promise(setImmediate);
    await assert.rejects(submit(world, BODY, world.join()), codeIs('GW_KEY_IN_PROGRESS'));
    goesOn.resolve();
    assert.equal(jobIdOf(await first), world.vovserver.jobs[0]?.id);
    assert.equal(world.vovserver.jobs.length, 1);
  });

  it('is refused to its caller alone when the store takes its time to give the lease back', async (t) => {
    await using world = createJobsWorld();
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    t.after(() => process.off('unhandledRejection', note));
    const slowly: typeof world.kv.run = async (script, keys, args) => {
      if (script.name === 'lease-release') for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
      return world.kv.run(script, keys, args);
    };
    const replica = world.join({ ...world.kv, run: slowly });
    world.vovserver.reading = 'away';
    world.vovserver.mishaps = ['lost-after'];
    await assert.rejects(submit(world, BODY, replica), codeIs('GW_OUTCOME_UNKNOWN'));
    await assert.rejects(submit(world, BODY, replica), codeIs('GW_OUTCOME_UNKNOWN'), 'the repeat');
    assert.deepEqual(unhandled, []);
  });

  it('gives back what vovserver says, errors too', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['refused', 'fails-before', 'not-sent'];
    assert.equal((await submit(world)).status, 400);
    assert.equal((await submit(world)).status, 500);
    await assert.rejects(submit(world), codeIs('GW_SATURATED'));
    assert.equal(world.vovserver.reads.length, 0);
  });
});
