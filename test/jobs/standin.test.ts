import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createOwnership, type Submissions, type SubmissionWay } from '../../src/jobs/index.ts';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import {
  createVovserver,
  type FaultRule,
  PROFILE_CHOICES,
  type Profile,
  type Vovserver,
} from '../../standin/vovserver/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { BODY, createReplica, jobsConfig, personOf, submissionOf } from './jobs-world.ts';
import { openStandinWay, type StandinWay } from './standin-way.ts';

let redis: RedisProcess;
let vovserver: Vovserver;
before(async () => {
  redis = await startRedis({ appendOnly: true });
  vovserver = await createVovserver({
    transport: 'http',
    queueName: 'test',
    users: ['alice', 'bob'].map((name) => ({ name, password: `pw-${name}` })),
  });
});
after(async () => {
  await vovserver[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

interface Rig extends AsyncDisposable {
  readonly submissions: Submissions;
  readonly way: StandinWay;
  readonly kv: KeyValue;
  /** Of its own: the ids of jobs begin anew with each rig. */
  readonly queue: string;
}

/** Milliseconds; the stand-in answers or drops a call at once. */
const SETTLE = { lost: 150, dead: 300, readAge: 0 };

async function openRig(marker: 'none' | 'jobname' = 'jobname'): Promise<Rig> {
  vovserver.reset();
  const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
  await eventually('Redis is up', () => kv.state() === 'up');
  const way = await openStandinWay(vovserver, 'alice');
  const { submissions } = createReplica(kv, systemClock, () => jobsConfig({ marker, settle: SETTLE }));
  const close = async (): Promise<void> => {
    await way[Symbol.asyncDispose]();
    await kv[Symbol.asyncDispose]();
  };
  return { submissions, way, kv, queue: `queue-${++rigs}`, [Symbol.asyncDispose]: close };
}

let rigs = 0;
let keys = 0;
const freshKey = (): string => `standin-${++keys}`;

/** As a client with a key does: again until there is an answer; what it was told on the way. */
async function untilAnswered(
  { submissions, way, queue }: Rig,
  key: string,
  logfile: string,
): Promise<[number, string[]]> {
  const told: string[] = [];
  const jobId = await eventually(`${key} is answered`, async () => {
    try {
      const answer = await submissions.submit(submissionOf({ queue, key, json: { ...BODY, logfile } }), way);
      if (answer.status >= 300) told.push(String(answer.status));
      return answer.status < 300 ? Number(JSON.parse(answer.body.toString()).jobid) : null;
    } catch (error) {
      if (error instanceof GatewayError) told.push(error.code);
      throw error;
    }
  });
  return [jobId, told];
}

const madeWith = (logfile: string): number[] =>
  vovserver.ledger.jobs.filter((job) => job.logfile === logfile).map(({ id }) => id);

const FAULTS: readonly [string, Omit<FaultRule, 'times'>, 'none' | 'jobname', boolean][] = [
  ['a reset before it is executed', { kind: 'reset-before' }, 'jobname', true],
  ['a reset after it is executed', { kind: 'reset-after' }, 'jobname', false],
  ['a reset in the middle of the answer', { kind: 'reset-mid-body' }, 'jobname', false],
  ['half of the answer', { kind: 'truncated-json' }, 'jobname', false],
  ['a time-out, not executed', { kind: 'hang' }, 'jobname', true],
  ['a time-out, executed', { kind: 'hang', executed: true }, 'jobname', false],
  ['an error, executed', { kind: 'answer', status: 500, executed: true }, 'jobname', false],
  ['a bad gateway, not executed', { kind: 'answer', status: 502 }, 'jobname', true],
  ['a reset after it is executed, without a mark', { kind: 'reset-after' }, 'none', false],
  ['a time-out, executed, without a mark', { kind: 'hang', executed: true }, 'none', false],
];

describe('a submission to a vovserver that fails', () => {
  for (const [what, rule, marker, isUnknown] of FAULTS) {
    it(`is made once under ${what}`, async () => {
      await using rig = await openRig(marker);
      const key = freshKey();
      using _fault = vovserver.addFault({ ...rule, method: 'POST', path: '/jobs', times: 1 });
      const [jobId, told] = await untilAnswered(rig, key, `LOG.${key}`);
      assert.deepEqual(madeWith(`LOG.${key}`), [jobId]);
      assert.equal(told.includes('GW_OUTCOME_UNKNOWN'), isUnknown);
    });
  }

  it('is made once each, whatever happens to many of them at once', async () => {
    await using rig = await openRig();
    const kinds: FaultRule['kind'][] = ['reset-before', 'reset-after', 'reset-mid-body', 'truncated-json'];
    using _faults = new DisposableStack();
    for (const kind of kinds) {
      _faults.use(vovserver.addFault({ kind, method: 'POST', path: '/jobs', probability: 0.15 }));
    }
    const names = Array.from({ length: 60 }, freshKey);
    const answers = await Promise.all(names.map((key) => untilAnswered(rig, key, `LOG.${key}`)));
    for (const [at, key] of names.entries()) assert.deepEqual(madeWith(`LOG.${key}`), [answers[at]?.[0]]);
    assert.ok(vovserver.ledger.requests.some(({ fault }) => fault !== null));
  });

  it('survives a Redis that restarts between its steps', async () => {
    await using rig = await openRig();
    for (const kind of ['reset-after'] as const) {
      const key = freshKey();
      using _fault = vovserver.addFault({ kind, method: 'POST', path: '/jobs', times: 1 });
      const submitting = untilAnswered(rig, key, `LOG.${key}`);
      await redis.stop();
      await redis.start();
      const [jobId] = await submitting;
      assert.deepEqual(madeWith(`LOG.${key}`), [jobId]);
      assert.equal((await untilAnswered(rig, key, `LOG.${key}`))[0], jobId);
    }
  });

  it('tells a taken log file as vovserver does, and keeps nothing of it', async () => {
    await using rig = await openRig('none');
    const [first, second] = [freshKey(), freshKey()];
    await untilAnswered(rig, first, 'LOG.same');
    const submission = submissionOf({ queue: rig.queue, key: second, json: { ...BODY, logfile: 'LOG.same' } });
    for (const _ of [1, 2]) {
      const answer = await rig.submissions.submit(submission, rig.way);
      assert.equal(answer.status, 500);
      assert.match(answer.body.toString(), /output of another job/);
    }
    assert.equal(madeWith('LOG.same').length, 1);
  });
});

/** Each switch of the profile that the room looks at, in each of its positions. */
const SWITCHES = [
  'jobIdType',
  'submitStatus',
  'errorKey',
  'columnCase',
  'emptyRows',
  'badQuery',
  'unknownField',
] as const;
const PROFILES: Partial<Profile>[] = [
  ...SWITCHES.flatMap((name) => (PROFILE_CHOICES[name] ?? []).map((value) => ({ [name]: value }))),
];

describe('under every profile of vovserver', () => {
  for (const profile of PROFILES) {
    it(`finds a lost job, and whose it is: ${JSON.stringify(profile)}`, async () => {
      for (const marker of ['jobname', 'none'] as const) {
        await using rig = await openRig(marker);
        vovserver.setProfile(profile);
        const key = freshKey();
        using _fault = vovserver.addFault({ kind: 'reset-after', method: 'POST', path: '/jobs', times: 1 });
        const [jobId] = await untilAnswered(rig, key, `LOG.${key}`);
        assert.deepEqual(madeWith(`LOG.${key}`), [jobId]);
        await ownerHolds(rig.way, String(jobId));
      }
    });
  }

  for (const forgottenJob of PROFILE_CHOICES.forgottenJob ?? []) {
    it(`lets vovserver answer for a job that does not exist: ${forgottenJob}`, async () => {
      await using rig = await openRig();
      vovserver.setProfile({ forgottenJob });
      await checkAs(rig.way, 'bob', '999999');
    });
  }
});

const checkAs = (way: Pick<SubmissionWay, 'read'>, account: string, jobId: string): Promise<void> => {
  const clock = createManualClock();
  const call = { queue: 'test', account, shared: false, identity: personOf(account), jobId };
  return createOwnership({ origins: { find: async () => null, findMany: async () => [] }, clock }).check(call, way);
};

async function ownerHolds(way: SubmissionWay, jobId: string): Promise<void> {
  await checkAs(way, 'alice', jobId);
  await checkAs(way, 'alice', jobId.padStart(9, '0'));
  await assert.rejects(
    checkAs(way, 'bob', `${jobId}/`),
    (error) => error instanceof GatewayError && error.code === 'GW_NOT_YOURS',
  );
}
