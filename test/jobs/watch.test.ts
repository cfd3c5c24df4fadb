import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFinal, type WatchedJob } from '../../src/jobs/index.ts';
import { GatewayError, type Identity } from '../../src/kernel/index.ts';
import { personOf } from './jobs-world.ts';
import { ALICE, createWatchWorld, type Told, type WatchReplica } from './watch-world.ts';

const text = (told: Told): string[] => told.jobs.map(({ jobId, state }) => `${jobId} ${state}`);
const isCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof GatewayError && error.code === code;

const askOf = (jobId: string, changes: { waitMs?: number; identity?: Identity; until?: 'final' } = {}) => ({
  account: ALICE,
  identity: changes.identity ?? personOf('alice'),
  jobId,
  waitMs: changes.waitMs ?? 0,
  isWanted: (job: WatchedJob, first: WatchedJob) =>
    isFinal(job.state) || (changes.until !== 'final' && job.state !== first.state),
  leaving: undefined,
});

describe('a wait for a job', () => {
  it('ends with the first look that shows it as wanted', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.farm.put(7, 'Queued');
    const waiting = watch.look(askOf('7', { waitMs: 30_000 }));
    await world.clock.advance(2500);
    world.farm.put(7, 'Running');
    await world.clock.advance(1000);
    const { job, end } = await waiting;
    assert.deepEqual([job.state, end], ['running', 'wanted']);
  });

  it('costs one look an interval, whatever the number of those who wait, and none afterwards', async () => {
    const world = createWatchWorld();
    world.limits.waitsPerIdentity = 500;
    const { watch } = world.join('a');
    world.farm.put(7, 'Running');
    const waits = Array.from({ length: 500 }, () => watch.look(askOf('7', { waitMs: 10_000 })));
    await world.clock.advance(10_000);
    const answers = await Promise.all(waits);
    assert.ok(answers.every(({ end, job }) => end === 'time' && job.state === 'running'));
    assert.ok(world.farm.reads.length <= 12, String(world.farm.reads.length));
    assert.equal(world.farm.most, 1);
    await world.clock.advance(5000);
    const after = world.farm.reads.length;
    await world.clock.advance(60_000);
    assert.equal(world.farm.reads.length, after);
  });

  it('ends when its asker leaves, and when the gateway shuts down', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.farm.put(7, 'Running');
    const gone = new AbortController();
    const leaving = watch.look({ ...askOf('7', { waitMs: 50_000 }), leaving: gone.signal });
    const staying = watch.look(askOf('7', { waitMs: 50_000 }));
    await world.clock.advance(1500);
    gone.abort();
    assert.equal((await leaving).end, 'left');
    watch.drain();
    assert.equal((await staying).end, 'draining');
    const late = watch.look(askOf('7', { waitMs: 50_000 }));
    await world.clock.advance(1500);
    assert.equal((await late).end, 'draining');
  });

  it('is refused when one person has too many', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.farm.put(7, 'Running');
    const waits = Array.from({ length: 3 }, () => watch.look(askOf('7', { waitMs: 2000 })));
    await assert.rejects(watch.look(askOf('7', { waitMs: 2000 })), isCode('GW_RATE_LIMITED'));
    await world.clock.advance(4000);
    await Promise.all(waits);
    const again = watch.look(askOf('7', { waitMs: 2000 }));
    await world.clock.advance(4000);
    assert.equal((await again).end, 'time');
  });

  it('for the job of another is for operators only', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.farm.put(8, 'Running', 'bob');
    const refused = assert.rejects(watch.look(askOf('8')), isCode('GW_NOT_FOUND'));
    await world.clock.advance(2000);
    await refused;
    const identity = personOf('olga', ['operator']);
    const waiting = watch.look(askOf('8', { waitMs: 20_000, identity, until: 'final' }));
    await world.clock.advance(3000);
    world.farm.put(8, 'Done', 'bob');
    await world.clock.advance(3000);
    const { job, end } = await waiting;
    assert.deepEqual([job.user, job.state, end], ['bob', 'done', 'wanted']);
  });

  it('fails as vovserver does when nothing is known, and goes on through a failure when something is', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.farm.mood = 'away';
    const early = assert.rejects(watch.look(askOf('7', { waitMs: 5000 })), isCode('GW_UPSTREAM_DOWN'));
    await world.clock.advance(5000);
    await early;
    world.farm.mood = 'ok';
    world.farm.put(7, 'Running');
    const waiting = watch.look(askOf('7', { waitMs: 50_000, until: 'final' }));
    await world.clock.advance(20_000);
    world.farm.mood = 'nonsense';
    await world.clock.advance(3000);
    world.farm.put(7, 'Done');
    world.farm.mood = 'ok';
    await world.clock.advance(20_000);
    const { job, end } = await waiting;
    assert.deepEqual([job.state, end], ['done', 'wanted']);
  });

  it('looks single jobs up together', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    for (let id = 1; id <= 300; id++) world.farm.put(id, 'Done');
    const looks = Array.from({ length: 300 }, (_, at) => watch.look(askOf(String(at + 1))));
    await world.clock.advance(5000);
    const answers = await Promise.all(looks);
    assert.deepEqual(
      answers.map(({ job }) => job.jobId),
      Array.from({ length: 300 }, (_, at) => String(at + 1)),
    );
    assert.equal(world.farm.reads.length, 2, '200 ids in one question');
    assert.equal(world.farm.most, 1);
  });

  it('tells who asks of a forgotten job what was seen last', async () => {
    const world = createWatchWorld();
    const { watch } = world.join('a');
    world.submitters.set('9', 'local:alice');
    const looking = watch.look(askOf('9'));
    await world.clock.advance(1000);
    const { job } = await looking;
    assert.deepEqual([job.status, job.state, job.seenAt], ['Done', 'done', 5]);
  });
});

