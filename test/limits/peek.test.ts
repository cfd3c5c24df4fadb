import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Identity, systemClock } from '../../src/kernel/index.ts';
import type { Limiter } from '../../src/limits/index.ts';
import { createLimiter } from '../../src/limits/index.ts';
import { createRedisKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { localIdentity } from '../world/identities.ts';
import { startRedis } from '../world/redis.ts';
import { ALICE, createLimitsWorld } from './limits-world.ts';

const BOB = localIdentity('bob', ['batch']);
const ALL = { requests: 100, window: 1_000_000 };
const SUBMIT = { requests: 5, window: 50_000 };

const leftOf = async (limiter: Limiter, identity: Identity = ALICE): Promise<Record<string, number>> =>
  Object.fromEntries((await limiter.peek(identity)).map(({ name, remaining }) => [name, remaining]));

describe('what is left of the limits', () => {
  it('is the whole quota of every policy for somebody who has not called yet', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: ALL, submit: SUBMIT } } });
    assert.deepEqual(await world.limiter.peek(ALICE), [
      { name: 'identity', quota: 100, windowSeconds: 1000, remaining: 100, resetSeconds: 0 },
      { name: 'identity-submit', quota: 5, windowSeconds: 50, remaining: 5, resetSeconds: 0 },
    ]);
  });

  it('counts the calls of all replicas and takes nothing itself', async () => {
    await using world = await createLimitsWorld({
      limits: { identity: { all: ALL, submit: SUBMIT } },
      limiters: 2,
    });
    const [one, two] = world.limiters;
    assert.ok(one && two);
    for (let i = 0; i < 3; i += 1) await one.admitIdentity(ALICE, 'submit');
    await two.admitIdentity(ALICE, 'submit');
    await two.admitIdentity(ALICE, 'read');
    for (let look = 0; look < 50; look += 1) {
      for (const limiter of world.limiters) {
        assert.deepEqual(await leftOf(limiter), { identity: 95, 'identity-submit': 1 });
      }
    }
    assert.equal((await one.admitIdentity(ALICE, 'submit')).allowed, true, 'the last one was still there');
    assert.deepEqual(await leftOf(two), { identity: 94, 'identity-submit': 0 });
    assert.deepEqual(await leftOf(two, BOB), { identity: 100, 'identity-submit': 5 }, 'each has its own');
  });

  it('comes back with time, and says when it is whole', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { submit: SUBMIT } } });
    assert.equal(await world.call(7, ALICE, 'submit'), 5);
    const [empty] = await world.limiter.peek(ALICE);
    assert.deepEqual([empty?.name, empty?.remaining, empty?.resetSeconds], ['identity-submit', 0, 50]);
    await world.clock.advance(20_000);
    const [later] = await world.limiter.peek(ALICE);
    assert.deepEqual([later?.remaining, later?.resetSeconds], [2, 30]);
  });

  it('is measured by the group that holds for the identity', async () => {
    await using world = await createLimitsWorld({
      limits: { identity: { all: ALL }, groups: { batch: { list: { requests: 7, window: 60_000 } } } },
    });
    assert.deepEqual(await leftOf(world.limiter, BOB), { 'group-batch-list': 7 });
    assert.deepEqual(await leftOf(world.limiter, ALICE), { identity: 100 });
  });

  it('is empty where there are no limits, and where they are off', async () => {
    await using world = await createLimitsWorld({ limits: { identity: {} } });
    assert.deepEqual(await world.limiter.peek(ALICE), []);
    world.state.limits = { ...world.state.limits, mode: 'off', identity: { all: ALL } };
    assert.deepEqual(await world.limiter.peek(ALICE), []);
    world.state.limits = { ...world.state.limits, mode: 'observe' };
    assert.deepEqual(await leftOf(world.limiter), { identity: 100 }, 'observed limits are shown');
  });

  it('counts units that this replica has leased and not used', async () => {
    const all = { requests: 1000, window: 10_000_000 };
    await using world = await createLimitsWorld({ limits: { identity: { all } } });
    let used = 0;
    for (let tick = 0; tick < 20; tick += 1) {
      used += await world.call(10);
      await world.clock.advance(20);
      assert.equal((await leftOf(world.limiter)).identity, 1000 - used);
    }
    assert.ok(
      world.decisions.some((decision) => decision.endsWith('lease')),
      'some calls were leased',
    );
  });

  it('shows this replica’s share while the store is away, without asking it', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: ALL } }, replicas: 4 });
    world.store.mode = 'down';
    const before = world.store.takes();
    assert.deepEqual(await leftOf(world.limiter), { identity: 25 });
    assert.equal(await world.call(10), 10);
    assert.deepEqual(await leftOf(world.limiter), { identity: 15 });
    assert.equal(world.store.takes(), before);
  });

  it('shows the share too when the store fails at the first look, and never throws', async () => {
    for (const mode of ['failing', 'broken'] as const) {
      await using world = await createLimitsWorld({ limits: { identity: { all: ALL, read: SUBMIT } }, replicas: 5 });
      world.store.mode = mode;
      assert.deepEqual(await leftOf(world.limiter), { identity: 20, 'identity-read': 1 });
    }
  });

  it('changes no decision, whatever is called and looked at in whatever order', async () => {
    const step = fc.record({
      cls: fc.constantFrom('read', 'list', 'submit', 'control'),
      calls: fc.integer({ min: 0, max: 12 }),
      wait: fc.integer({ min: 0, max: 2000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const limits = { identity: { all: { requests: 40, window: 40_000 }, list: { requests: 8, window: 16_000 } } };
        await using watched = await createLimitsWorld({ limits });
        await using alone = await createLimitsWorld({ limits });
        for (const { cls, calls, wait } of steps) {
          for (const { name, quota, remaining } of await watched.limiter.peek(ALICE)) {
            assert.ok(remaining >= 0 && remaining <= quota, `${name}: ${remaining} of ${quota}`);
          }
          assert.equal(await watched.call(calls, ALICE, cls), await alone.call(calls, ALICE, cls));
          await watched.clock.advance(wait);
          await alone.clock.advance(wait);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is the same on Redis', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await kv.ping();
    await using world = await createLimitsWorld();
    const limits = { ...world.state.limits, identity: { all: { requests: 50, window: 86_400_000 } } };
    const report = Object.assign(Object.create(null), { limit: () => undefined, log: { warn: assert.fail } });
    const start = (replicaId: string): Limiter =>
      createLimiter({ config: () => limits, kv, replicas: () => 2, report, clock: systemClock, replicaId });
    await using one = start('one');
    await using two = start('two');
    for (let call = 0; call < 3; call += 1) await one.admitIdentity(ALICE, 'read');
    // What the first replica leased ahead goes back by itself.
    await eventually('the lease is given back', async () => (await leftOf(two)).identity === 47);
    for (let look = 0; look < 5; look += 1) assert.deepEqual(await leftOf(two), { identity: 47 });
  });
});
