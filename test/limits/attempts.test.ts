import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rateLimitHeaders } from '../../src/limits/index.ts';
import { createLimitsWorld } from './limits-world.ts';

const LIMITS = { attempts: { requests: 3, window: 300_000 } };

describe('sign-in attempts', () => {
  it('looking takes nothing', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 20; i += 1) {
      const admission = await world.limiter.mayAttempt('192.0.2.1', 'tok');
      assert.deepEqual([admission.allowed, admission.policies.map((p) => p.remaining)], [true, [3, 3]]);
    }
  });

  it('block an address after its failures, for every token id, and tell when to come back', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (const id of ['a', 'b', 'c']) await world.limiter.attemptFailed('192.0.2.1', id);
    const blocked = await world.limiter.mayAttempt('192.0.2.1', 'd');
    assert.deepEqual([blocked.allowed, blocked.retryAfter], [false, 100]);
    assert.deepEqual(rateLimitHeaders(blocked), {
      'RateLimit-Policy': '"attempts-address";q=3;w=300, "attempts-token";q=3;w=300',
      RateLimit: '"attempts-address";r=0;t=300, "attempts-token";r=3;t=0',
      'Retry-After': '100',
    });
    assert.deepEqual(world.decisions.slice(-2), [
      'attempts-address login denied lease',
      'attempts-token login allowed store',
    ]);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', null)).allowed, false);
    assert.equal((await world.limiter.mayAttempt('192.0.2.2', 'a')).allowed, true);
    await world.clock.advance(100_000);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', 'd')).allowed, true);
  });

  it('block a token id from wherever it is tried', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (const last of [1, 2, 3]) await world.limiter.attemptFailed(`192.0.2.${last}`, 'tok');
    assert.equal((await world.limiter.mayAttempt('198.51.100.1', 'tok')).allowed, false);
    assert.equal((await world.limiter.mayAttempt('198.51.100.1', 'other')).allowed, true);
    assert.equal((await world.limiter.mayAttempt('198.51.100.1', null)).allowed, true);
  });

  it('count a /64 as one source', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (const last of [1, 2, 3]) await world.limiter.attemptFailed(`2001:db8::${last}`, null);
    assert.equal((await world.limiter.mayAttempt('2001:db8::ffff', null)).allowed, false);
  });

  it('are known to all replicas', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS, limiters: 3 });
    for (const limiter of world.limiters) await limiter.attemptFailed('192.0.2.1', 'tok');
    for (const limiter of world.limiters) {
      assert.equal((await limiter.mayAttempt('192.0.2.1', 'tok')).allowed, false);
    }
  });

  it('never fall below none: what comes after the limit does not lengthen the block', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 50; i += 1) await world.limiter.attemptFailed('192.0.2.1', null);
    await world.clock.advance(100_000);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', null)).allowed, true);
  });

  it('do not touch the address limit or an identity of the same text', async () => {
    await using world = await createLimitsWorld({ limits: { ...LIMITS, address: { requests: 3, window: 300_000 } } });
    for (let i = 0; i < 3; i += 1) await world.limiter.attemptFailed('192.0.2.1', '192.0.2.1');
    assert.equal((await world.limiter.admitAddress('192.0.2.1')).policies[0]?.remaining, 2);
    const identity = { subject: '192.0.2.1', user: 'x', groups: [] };
    assert.equal((await world.limiter.admitIdentity(identity, 'read')).policies[0]?.remaining, 599);
  });

  for (const mode of ['down', 'failing'] as const) {
    it(`are counted locally, by share, while the store is ${mode}`, async () => {
      await using world = await createLimitsWorld({
        limits: { attempts: { requests: 9, window: 90_000 } },
        replicas: 3,
      });
      world.store.mode = mode;
      const fresh = world.start('fresh');
      for (let i = 0; i < 2; i += 1) await fresh.attemptFailed('192.0.2.1', 'tok');
      assert.equal((await fresh.mayAttempt('192.0.2.1', 'tok')).allowed, true);
      await fresh.attemptFailed('192.0.2.1', 'tok');
      const blocked = await fresh.mayAttempt('192.0.2.1', 'tok');
      assert.deepEqual([blocked.allowed, blocked.retryAfter], [false, 30]);
      assert.equal(world.decisions.at(-1), 'attempts-token login denied local');
      await fresh[Symbol.asyncDispose]();
    });
  }

  it('stay blocked when the store goes away', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 3; i += 1) await world.limiter.attemptFailed('192.0.2.1', 'tok');
    world.store.mode = 'down';
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', 'tok')).allowed, false);
  });
});
