import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createMemoryKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createFakeVovserver } from './fake-vovserver.ts';
import { BODY, submissionOf } from './jobs-world.ts';
import {
  callerOf,
  createLiveJobs,
  createQuotaActs,
  type LiveJobs,
  memberOf,
  type QuotaReplica,
  refusalOf,
  tryReserve,
} from './quotas-world.ts';

let clock: ReturnType<typeof createManualClock>;
let kv: KeyValue;
let vov: LiveJobs;
const { nextId, join, take, makeJob } = createQuotaActs(() => ({ clock, kv, vov }));

beforeEach(() => {
  clock = createManualClock();
  kv = createMemoryKeyValue({ clock });
  vov = createLiveJobs();
});

describe('submissions per minute and day', () => {
  it('are counted over all replicas, by person, and told with the exact time', async () => {
    const replicas = [join([{ submissionsPerMinute: 3 }]), join([{ submissionsPerMinute: 3 }])];
    const turns = [0, 1, 0].map((at) => replicas[at] ?? assert.fail());
    for (const replica of turns) assert.equal(await take(replica, 'alice'), 'taken');
    await clock.advance(20_000);
    const refused = refusalOf(await take(turns[1] ?? assert.fail(), 'alice'));
    assert.equal(refused.status, 429);
    assert.match(refused.detail, /3 of your 3 submissions of this minute are used \(quota q\)/);
    assert.equal(refused.headers.RateLimit, `"quota-q-minute";r=0;t=${refused.retryAfter}`);
    assert.equal(refused.headers['RateLimit-Policy'], '"quota-q-minute";q=3;w=60');
    assert.equal(await take(turns[0] ?? assert.fail(), 'bob'), 'taken');
    await clock.advance((refused.retryAfter ?? 0) * 1000 - 1000);
    refusalOf(await take(turns[0] ?? assert.fail(), 'alice'));
    await clock.advance(1000);
    assert.equal(await take(turns[0] ?? assert.fail(), 'alice'), 'taken');
  });

  it('are counted together for the members of a group', async () => {
    const replica = join([{ per: 'group', groups: ['cad', 'lab'], submissionsPerDay: 2 }]);
    assert.equal(await take(replica, 'alice', 'cad'), 'taken');
    assert.equal(await take(replica, 'bob', 'cad', 'lab'), 'taken');
    assert.match(
      refusalOf(await take(replica, 'alice', 'cad')).detail,
      /the group cad’s 2 submissions of these 24 hours/,
    );
    assert.equal(await take(replica, 'carol', 'lab'), 'taken');
    assert.equal(await take(replica, 'dave'), 'taken');
  });

  it('concern those whom the quota names, on each queue by itself', async () => {
    const replica = join([
      { groups: ['cad'], exceptGroups: ['leads'], queues: ['test', 'other'], submissionsPerDay: 1 },
    ]);
    const on = (queue: string, ...groups: string[]) =>
      tryReserve(replica, { ...callerOf('alice', ...groups), queue }, nextId(), vov.way);
    assert.equal(await on('test', 'cad'), 'taken');
    assert.equal(await on('other', 'cad'), 'taken');
    refusalOf(await on('test', 'cad'));
    for (const got of [await on('test', 'cad', 'leads'), await on('third', 'cad'), await on('test')]) {
      assert.equal(got, 'taken');
    }
  });

  it('name every quota that is used up, and take from none then', async () => {
    const replica = join([
      { name: 'tight', submissionsPerMinute: 1 },
      { name: 'daily', submissionsPerDay: 1 },
      { name: 'wide', submissionsPerMinute: 2 },
    ]);
    assert.equal(await take(replica, 'alice'), 'taken');
    for (let again = 0; again < 3; again += 1) {
      const refused = refusalOf(await take(replica, 'alice'));
      assert.match(refused.detail, /quota tight.*quota daily/);
      assert.doesNotMatch(refused.detail, /wide/);
      assert.ok((refused.retryAfter ?? 0) > 80_000);
    }
  });

  it('let pass what is only observed, and tell it once a minute', async () => {
    const replica = join([{ name: 'seen', mode: 'observe', submissionsPerMinute: 1 }]);
    for (let at = 0; at < 5; at += 1) assert.equal(await take(replica, 'alice'), 'taken');
    assert.deepEqual(replica.decisions, [
      'quota-seen allowed store',
      ...Array.from({ length: 4 }, () => 'quota-seen would_deny store'),
    ]);
    assert.equal(replica.log.filter((line) => line.includes('quota_exceeded')).length, 1);
  });

  it('do not stay counted for what executed nothing', async () => {
    const replica = join([{ submissionsPerMinute: 1, liveJobs: 1 }]);
    for (let at = 0; at < 4; at += 1) {
      const id = nextId();
      assert.equal(await tryReserve(replica, callerOf('alice'), id, vov.way), 'taken');
      await clock.advance(700);
      await replica.quotas.cancel(callerOf('alice'), id);
    }
    assert.deepEqual(await replica.quotas.check(callerOf('alice')), []);
  });

  it('hold exactly under many at once', async () => {
    const replicas = Array.from({ length: 3 }, () => join([{ submissionsPerMinute: 50 }]));
    const all = await Promise.all(
      Array.from({ length: 300 }, (_, at) => take(replicas[at % 3] ?? assert.fail(), 'alice')),
    );
    assert.equal(all.filter((got) => got === 'taken').length, 50);
  });
});

