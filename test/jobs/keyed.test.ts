import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Answer, Submission } from '../../src/jobs/index.ts';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { createFakeVovserver } from './fake-vovserver.ts';
import {
  BODY,
  createJobsWorld,
  createReplica,
  DAY,
  type JobsWorld,
  jobsConfig,
  personOf,
  submissionOf,
} from './jobs-world.ts';
import { createMortal } from './mortal.ts';

const jobIdOf = ({ body }: Answer): number => JSON.parse(body.toString()).jobid;
const header = ({ headers }: Answer, name: string): string | undefined => {
  const at = headers.findIndex((one, index) => index % 2 === 0 && one.toLowerCase() === name);
  return at < 0 ? undefined : headers[at + 1];
};
const isReplayed = (answer: Answer): boolean => header(answer, 'idempotent-replayed') === 'true';

function submit(world: Pick<JobsWorld, 'submissions' | 'vovserver'>, changes: Parameters<typeof submissionOf>[0] = {}) {
  const submission: Submission = submissionOf(changes);
  return world.submissions.submit(submission, world.vovserver.way(submission.account));
}

const failsWith = (code: string) => (error: unknown) => {
  assert.ok(error instanceof GatewayError, String(error));
  assert.equal(error.code, code, error.internal);
  return true;
};

/** Beyond jobs.settle.lost and readAge. */
const SETTLED = 71_000;