describe('the news of jobs', () => {
  it('hold every change that was seen once, with the jobs that began and ended between two looks', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    world.farm.put(1, 'Running');
    world.farm.put(2, 'Running', 'bob');
    const told = await replica.follow();
    assert.deepEqual([told.begun, text(told)], [['new'], []]);
    world.farm.put(1, 'Done');
    world.farm.put(3, 'Done');
    world.farm.put(4, 'Done', 'bob');
    await world.clock.advance(3000);
    assert.deepEqual(text(told).sort(), ['1 done', '3 done']);
    assert.deepEqual(replica.saw.sort(), ['1 Done', '3 Done']);
    assert.equal(new Set(told.ids).size, 2);
    world.farm.put(1, 'Queued');
    await world.clock.advance(1000);
    assert.deepEqual(text(told).slice(2), ['1 queued'], 'it runs again');
  });

  it('tell of a job that vovserver has forgotten, and of one that left without an end', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    for (const id of [1, 2]) world.farm.put(id, 'Running');
    const told = await replica.follow();
    world.farm.jobs.delete(1);
    // Its end lies before what is asked for.
    world.farm.jobs.set(2, { id: 2, user: 'alice', status: 'Failed', ended: 1 });
    await world.clock.advance(2000);
    assert.deepEqual(text(told).sort(), ['1 forgotten', '2 failed']);
    assert.deepEqual([replica.forgotten, new Set(replica.saw)], [['1'], new Set(['2 Failed'])]);
    const failed = told.jobs.find(({ jobId }) => jobId === '2');
    assert.deepEqual([failed?.exit, failed?.host], [1, 'farm1']);
  });

  it('are had with the plain fields when vovserver has no others', async () => {
    const world = createWatchWorld();
    world.farm.mood = 'plain';
    const replica = world.join('a');
    world.farm.put(1, 'Running');
    const told = await replica.follow();
    world.farm.put(1, 'Done');
    await world.clock.advance(2000);
    assert.deepEqual(text(told), ['1 done']);
    assert.deepEqual([told.jobs[0]?.exit, told.jobs[0]?.ended], [null, 0]);
  });

  it('go on where a reader left, also after nobody had been watching', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    world.farm.put(1, 'Running');
    const first = await replica.follow();
    world.farm.put(2, 'Running');
    await world.clock.advance(1000);
    first.stop();
    world.farm.put(1, 'Done');
    await world.clock.advance(60_000);
    const second = await replica.follow(first.last);
    await world.clock.advance(1000);
    assert.deepEqual([second.begun, text(second)], [['resumed'], ['1 done']]);
    const third = await replica.follow('never.heard-1');
    assert.deepEqual([third.begun, text(third)], [['reset'], []]);
  });

  it('that were seen right before a reader came are not told to it again', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    world.farm.put(1, 'Queued');
    const early = await replica.follow();
    const { promise, resolve } = Promise.withResolvers<void>();
    replica.kv.held = promise;
    world.farm.put(1, 'Running');
    await world.clock.advance(1000);
    assert.deepEqual(text(early), [], 'the others are told first');
    const late = await replica.follow();
    replica.kv.held = null;
    resolve();
    await world.clock.advance(500);
    assert.deepEqual([text(early), text(late)], [['1 running'], []]);
    assert.equal(late.last, early.last);
    world.farm.put(1, 'Done');
    await world.clock.advance(2000);
    assert.deepEqual([text(early), text(late)], [['1 running', '1 done'], ['1 done']]);
  });

  it('of a shared account are of whoever submitted the job', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    const shared = { queue: 'test', name: 'svc', shared: true };
    const told = await replica.follow(null, shared);
    world.submitters.set('1', 'local:svc');
    world.submitters.set('2', 'local:other');
    for (const id of [1, 2, 3]) world.farm.put(id, 'Running', 'svc');
    await world.clock.advance(3000);
    assert.deepEqual(text(told), ['1 running']);
  });

  it('end with the gateway', async () => {
    const world = createWatchWorld();
    const replica = world.join('a');
    const told = await replica.follow();
    replica.watch.drain();
    assert.equal(told.ended, true);
    await assert.rejects(replica.follow(), isCode('GW_DRAINING'));
    await replica.watch[Symbol.asyncDispose]();
  });
});

