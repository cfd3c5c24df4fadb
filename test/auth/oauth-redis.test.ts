import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { COUNT_PENDING } from '../../src/auth/oauth/pending-script.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { begin, createOAuthWorld, type OAuthWorld, person, poll } from './oauth-world.ts';

const ALICE = person('alice');

describe('device logins on real Redis', () => {
  let redis: RedisProcess;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis[Symbol.asyncDispose]());

  /** Three replicas on one Redis; their clock stands still, so that every second poll is too early. */
  const replicas = async (): Promise<OAuthWorld> => {
    const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('Redis answers', async () => {
      await kv.ping();
      return true;
    });
    return createOAuthWorld({ replicas: 3, kv, clock: createManualClock(Date.now()) });
  };
  const all = <T>(world: OAuthWorld, times: number, call: (replica: OAuthWorld['replicas'][number]) => Promise<T>) =>
    Promise.all(Array.from({ length: times }, (_, n) => world.replicas[n % 3]).flatMap((r) => (r ? [call(r)] : [])));

  it('hand one token to many polls at once', async () => {
    await using world = await replicas();
    const [first] = world.replicas;
    assert.ok(first);
    world.people.set(ALICE.subject, ALICE);
    for (let round = 0; round < 10; round++) {
      const { deviceCode, userCode } = await begin(first);
      await first.devices.decide(userCode, 'approve', ALICE);
      const answers = await all(world, 9, (replica) => poll(replica, deviceCode));
      const won = answers.filter(({ status }) => status === 200);
      assert.equal(won.length, 1);
      const errors = new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body.error));
      assert.deepEqual([...errors], ['invalid_grant']);
      assert.equal((await first.tokens.list('alice')).length, round + 1);
    }
  });

  it('let one of many decisions win, with polls between them', async () => {
    await using world = await replicas();
    const [first] = world.replicas;
    assert.ok(first);
    const { deviceCode, userCode } = await begin(first);
    const [decisions] = await Promise.all([
      all(world, 6, (replica) => replica.devices.decide(userCode, 'approve', ALICE)),
      all(world, 3, (replica) => poll(replica, deviceCode)),
    ]);
    assert.equal(decisions.filter(Boolean).length, 1);
  });

  it('are counted alike by Redis and in memory while they wait', async () => {
    const clock = createManualClock(1_700_000_000_000);
    await using memory = createMemoryKeyValue({ clock });
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('Redis answers', () => kv.ping().then(() => true));
    const start = clock.now();
    const step = fc.record({ end: fc.integer({ min: 0, max: 4 }), by: fc.constantFrom(1, 1, -1), pass: fc.boolean() });
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const key = `device-pending:{round-${round++}}`;
        let now = start;
        const live: number[] = [];
        for (const { end, by, pass } of steps) {
          if (pass) now += 5000;
          const ends = start + 10_000 * (end + 1);
          const args = [ends, by, now, 3];
          const answers = [await memory.run(COUNT_PENDING, [key], args), await kv.run(COUNT_PENDING, [key], args)];
          assert.deepEqual(answers[0], answers[1]);
          live.splice(0, live.length, ...live.filter((one) => one > now));
          assert.equal(answers[0]?.[0], by > 0 && live.length >= 3 ? 0 : 1);
          if (by < 0 && live.includes(ends)) live.splice(live.indexOf(ends), 1);
          if (by > 0 && live.length < 3 && ends > now) live.push(ends);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('know early polls on whichever replica', async () => {
    await using world = await replicas();
    const [first, second, third] = world.replicas;
    assert.ok(first && second && third);
    const { deviceCode } = await begin(first);
    assert.equal((await poll(second, deviceCode)).body.error, 'authorization_pending');
    assert.equal((await poll(third, deviceCode)).body.error, 'slow_down');
    const answers = await all(world, 6, (replica) => poll(replica, deviceCode));
    assert.deepEqual(new Set(answers.map(({ body }) => body.error)), new Set(['slow_down']));
  });

  it('leave nothing in Redis for ever', async () => {
    await using world = await replicas();
    const [first] = world.replicas;
    assert.ok(first);
    const { deviceCode, userCode } = await begin(first);
    await first.devices.find('BCDF-GHJK', ALICE);
    await poll(first, deviceCode);
    await first.devices.decide(userCode, 'deny', ALICE);
    await poll(first, deviceCode);
    const keys = (await redis.command('KEYS', '*device*')) as string[];
    assert.ok(keys.length >= 3);
    for (const key of keys) assert.ok(Number(await redis.command('PTTL', key)) > 0, key);
  });
});