describe('a submission with a key', () => {
  it('is made once, and its answer given again', async () => {
    await using world = createJobsWorld();
    const first = await submit(world);
    assert.equal(isReplayed(first), false);
    const again = await submit(world);
    assert.equal(isReplayed(again), true);
    assert.deepEqual([again.status, again.body.toString()], [first.status, first.body.toString()]);
    assert.equal(header(again, 'content-type'), 'application/json');
    assert.equal(world.vovserver.jobs.length, 1);
    assert.deepEqual(world.what, ['first', 'replayed']);
  });

  it('is found again after its answer was lost, at once', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-after'];
    const answer = await submit(world);
    assert.equal(isReplayed(answer), true);
    assert.equal(jobIdOf(answer), world.vovserver.jobs[0]?.id);
    assert.equal(jobIdOf(await submit(world)), jobIdOf(answer));
    assert.equal(world.vovserver.jobs.length, 1);
    assert.deepEqual(world.what, ['first', 'adopted', 'replayed']);
  });

  it('is sent again once it has settled that nothing was executed', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    assert.equal(world.vovserver.sent.length, 1);
    await world.clock.advance(SETTLED);
    const answer = await submit(world);
    assert.equal(jobIdOf(answer), world.vovserver.jobs[0]?.id);
    assert.equal(world.vovserver.sent.length, 2);
    assert.equal(isReplayed(await submit(world)), true);
  });

  it('belongs to its queue, person, method and path; the query belongs to what it says', async () => {
    await using world = createJobsWorld();
    const others = [
      { queue: 'q2' },
      { identity: personOf('bob') },
      { method: 'PUT' },
      { target: '/api/v3/other' },
      { key: 'k2' },
    ];
    for (const [at, change] of [{}, ...others].entries()) {
      assert.equal(isReplayed(await submit(world, { ...change, json: { ...BODY, logfile: `L${at}` } })), false);
    }
    assert.equal(world.vovserver.jobs.length, 6);
    await assert.rejects(
      submit(world, { target: '/api/v3/jobs?x=1', json: { ...BODY, logfile: 'L0' } }),
      failsWith('GW_KEY_REUSED'),
    );
  });

  it('is one however its path is spelled, and an empty query is none', async () => {
    await using world = createJobsWorld();
    const route = '/api/v3/jobs';
    const first = await submit(world, { target: '/api/v3/jobs', route });
    for (const target of ['/api/v3/jobs/', '/api/v3/job%73', '/api/v3/jobs?']) {
      const again = await submit(world, { target, route });
      assert.deepEqual([isReplayed(again), jobIdOf(again)], [true, jobIdOf(first)], target);
    }
    for (const id of ['1', '2']) {
      const one = { target: `/api/v3/sets/${id}`, route: '/api/v3/sets/{id}', json: { ...BODY, logfile: `S${id}` } };
      assert.equal(isReplayed(await submit(world, one)), false, 'what the path itself says counts');
    }
    assert.equal(world.vovserver.jobs.length, 3);
  });

  it('is held against what the caller sent, not against what was made of it', async () => {
    await using world = createJobsWorld({ marker: 'none' });
    const received = Buffer.from(JSON.stringify({ command: BODY.command, logfile: BODY.logfile, env: BODY.env }));
    const inFolder = (rundir: string, key = 'key-1') => ({ received, json: { ...BODY, rundir }, key });
    const first = await submit(world, inFolder('/proj/a'));
    const again = await submit(world, inFolder('/proj/b'));
    assert.deepEqual([isReplayed(again), jobIdOf(again)], [true, jobIdOf(first)]);
    const other = { ...inFolder('/proj/b'), received: Buffer.from('{"command":"other"}') };
    await assert.rejects(submit(world, other), failsWith('GW_KEY_REUSED'));
    world.vovserver.mishaps = ['lost-after'];
    world.vovserver.reading = 'away';
    world.vovserver.refusesSameLogfile = false;
    await assert.rejects(submit(world, inFolder('/proj/a', 'k2')), failsWith('GW_OUTCOME_UNKNOWN'));
    world.vovserver.reading = 'ok';
    const found = await submit(world, inFolder('/proj/b', 'k2'));
    assert.equal(jobIdOf(found), world.vovserver.jobs[1]?.id, 'the job is looked for by what was sent');
    assert.equal(world.vovserver.jobs.length, 2);

    world.vovserver.mishaps = ['lost-after'];
    world.vovserver.reading = 'away';
    const own = { ...BODY, logfile: 'L3' };
    await assert.rejects(submit(world, { key: 'k3', json: own }), failsWith('GW_OUTCOME_UNKNOWN'));
    world.vovserver.reading = 'ok';
    const changed = { key: 'k3', received: Buffer.from(JSON.stringify(own)), json: { ...own, logfile: 'L4' } };
    assert.equal(jobIdOf(await submit(world, changed)), world.vovserver.jobs[2]?.id);
  });

  it('loses its mark when a body that is sent again cannot carry it any more', async () => {
    await using world = createJobsWorld();
    const received = Buffer.from(JSON.stringify(BODY));
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world, { received }), failsWith('GW_OUTCOME_UNKNOWN'));
    await world.clock.advance(SETTLED);
    await submit(world, { received, json: { ...BODY, jobname: 'by-default' } });
    assert.equal(world.vovserver.sent[1]?.toString(), JSON.stringify({ ...BODY, jobname: 'by-default' }));
  });

  it('is refused with another body, whatever became of the first', async () => {
    await using world = createJobsWorld();
    await submit(world);
    await assert.rejects(submit(world, { json: { ...BODY, env: 'CLEAN' } }), failsWith('GW_KEY_REUSED'));
    assert.equal(isReplayed(await submit(world, { json: Object.fromEntries(Object.entries(BODY).reverse()) })), true);
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world, { key: 'k2' }), failsWith('GW_OUTCOME_UNKNOWN'));
    await assert.rejects(submit(world, { key: 'k2', json: { ...BODY, env: 'CLEAN' } }), failsWith('GW_KEY_REUSED'));
    assert.equal(world.vovserver.jobs.length, 1);
  });

  it('is under way once, and says when to ask again', async () => {
    await using world = createJobsWorld();
    const gate = Promise.withResolvers<void>();
    world.vovserver.onSend = () => gate.promise;
    const first = submit(world);
    await world.clock.advance(20_000);
    const other = world.join();
    const again = (json: object = BODY) =>
      submit({ submissions: other.submissions, vovserver: world.vovserver }, { json });
    await assert.rejects(
      again(),
      (error) => failsWith('GW_KEY_IN_PROGRESS')(error) && (error as GatewayError).retryAfter === 2,
    );
    await assert.rejects(again({ ...BODY, env: 'CLEAN' }), failsWith('GW_KEY_REUSED'));
    gate.resolve();
    assert.equal(isReplayed(await first), false);
    assert.equal(isReplayed(await again()), true);
    assert.deepEqual([world.vovserver.jobs.length, ...other.what], [1, 'in_progress', 'reused', 'replayed']);
  });

  it('is not kept when nothing was executed', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['not-sent', 'refused', 'none'];
    await assert.rejects(submit(world), failsWith('GW_SATURATED'));
    assert.equal((await submit(world)).status, 400);
    assert.equal(isReplayed(await submit(world)), false);
  });

  for (const mishap of ['proxy-timeout', 'proxy-page'] as const) {
    it(`is looked for after what only a proxy says (${mishap})`, async () => {
      await using world = createJobsWorld();
      world.vovserver.refusesSameLogfile = false;
      world.vovserver.mishaps = [mishap];
      const answer = await submit(world);
      assert.equal(jobIdOf(answer), world.vovserver.jobs[0]?.id);
      assert.equal(jobIdOf(await submit(world)), jobIdOf(answer));
      assert.equal(world.vovserver.sent.length, 1);
    });
  }

  it('gets a refusal that may be of a proxy as it is, and stays in doubt; a time-out of one is no refusal', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    world.vovserver.copyOf = world.clock.now() - 1;
    world.vovserver.mishaps = ['proxy-page', 'proxy-timeout'];
    assert.equal((await submit(world)).status, 403);
    await assert.rejects(
      submit(world, { key: 'k2', json: { ...BODY, logfile: 'L2' } }),
      failsWith('GW_OUTCOME_UNKNOWN'),
    );
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    await world.clock.advance(SETTLED);
    world.vovserver.copyOf = null;
    assert.equal(jobIdOf(await submit(world)), world.vovserver.jobs[0]?.id);
    assert.equal(world.vovserver.sent.length, 2);
  });

  it('that failed is not sent again on the word of a list that may be older', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    world.vovserver.mishaps = ['fails-after'];
    world.vovserver.copyOf = world.clock.now() - 1;
    assert.equal((await submit(world)).status, 500, 'what vovserver says goes to the caller');
    await world.clock.advance(3000);
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    assert.equal(world.vovserver.sent.length, 1);
    world.vovserver.copyOf = null;
    assert.equal(jobIdOf(await submit(world)), world.vovserver.jobs[0]?.id);
    assert.equal(world.vovserver.jobs.length, 1);
  });

  it('that failed is sent again once no list can be older', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['fails-before'];
    assert.equal((await submit(world)).status, 500);
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    await world.clock.advance(61_000);
    assert.equal(isReplayed(await submit(world)), false);
    assert.equal(world.vovserver.jobs.length, 1);
  });

  it('is refused before anything is sent while the store is away', async () => {
    await using world = createJobsWorld();
    const mortal = createMortal(world.kv);
    const replica = world.join(mortal.kv);
    for (const step of [1, 2, 3]) {
      mortal.loseStore(step, 1, false);
      const trying = submit({ submissions: replica.submissions, vovserver: world.vovserver }, { key: `away-${step}` });
      await assert.rejects(trying, failsWith('GW_STORE_UNAVAILABLE'));
    }
    assert.equal(world.vovserver.sent.length, 0);
  });

  it('is refused for a key that is none, without touching anything', async () => {
    await using world = createJobsWorld();
    for (const key of ['', 'a b', 'k'.repeat(256), 'é'])
      await assert.rejects(submit(world, { key }), failsWith('GW_BAD_REQUEST'));
    assert.equal(world.vovserver.sent.length, 0);
  });

  it('never gets a yes that names no job from what is no answer of vovserver', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['page'];
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    await world.clock.advance(SETTLED);
    assert.equal(
      jobIdOf(await submit(world)),
      world.vovserver.jobs[0]?.id,
      'nothing was executed, so it is sent again',
    );
    world.vovserver.mishaps = ['half-answer'];
    world.vovserver.reading = 'away';
    await assert.rejects(
      submit(world, { key: 'k2', json: { ...BODY, logfile: 'L2' } }),
      failsWith('GW_OUTCOME_UNKNOWN'),
    );
    assert.equal(world.vovserver.jobs.length, 2);
  });

  it('gets a yes of vovserver in other words as it is, and its job once it is found, but is never sent again', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['yes-in-other-words'];
    world.vovserver.reading = 'away';
    assert.equal((await submit(world)).body.toString(), '{"submitted":true}');
    await world.clock.advance(SETTLED);
    world.vovserver.reading = 'ok';
    const [job] = world.vovserver.jobs.splice(0);
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    if (job !== undefined) world.vovserver.jobs.push(job);
    assert.equal(jobIdOf(await submit(world)), job?.id);
    assert.equal(world.vovserver.sent.length, 1);
  });

  it('is not sent again on the word of a list that may be older than its sending', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(
      submit(world),
      (error) => failsWith('GW_OUTCOME_UNKNOWN')(error) && (error as GatewayError).retryAfter === 70,
    );
    await world.clock.advance(69_000);
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    assert.equal(world.vovserver.sent.length, 1);
    world.config = jobsConfig({ settle: { lost: 10_000, dead: 120_000, readAge: 0 } });
    assert.equal(jobIdOf(await submit(world)), world.vovserver.jobs[0]?.id, 'a site may say that there are none');
  });

  it('is forgotten after keyLife', async () => {
    await using world = createJobsWorld();
    world.vovserver.refusesSameLogfile = false;
    await submit(world);
    await world.clock.advance(3 * DAY - 1);
    assert.equal(isReplayed(await submit(world)), true);
    await world.clock.advance(2);
    assert.equal(isReplayed(await submit(world)), false);
  });

  it('records who submitted it, also when its job was found again', async () => {
    await using world = createJobsWorld();
    const first = await submit(world, { requestId: 'request-first' });
    assert.deepEqual(await world.origins.find('test', String(jobIdOf(first))), {
      queue: 'test',
      epoch: 'vov1:6330',
      jobId: String(jobIdOf(first)),
      subject: 'local:alice',
      user: 'alice',
      account: 'alice',
      tokenId: 't1',
      tokenLabel: 'laptop',
      address: '192.0.2.1',
      requestId: 'request-first',
      key: 'key-1',
      submittedAt: world.clock.now(),
      lastSeen: null,
    });
    world.vovserver.mishaps = ['lost-after'];
    world.vovserver.reading = 'away';
    await assert.rejects(
      submit(world, { key: 'k2', requestId: 'request-lost', json: { ...BODY, logfile: 'L2' } }),
      failsWith('GW_OUTCOME_UNKNOWN'),
    );
    const sentAt = world.clock.now();
    world.vovserver.reading = 'ok';
    await world.clock.advance(60_000);
    const found = await submit(world, { key: 'k2', json: { ...BODY, logfile: 'L2' } });
    const origin = await world.origins.find('test', String(jobIdOf(found)));
    assert.deepEqual([origin?.requestId, origin?.key, origin?.submittedAt], ['request-lost', 'k2', sentAt]);
  });

  it('stays unknown once its job could have run and been forgotten', async () => {
    await using world = createJobsWorld();
    world.vovserver.mishaps = ['lost-before'];
    await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
    await world.clock.advance(30 * 60_000);
    await assert.rejects(submit(world), (error) => {
      failsWith('GW_OUTCOME_UNKNOWN')(error);
      assert.match(String(error), /List your jobs.*a new Idempotency-Key/);
      assert.equal((error as GatewayError).retryAfter, undefined, 'to ask again is of no use');
      return true;
    });
    assert.equal(world.vovserver.sent.length, 1);
  });

  it('marks the job of a JSON body only, and not over the caller', async () => {
    await using world = createJobsWorld();
    await submit(world);
    await submit(world, { key: 'k2', json: { ...BODY, logfile: 'L2', jobname: 'mine' } });
    await submit(
      { ...world, vovserver: Object.assign(world.vovserver, { mishaps: ['refused'] }) },
      { key: 'k3', body: Buffer.from('command=x') },
    );
    const [marked, own, form] = world.vovserver.sent.map(String);
    assert.match(String(marked), /^\{"jobname":"vovgw[0-9a-f]{32}","command"/);
    assert.equal(JSON.parse(String(own)).jobname, 'mine');
    assert.equal(form, 'command=x');
  });

  it('tells a replica that lost its lease, before it sends what it still holds', async () => {
    await using world = createJobsWorld();
    const mortal = createMortal(world.kv);
    const replica = world.join(mortal.kv);
    const gate = Promise.withResolvers<void>();
    let told: AbortSignal | undefined;
    world.vovserver.onSend = async (lost) => {
      told = lost;
      await gate.promise;
      if (lost?.aborted === true) throw new GatewayError('GW_KEY_IN_PROGRESS', 'no longer ours');
    };
    const waiting = submit({ submissions: replica.submissions, vovserver: world.vovserver });
    await world.clock.advance(0);
    mortal.loseStore(1, 100, false);
    await world.clock.advance(6001);
    assert.equal(told?.aborted, true);
    mortal.loseStore(1, 0, false);
    gate.resolve();
    await assert.rejects(waiting, failsWith('GW_KEY_IN_PROGRESS'));
    assert.equal(world.vovserver.sent.length, 0);
  });
});