describe('several replicas', () => {
  const crowd = async (
    world: ReturnType<typeof createWatchWorld>,
    replicas: readonly WatchReplica[],
  ): Promise<Told[]> => {
    const told: Told[] = [];
    for (const replica of replicas) {
      const following = replica.follow();
      await world.clock.advance(1000);
      told.push(await following);
    }
    return told;
  };

  it('look as one, and tell the same under the same names', async () => {
    const world = createWatchWorld();
    world.farm.put(1, 'Running');
    const told = await crowd(world, [world.join('a'), world.join('b'), world.join('c')]);
    const before = world.farm.reads.length;
    world.farm.put(2, 'Queued');
    await world.clock.advance(5000);
    world.farm.put(1, 'Done');
    await world.clock.advance(5000);
    assert.ok(world.farm.reads.length - before <= 11, String(world.farm.reads.length - before));
    for (const one of told) assert.deepEqual(text(one), ['2 queued', '1 done']);
    assert.deepEqual(told[1]?.ids, told[0]?.ids);
    assert.deepEqual(told[2]?.ids, told[0]?.ids);
  });

  it('take over from one that goes, and from one that dies, and lose nothing', async () => {
    const world = createWatchWorld();
    world.farm.put(1, 'Running');
    const replicas = [world.join('a'), world.join('b'), world.join('c')] as const;
    const [first, second, third] = await crowd(world, replicas);
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    await replicas[0].watch[Symbol.asyncDispose]();
    world.farm.put(1, 'Suspended');
    await world.clock.advance(3000);
    assert.deepEqual([text(second), text(third)], [['1 suspended'], ['1 suspended']]);
    // The one that looks now falls silent; which of both it is, the other takes over.
    for (const silent of [replicas[1], replicas[2]]) silent.kv.cut = silent === replicas[1];
    world.farm.put(1, 'Done');
    await world.clock.advance(12_000);
    assert.deepEqual(text(third), ['1 suspended', '1 done']);
    // Without the store a replica looks for itself.
    assert.deepEqual(text(second), ['1 suspended', '1 done']);
    replicas[1].kv.cut = false;
    world.farm.put(2, 'Running');
    await world.clock.advance(12_000);
    for (const one of [second, third]) assert.deepEqual(text(one), ['1 suspended', '1 done', '2 running']);
    // Who left either of both goes on at the other.
    second.stop();
    third.stop();
    world.farm.put(2, 'Done');
    const again = replicas[2].follow(third.last);
    await world.clock.advance(3000);
    assert.deepEqual(text(await again), ['2 done']);
  });
});
