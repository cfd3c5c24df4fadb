import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COUNT_MADE } from '../../src/auth/made-script.ts';
import { systemClock, type TokenScope } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { localIdentity } from '../world/identities.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { createAuthWorld, refusalOf } from './auth-world.ts';

const DAY = 86_400_000;
const wish = (user: string, subject?: string) => ({
  user,
  label: 'made',
  scopes: ['read'] as TokenScope[],
  lifeMs: DAY,
  ...(subject === undefined ? {} : { subject }),
});

function twoReplicas() {
  const world = createAuthWorld(2);
  const [one, two] = world.replicas;
  assert.ok(one && two);
  return { world, one, two };
}

describe('how many tokens one person may make', () => {
  it('is 200 that live, over all replicas and at once; others are not concerned', async () => {
    const { world, one, two } = twoReplicas();
    await using _ = world;
    const mine = wish('alice', 'corp:1');
    const made = await Promise.allSettled(Array.from({ length: 230 }, (_, at) => (at % 2 ? one : two).create(mine)));
    assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 200);
    const refused = await refusalOf(() => one.create(mine));
    assert.equal(refused.code, 'GW_BAD_REQUEST');
    assert.match(refused.detail, /200 live access tokens .*revoke those that are not used/);
    await one.create(wish('bob', 'corp:2'));
    await one.create(wish('alice'));
    const [first] = await one.list('corp:1');
    assert.equal(await two.revoke(first?.id ?? ''), true);
    await one.create(mine);
    assert.equal((await refusalOf(() => one.create(mine))).code, 'GW_BAD_REQUEST');
    await world.clock.advance(DAY);
    await one.create(mine);
  });

  it('counts no token that could not be kept', async () => {
    const { world, one } = twoReplicas();
    await using _ = world;
    const { set } = world.store;
    world.store.set = () => Promise.reject(new Error('full'));
    for (let n = 0; n < 200; n++) await assert.rejects(one.create(wish('alice')), /full/);
    world.store.set = set;
    await one.create(wish('alice'));
  });

  it('is counted alike by Redis and in memory', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('Redis answers', () => kv.ping().then(() => true));
    await using memory = createMemoryKeyValue({ clock: createManualClock(0) });
    const key = 'tokens:made:{x}';
    const steps = [
      ['a', 100, 1, 2, 1],
      ['b', 50, 1, 2, 1],
      ['c', 100, 1, 2, 0],
      ['c', 100, 50, 2, 1],
      ['d', 100, 50, 2, 0],
      ['a', 0, 50, 0, 1],
      ['d', 100, 50, 2, 1],
      ['c', 0, 50, 0, 1],
      ['d', 0, 50, 0, 1],
    ] as const;
    for (const [id, ends, now, cap, free] of steps) {
      const args = [id, ends * 10_000, now * 10_000, cap];
      assert.deepEqual(await kv.run(COUNT_MADE, [key], args), [free]);
      assert.deepEqual(await memory.run(COUNT_MADE, [key], args), [free]);
      assert.equal(await kv.get(key), await memory.get(key));
    }
    assert.equal(await kv.get(key), null);
  });
});

describe('a page of tokens', () => {
  it('shows the latest first, and reads no record that it does not show', async () => {
    const { world, one } = twoReplicas();
    await using _ = world;
    for (let n = 0; n < 25; n++) {
      await one.create({ ...wish(`user-${n}`), label: `made ${n}` });
      await world.clock.advance(1);
    }
    world.store.calls.length = 0;
    const second = await one.page(1, 10);
    const labels = second.tokens.map(({ label }) => label);
    assert.deepEqual(
      labels,
      Array.from({ length: 10 }, (_, at) => `made ${14 - at}`),
    );
    assert.equal(second.pages, 3);
    assert.equal(world.store.calls.filter((call) => /^get token:\{[^}]+\}$/.test(call)).length, 10);
    assert.deepEqual(
      (await one.page(0, 10, 'user-3')).tokens.map(({ label }) => label),
      ['made 3'],
    );
    assert.deepEqual((await one.page(3, 10)).tokens, []);
  });

  it('shows the latest twenty that were derived of a token, and says how many more there are', async () => {
    const { world, one } = twoReplicas();
    await using _ = world;
    const { token, info } = await one.create(wish('alice'));
    for (let n = 0; n < 23; n++) await one.derive(token.reveal(), ({ user }) => user === 'alice', 1000);
    const { tokens, more } = await one.page(0, 10);
    assert.deepEqual([tokens.length, more, tokens[0]?.id], [21, 3, info.id]);
  });

  it('has what people got by a password after what was made', async () => {
    const { world, one } = twoReplicas();
    await using _ = world;
    await one.create(wish('alice'));
    await one.admit('bob', 'vnc', 1000);
    assert.deepEqual(
      (await one.page(0, 1)).tokens.map(({ user }) => user),
      ['alice'],
    );
    assert.deepEqual(
      (await one.page(1, 1)).tokens.map(({ user }) => user),
      ['bob'],
    );
    assert.deepEqual(
      (await one.page(0, 9, 'bob')).tokens.map(({ user }) => user),
      ['bob'],
    );
  });

  it('finds one token by its public id', async () => {
    const { world, one } = twoReplicas();
    await using _ = world;
    const { info } = await one.create(wish('alice'));
    assert.deepEqual(await one.find(info.id), { ...info, subject: localIdentity('alice').subject });
    assert.equal(await one.find('aaaaaaaaaaaa'), null);
    assert.equal(await one.find('../x'), null);
  });
});