describe('live jobs', () => {
  it('are those that have not been seen as ended', async () => {
    const replica = join([{ liveJobs: 2 }]);
    for (const jobId of [1, 2]) assert.equal(await makeJob(replica, jobId), 'taken');
    const refused = refusalOf(await makeJob(replica, 3));
    assert.match(refused.detail, /2 of your 2 live jobs are used/);
    assert.ok((refused.retryAfter ?? 0) >= 15 && (refused.retryAfter ?? 0) <= 30);
    assert.deepEqual(refused.headers, {});
    for (let seen = 0; seen < 3; seen += 1) replica.quotas.finished('test', 'local:alice', '1');
    await clock.advance(0);
    assert.equal(await makeJob(replica, 3), 'taken');
    refusalOf(await makeJob(replica, 4));
  });

  it('are counted at vovserver before somebody is refused, at most once in five seconds', async () => {
    const replicas = [join([{ liveJobs: 1 }]), join([{ liveJobs: 1 }])];
    const [one = assert.fail(), two = assert.fail()] = replicas;
    assert.equal(await makeJob(one, 1), 'taken');
    await clock.advance(6000);
    const asked = vov.reads.length;
    const all = await Promise.all(Array.from({ length: 40 }, (_, at) => makeJob(at % 2 === 0 ? one : two, 100 + at)));
    assert.ok(all.every((got) => got !== 'taken'));
    assert.equal(vov.reads.length, asked + 1);
    vov.jobs.set(1, { user: 'alice', status: 'Done' });
    await clock.advance(6000);
    assert.equal(await makeJob(two, 2), 'taken');
  });

  it('submitted past the gateway count too', async () => {
    for (const id of [1, 2]) vov.jobs.set(id, { user: 'alice', status: 'Running' });
    vov.jobs.set(3, { user: 'bob', status: 'Running' });
    vov.jobs.set(4, { user: 'alice', status: 'Sleeping' });
    const replica = join([{ liveJobs: 3 }]);
    assert.equal(await makeJob(replica, 5), 'taken');
    refusalOf(await makeJob(replica, 6));
    vov.jobs.set(1, { user: 'alice', status: 'Failed' });
    await clock.advance(5 * 60_000 + 1);
    assert.equal(await makeJob(replica, 7), 'taken');
  });

  it('are counted every five minutes while somebody submits', async () => {
    const replica = join([{ liveJobs: 100 }]);
    for (let minute = 0; minute < 20; minute += 1) {
      await take(replica, 'alice');
      await clock.advance(60_000);
    }
    assert.ok(vov.reads.length >= 3 && vov.reads.length <= 5, String(vov.reads.length));
  });

  it('are as last known when vovserver does not tell', async () => {
    vov.answers = false;
    const replica = join([{ liveJobs: 1 }]);
    assert.equal(await makeJob(replica, 1), 'taken');
    refusalOf(await makeJob(replica, 2));
    assert.equal(replica.log.filter((line) => line.includes('quota_not_recounted')).length, 1);
  });

  it('of a group are those of all members, and fewer when one has left or jobs have ended', async () => {
    const replica = join([{ per: 'group', groups: ['cad'], liveJobs: 3 }]);
    for (const jobId of [1, 2]) assert.equal(await makeJob(replica, jobId, 'alice', 'cad'), 'taken');
    assert.equal(await makeJob(replica, 3, 'bob', 'cad'), 'taken');
    assert.match(refusalOf(await makeJob(replica, 4, 'bob', 'cad')).detail, /3 of the group cad’s 3 live jobs/);
    // Alice's ended without anybody having seen it.
    vov.jobs.set(1, { user: 'alice', status: 'Done' });
    await clock.advance(6000);
    assert.equal(await makeJob(replica, 5, 'bob', 'cad'), 'taken');
    await clock.advance(6000);
    refusalOf(await makeJob(replica, 6, 'bob', 'cad'));
  });

  it('stay counted while a list without them may be older than they are', async () => {
    const replica = join([{ liveJobs: 2 }]);
    const origin = (jobId: string) => ({
      ...{ queue: 'test', epoch: 'e', jobId, subject: 'local:alice', user: 'alice', account: 'alice', tokenId: 't' },
      ...{ tokenLabel: 'l', address: 'a', requestId: 'r', key: null, submittedAt: clock.now(), lastSeen: null },
    });
    assert.equal(await makeJob(replica, 1), 'taken');
    assert.equal(await makeJob(replica, 2), 'taken');
    for (const id of ['1', '2']) await replica.origins.record(origin(id));
    const now = new Map(vov.jobs);
    // An old copy of the list.
    vov.jobs.clear();
    await clock.advance(6000);
    refusalOf(await makeJob(replica, 3));
    // Another list that shows the second: it is as young as both.
    vov.jobs.set(2, now.get(2) ?? assert.fail());
    await clock.advance(6000);
    assert.equal(await makeJob(replica, 3), 'taken');
    await replica.origins.record(origin('3'));
    vov.jobs.clear();
    await clock.advance(6000);
    refusalOf(await makeJob(replica, 4));
    await clock.advance(60_000);
    assert.equal(await makeJob(replica, 4), 'taken');
  });

  it('of a shared account are those of the person who submitted them', async () => {
    const replica = join([{ liveJobs: 2 }]);
    const shared = (user: string) => ({ ...callerOf(user), account: 'robot', shared: true });
    const origin = (jobId: string, user: string) => ({
      ...{ queue: 'test', epoch: 'e', jobId, subject: `local:${user}`, user, account: 'robot', tokenId: 't' },
      ...{ tokenLabel: 'l', address: 'a', requestId: 'r', key: null, submittedAt: clock.now(), lastSeen: null },
    });
    for (const [id, user] of [
      [1, 'alice'],
      [2, 'bob'],
      [3, 'bob'],
    ] as const) {
      vov.jobs.set(id, { user: 'robot', status: 'Running' });
      await replica.origins.record(origin(String(id), user));
    }
    assert.equal(await tryReserve(replica, shared('alice'), nextId(), vov.way), 'taken');
    refusalOf(await tryReserve(replica, shared('alice'), nextId(), vov.way));
    refusalOf(await tryReserve(replica, shared('bob'), nextId(), vov.way));
    assert.equal(await tryReserve(replica, shared('carol'), nextId(), vov.way), 'taken');
  });

  it('hold a place for what is being sent, and give it up when nobody knows after two minutes', async () => {
    const replica = join([{ liveJobs: 1 }]);
    assert.equal(await take(replica, 'alice'), 'taken');
    refusalOf(await take(replica, 'alice'));
    await clock.advance(125_000);
    assert.equal(await take(replica, 'alice'), 'taken');
  });
});