describe('the job of a lost submission without a mark', () => {
  const lose = async (world: JobsWorld, key = 'key-1', json: object = BODY): Promise<void> => {
    world.vovserver.reading = 'away';
    await assert.rejects(submit(world, { key, json }), failsWith('GW_OUTCOME_UNKNOWN'));
    world.vovserver.reading = 'ok';
  };

  for (const odd of ['my log', 'a|b', 'x" user==bob "', '-l', 'ü', 'a,b', '$HOME/log(1)']) {
    it(`is found by the log file ${JSON.stringify(odd)}, which is no part of the query then`, async () => {
      await using world = createJobsWorld({ marker: 'none' });
      world.vovserver.mishaps = ['lost-after'];
      await lose(world, 'key-1', { ...BODY, logfile: odd });
      assert.equal(jobIdOf(await submit(world, { json: { ...BODY, logfile: odd } })), world.vovserver.jobs[0]?.id);
      assert.ok(!decodeURIComponent(world.vovserver.reads.at(-1) ?? '').includes(odd));
    });
  }

  it('is never another one: not of others, not older, not another command or directory', async () => {
    const jobs: readonly { user?: string; at?: number; body?: object }[] = [
      { user: 'bob' },
      { at: -60_000 },
      { body: { command: 'other' } },
      { body: { rundir: '/proj/b' } },
      { body: { logfile: 'JOBLOG.11' } },
    ];
    for (const { user = 'alice', at = 1000, body = {} } of jobs) {
      await using world = createJobsWorld({ marker: 'none' });
      world.vovserver.mishaps = ['lost-before'];
      await lose(world);
      world.vovserver.jobs.push({ id: 7, user, at: world.clock.now() + at, body: { ...BODY, ...body } });
      await world.clock.advance(SETTLED);
      await assert.rejects(submit(world), failsWith('GW_OUTCOME_UNKNOWN'));
      assert.equal(world.vovserver.sent.length, 1);
    }
  });

  it('answers for one submission only', async () => {
    await using world = createJobsWorld({ marker: 'none' });
    world.vovserver.mishaps = ['lost-after', 'lost-before'];
    await lose(world, 'k1');
    await lose(world, 'k2');
    const results = await Promise.allSettled([submit(world, { key: 'k1' }), submit(world, { key: 'k2' })]);
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    await assert.rejects(
      submit(world, { key: results[0].status === 'fulfilled' ? 'k2' : 'k1' }),
      failsWith('GW_OUTCOME_UNKNOWN'),
    );
  });

  it('is not that of a submission whose answer is known', async () => {
    await using world = createJobsWorld({ marker: 'none' });
    world.vovserver.mishaps = ['none', 'lost-before'];
    await submit(world, { key: 'k1' });
    await lose(world, 'k2');
    await assert.rejects(submit(world, { key: 'k2' }), failsWith('GW_OUTCOME_UNKNOWN'));
  });
});

