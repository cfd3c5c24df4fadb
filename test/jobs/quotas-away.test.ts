import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { GatewayError } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createLiveJobs, createQuotaActs, type LiveJobs, refusalOf } from './quotas-world.ts';

let clock: ReturnType<typeof createManualClock>;
let kv: KeyValue;
let vov: LiveJobs;
let broken = false;
let guarded: KeyValue;
const { join, take, makeJob } = createQuotaActs(() => ({ clock, kv, vov }));

beforeEach(() => {
  broken = false;
  clock = createManualClock();
  kv = createMemoryKeyValue({ clock });
  vov = createLiveJobs();
  const { run } = kv;
  guarded = {
    ...kv,
    run: async (...args) => {
      if (broken) throw new StoreUnavailable('test');
      return run(...args);
    },
  };
});

describe('quotas while the store is away', () => {
  const away = (): KeyValue => ({
    ...kv,
    run: async () => {
      throw new StoreUnavailable('test');
    },
    get: async () => {
      throw new StoreUnavailable('test');
    },
  });

  it('give each replica its share, neither all nor nothing', async () => {
    const replicas = Array.from({ length: 3 }, () => join([{ submissionsPerMinute: 30 }], away(), 3));
    for (const replica of replicas) {
      const got: ('taken' | GatewayError)[] = [];
      for (let at = 0; at < 20; at += 1) got.push(await take(replica, 'alice'));
      assert.equal(got.filter((one) => one === 'taken').length, 10);
      assert.match(refusalOf(got.at(-1) ?? assert.fail()).detail, /30 submissions of this minute/);
      assert.ok(replica.decisions.includes('quota-q denied local'));
    }
  });

  it('give a share of what was left of the minute and the day, and the time after which there is more', async () => {
    const quotas = [
      { submissionsPerMinute: 30 },
      { name: 'd', groups: ['g'], per: 'group', submissionsPerDay: 60 },
    ] as const;
    const replicas = Array.from({ length: 3 }, () =>
      join(
        quotas.map((one) => ({ ...one, groups: [...('groups' in one ? one.groups : [])] })),
        guarded,
        3,
      ),
    );
    const first = replicas[0] ?? assert.fail();
    const takeAll = async (): Promise<number[]> => {
      const counts: number[] = [];
      for (const replica of replicas) {
        let count = 0;
        while (count < 40 && (await take(replica, 'alice', 'g')) === 'taken') count += 1;
        counts.push(count);
      }
      return counts;
    };
    // All but six are used, and every replica has heard of nearly all of them.
    for (let at = 0; at < 24; at += 1) assert.equal(await take(replicas[at % 3] ?? first, 'alice', 'g'), 'taken');
    broken = true;
    assert.deepEqual(await takeAll(), [2, 2, 2]);
    const refused = refusalOf(await take(first, 'alice', 'g'));
    assert.match(refused.detail, /30 of your 30 submissions of this minute/);
    await clock.advance(61_000);
    // The minute is new; of the day 36 were left, and 6 of them are used.
    assert.deepEqual(await takeAll(), [10, 10, 10]);
    await clock.advance(61_000);
    assert.deepEqual(await takeAll(), [0, 0, 0]);
    assert.match(
      refusalOf(await take(first, 'alice', 'g')).detail,
      /60 of the group g’s 60 submissions of these 24 hours/,
    );
  });

  it('give nothing where nothing was left, and say until when', async () => {
    const replica = join([{ submissionsPerMinute: 3 }], guarded, 3);
    for (let at = 0; at < 3; at += 1) assert.equal(await take(replica, 'alice'), 'taken');
    broken = true;
    await clock.advance(20_000);
    const { retryAfter } = refusalOf(await take(replica, 'alice'));
    assert.ok(retryAfter !== undefined && retryAfter <= 41, String(retryAfter));
    clock.step(3_600_000);
    await clock.advance(retryAfter * 1000 - 1000);
    refusalOf(await take(replica, 'alice'));
    await clock.advance(1000);
    assert.equal(await take(replica, 'alice'), 'taken');
  });

  it('count live jobs from the last known ones on, and in the store again when it is back', async () => {
    const replica = join([{ liveJobs: 3 }], guarded);
    assert.equal(await makeJob(replica, 1), 'taken');
    broken = true;
    for (const [jobId, expected] of [
      [2, true],
      [3, true],
      [4, false],
    ] as const) {
      assert.equal((await makeJob(replica, jobId)) === 'taken', expected, String(jobId));
    }
    broken = false;
    vov.answers = false;
    await clock.advance(10_000);
    refusalOf(await makeJob(replica, 5));
    replica.quotas.finished('test', 'local:alice', '2');
    await clock.advance(0);
    assert.equal(await makeJob(replica, 6), 'taken');
  });
});