describe('a submission and its quotas', () => {
  const QUOTA = [{ submissionsPerMinute: 2 }];
  const used = async (replica: QuotaReplica): Promise<number> => {
    let count = 0;
    while (count < 3 && (await take(replica, 'alice')) === 'taken') count += 1;
    return 2 - count;
  };
  const submission = (key: string | null) => {
    const json = { ...BODY, logfile: `log-${nextId()}` };
    return submissionOf({ key, json, identity: memberOf('alice') });
  };

  for (const key of ['k', null]) {
    const how = key === null ? 'without a key' : 'with a key';

    it(`${how} counts once when it is accepted`, async () => {
      const replica = join(QUOTA);
      await replica.submissions.submit(submission(key), createFakeVovserver(clock).way('alice'));
      assert.equal(await used(replica), 1);
    });

    for (const mishap of ['refused', 'not-sent'] as const) {
      it(`${how} does not stay counted when ${mishap}`, async () => {
        const replica = join(QUOTA);
        const vovserver = createFakeVovserver(clock);
        vovserver.mishaps.push(mishap);
        await replica.submissions.submit(submission(key), vovserver.way('alice')).catch(() => undefined);
        assert.equal(await used(replica), 0);
      });
    }

    it(`${how} counts while its outcome is unknown, and once when it is found`, async () => {
      const replica = join(QUOTA);
      const vovserver = createFakeVovserver(clock);
      vovserver.mishaps.push('lost-after');
      vovserver.reading = 'away';
      const one = submission(key);
      await assert.rejects(replica.submissions.submit(one, vovserver.way('alice')), { code: 'GW_OUTCOME_UNKNOWN' });
      vovserver.reading = 'ok';
      await clock.advance(11_000);
      assert.equal((await replica.submissions.submit(one, vovserver.way('alice'))).status, 200);
      assert.equal(vovserver.jobs.length, 1);
      assert.equal(await used(replica), 1);
    });

    it(`${how} is refused before anything is sent, and may come again`, async () => {
      const replica = join(QUOTA);
      const vovserver = createFakeVovserver(clock);
      for (let at = 0; at < 2; at += 1) await take(replica, 'alice');
      const one = submission(key);
      await assert.rejects(replica.submissions.submit(one, vovserver.way('alice')), { code: 'GW_QUOTA' });
      assert.equal(vovserver.sent.length, 0);
      await clock.advance(62_000);
      assert.equal((await replica.submissions.submit(one, vovserver.way('alice'))).status, 200);
    });
  }

  it('with a key counts once however often it is repeated', async () => {
    const replica = join(QUOTA);
    const vovserver = createFakeVovserver(clock);
    const one = submission('again');
    for (let at = 0; at < 5; at += 1) await replica.submissions.submit(one, vovserver.way('alice'));
    assert.equal(await used(replica), 1);
  });
});
