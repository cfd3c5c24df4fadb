import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Origin } from '../../src/jobs/index.ts';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { createReplica, DAY, jobsConfig } from './jobs-world.ts';
import { createMortal } from './mortal.ts';

const originOf = (now: number, changes: Partial<Origin> = {}): Origin => ({
  queue: 'test',
  epoch: 'vov1:6330',
  jobId: '45080',
  subject: 'corp:7',
  user: 'alice',
  account: 'alice',
  tokenId: 't1',
  tokenLabel: 'laptop',
  address: '192.0.2.1',
  requestId: 'request-1',
  key: 'k',
  submittedAt: now,
  lastSeen: null,
  ...changes,
});

function rigOn(kv: KeyValue) {
  const clock = createManualClock();
  const mortal = createMortal(kv);
  return { clock, mortal, kv, ...createReplica(mortal.kv, clock, () => jobsConfig({ originLife: DAY })) };
}

function suite(open: () => Promise<KeyValue>): void {
  it('tells who submitted a job, by any spelling of its number', async () => {
    await using kv = await open();
    const { origins, clock } = rigOn(kv);
    const origin = originOf(clock.now(), { jobId: '000045080' });
    await origins.record(origin);
    for (const id of ['45080', '000045080', '45080/']) {
      assert.deepEqual(await origins.find('test', id), { ...origin, jobId: '45080' });
    }
    for (const [queue, id] of [
      ['other', '45080'],
      ['test', '45081'],
      ['test', '*'],
      ['test', ''],
    ] as const) {
      assert.equal(await origins.find(queue, id), null);
    }
  });

  it('gives the latest job of a number that began anew', async () => {
    await using kv = await open();
    const { origins, clock } = rigOn(kv);
    await origins.record(originOf(clock.now(), { jobId: '7' }));
    await origins.record(originOf(clock.now(), { jobId: '7', epoch: 'vov2:6330', user: 'bob' }));
    assert.equal((await origins.find('test', '7'))?.user, 'bob');
  });

  it('keeps what a job was last seen as, written once for each change', async () => {
    await using kv = await open();
    const { origins, clock } = rigOn(kv);
    await origins.record(originOf(clock.now(), { jobId: '8' }));
    for (const status of ['Queued', 'Running', 'Running', 'Done']) origins.saw('test', '000000008', status);
    const seen = await eventually('it was seen', async () => {
      const found = await origins.find('test', '8');
      return found?.lastSeen?.status === 'Done' ? found.lastSeen : null;
    });
    assert.equal(seen.at, clock.now());
    origins.saw('test', '9', 'Done');
    origins.saw('test', 'x', 'Done');
    assert.equal(await origins.find('test', '9'), null);
  });
}

describe('origins in memory', () => {
  suite(async () => createMemoryKeyValue({ clock: systemClock }));

  it('ends with its life, counted from the submission, also when it was seen later', async () => {
    const clock = createManualClock();
    await using kv = createMemoryKeyValue({ clock });
    const { origins } = createReplica(kv, clock, () => jobsConfig({ originLife: DAY }));
    await origins.record(originOf(clock.now()));
    await clock.advance(DAY / 2);
    origins.saw('test', '45080', 'Done');
    await clock.advance(DAY / 2 - 1);
    assert.equal((await origins.find('test', '45080'))?.lastSeen?.status, 'Done');
    await clock.advance(2);
    assert.equal(await origins.find('test', '45080'), null);
  });

  it('writes an origin later when the store was away, and refuses to guess meanwhile', async () => {
    await using kv = createMemoryKeyValue({ clock: systemClock });
    const { origins, mortal, clock } = rigOn(kv);
    mortal.loseStore(1, 2, false);
    await origins.record(originOf(clock.now()));
    await assert.rejects(
      origins.find('test', '45080'),
      (error) => error instanceof GatewayError && error.code === 'GW_STORE_UNAVAILABLE',
    );
    assert.equal(await origins.find('test', '45080'), null);
    await clock.advance(1000);
    assert.equal((await origins.find('test', '45080'))?.user, 'alice');
  });

  it('does not hide a newer job of the same number by a late write', async () => {
    await using kv = createMemoryKeyValue({ clock: systemClock });
    const { origins, mortal, clock } = rigOn(kv);
    mortal.loseStore(1, 1, false);
    await origins.record(originOf(clock.now()));
    await clock.advance(100);
    await origins.record({ ...originOf(clock.now()), user: 'bob', epoch: 'another' });
    await clock.advance(10_000);
    assert.equal((await origins.find('test', '45080'))?.user, 'bob');
  });

  it('leaves an origin in a log line when the store does not come back', async () => {
    await using kv = createMemoryKeyValue({ clock: systemClock });
    const { origins, mortal, log, clock } = rigOn(kv);
    mortal.loseStore(1, 1000, false);
    await origins.record(originOf(clock.now()));
    assert.match(log.join('\n'), /origin_later.*"user":"alice".*job 45080/);
    await clock.advance(1_800_000);
    assert.doesNotMatch(log.join('\n'), /origin_lost/);
    await clock.advance(2_400_000);
    assert.match(log.join('\n'), /origin_lost.*"user":"alice".*job 45080/);
  });

  it('writes a state again after a failure, when it is seen again', async () => {
    await using kv = createMemoryKeyValue({ clock: systemClock });
    const { origins, mortal, clock } = rigOn(kv);
    await origins.record(originOf(clock.now()));
    mortal.loseStore(1, 1, false);
    origins.saw('test', '45080', 'Done');
    await eventually('it is written', async () => {
      origins.saw('test', '45080', 'Done');
      return (await kv.get('x')) === null && (await origins.find('test', '45080'))?.lastSeen?.status === 'Done';
    });
  });

  it('shows nothing of it in the store', async () => {
    const written: string[] = [];
    await using store = createMemoryKeyValue({ clock: systemClock });
    const kv: KeyValue = {
      ...store,
      set: (...args) => {
        written.push(String(args[0]), args[1]);
        return store.set(...args);
      },
    };
    const { origins, clock } = rigOn(kv);
    await origins.record(originOf(clock.now()));
    assert.equal(written.length, 2);
    assert.doesNotMatch(written.join('\n'), /alice|45080|laptop|192\.0\.2/);
  });
});

describe('origins in Redis', () => {
  let redis: RedisProcess;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis[Symbol.asyncDispose]());
  suite(async () => {
    await redis.command('FLUSHALL');
    const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('Redis is up', () => kv.state() === 'up');
    return kv;
  });
});
