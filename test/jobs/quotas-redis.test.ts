import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { callerOf, createLiveJobs, createQuotaReplica, type Quota, quotaOf, tryReserve } from './quotas-world.ts';

describe('quotas of three replicas on one Redis', () => {
  let redis: RedisProcess;
  const stores: KeyValue[] = [];
  before(async () => {
    redis = await startRedis({ appendOnly: true });
    // A machine under load must not make Redis look as if it were away: then each replica would give its share.
    const config = redis.config({ commandTimeout: 10_000 });
    for (let at = 0; at < 3; at += 1) stores.push(createRedisKeyValue(config, { clock: systemClock }));
    for (const store of stores) await store.ping();
  });
  after(async () => {
    for (const store of stores) await store[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });
  const join = (...list: Partial<Quota>[]) =>
    stores.map((store) => createQuotaReplica(store, systemClock, list.map(quotaOf), 3));
  let ids = 0;
  const nextId = (): string => `redis${++ids}`;

  it('give exactly what there is, to many at once', async () => {
    const replicas = join({ submissionsPerDay: 70 }, { name: 'live', liveJobs: 40 });
    const vov = createLiveJobs();
    const all = await Promise.all(
      Array.from({ length: 400 }, (_, at) => {
        const replica = replicas[at % 3] ?? assert.fail();
        return tryReserve(replica, callerOf(at % 2 === 0 ? 'ann' : 'ben'), nextId(), vov.way);
      }),
    );
    const taken = (rest: number): number => all.filter((got, at) => at % 2 === rest && got === 'taken').length;
    assert.deepEqual([taken(0), taken(1)], [40, 40]);
    const decided = replicas.flatMap(({ decisions }) => decisions);
    assert.ok(decided.length > 0 && decided.every((one) => one.endsWith(' store')));
  });

  it('are given back and taken up in any order, and survive a restart of Redis', async () => {
    const replicas = join({ submissionsPerDay: 20, per: 'group', groups: ['lab'] });
    const vov = createLiveJobs();
    const caller = callerOf('cid', 'lab');
    const mine = Array.from({ length: 20 }, nextId);
    await Promise.all(
      mine.map(async (id, at) => {
        const { quotas } = replicas[at % 3] ?? assert.fail();
        await quotas.reserve(caller, id, vov.way);
        await (at % 4 === 0 ? quotas.cancel(caller, id) : quotas.commit(caller, id, String(9000 + at)));
      }),
    );
    await redis.stop();
    await redis.start();
    await eventually('all stores are back', () => stores.every((store) => store.state() === 'up'));
    let more = 0;
    const [one = assert.fail()] = replicas;
    while ((await tryReserve(one, callerOf('dan', 'lab'), nextId(), vov.way)) === 'taken') more += 1;
    assert.equal(more, 5);
    assert.equal(one.decisions.at(-1), 'quota-q denied store');
  });

  it('write neither users nor groups nor job ids of people in clear', async () => {
    const replicas = join({ submissionsPerDay: 20, liveJobs: 9, per: 'group', groups: ['secretgroup'] });
    const vov = createLiveJobs();
    await replicas[0]?.quotas.reserve(callerOf('secretuser', 'secretgroup'), nextId(), vov.way);
    const keys = (await redis.command('KEYS', '*')) as string[];
    const values = await Promise.all(keys.map((key) => redis.command('GET', key).catch(() => '')));
    assert.ok(keys.length > 4);
    assert.doesNotMatch(`${keys.join(' ')} ${values.join(' ')}`, /secret(?:user|group)/);
  });
});