/** What holds on any store: two replicas, one answer, nothing to read in it. */
function storeSuite(open: () => Promise<KeyValue>): void {
  it('makes a submission once for many replicas at once', async () => {
    await using kv = await open();
    const clock = createManualClock();
    const vovserver = createFakeVovserver(clock);
    const replicas = Array.from({ length: 4 }, () => createReplica(kv, clock, () => jobsConfig()));
    const tries = replicas.map(({ submissions }) => submit({ submissions, vovserver }));
    const results = await Promise.allSettled(tries);
    assert.equal(vovserver.jobs.length, 1);
    assert.ok(results.some(({ status }) => status === 'fulfilled'));
    for (const { submissions } of replicas) {
      assert.equal(jobIdOf(await submit({ submissions, vovserver })), vovserver.jobs[0]?.id);
    }
  });

  it('goes from lost to found and from lost to sent again', async () => {
    await using kv = await open();
    const clock = createManualClock();
    const vovserver = createFakeVovserver(clock);
    const { submissions } = createReplica(kv, clock, () => jobsConfig());
    vovserver.mishaps = ['lost-before', 'lost-after'];
    await assert.rejects(submit({ submissions, vovserver }), failsWith('GW_OUTCOME_UNKNOWN'));
    await clock.advance(SETTLED);
    assert.equal(jobIdOf(await submit({ submissions, vovserver })), vovserver.jobs[0]?.id);
    assert.equal(isReplayed(await submit({ submissions, vovserver })), true);
    assert.equal(vovserver.jobs.length, 1);
  });

  it('refuses a record that it cannot open rather than sending again', async () => {
    await using kv = await open();
    const clock = createManualClock();
    const vovserver = createFakeVovserver(clock);
    const keys: string[] = [];
    const spied: KeyValue = {
      ...createMortal(kv).kv,
      compareAndSet: (...args) => {
        if (args[2] !== null) {
          keys.push(args[0]);
          assert.doesNotMatch(args.join(), /alice|JOBLOG|key-1|jobid/);
        }
        return kv.compareAndSet(...args);
      },
    };
    const { submissions } = createReplica(spied, clock, () => jobsConfig());
    await submit({ submissions, vovserver });
    await kv.set(keys[0] ?? '', 's1.other.AAAA', null);
    await assert.rejects(submit({ submissions, vovserver }), failsWith('GW_STORE_UNAVAILABLE'));
    assert.equal(vovserver.sent.length, 1);
  });
}

describe('submissions on a store in memory', () => {
  storeSuite(async () => createMemoryKeyValue({ clock: systemClock }));
});

describe('submissions on Redis', () => {
  let redis: RedisProcess;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis[Symbol.asyncDispose]());
  storeSuite(async () => {
    await redis.command('FLUSHALL');
    const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('Redis is up', () => kv.state() === 'up');
    return kv;
  });
});
