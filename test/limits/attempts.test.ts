import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rateLimitHeaders } from '../../src/limits/index.ts';
import { createLimitsWorld } from './limits-world.ts';

const LIMITS = {
  attempts: { requests: 3, window: 300_000 },
  attemptsPerAddress: { requests: 6, window: 300_000 },
};

describe('sign-in attempts', () => {
  it('looking takes nothing', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 20; i += 1) {
      const admission = await world.limiter.mayAttempt('192.0.2.1', 'tok');
      assert.deepEqual([admission.allowed, admission.policies.map((p) => p.remaining)], [true, [3, 6]]);
    }
  });

  it('block a token id at one address only, and tell when to come back', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 3; i += 1) await world.limiter.attemptFailed('192.0.2.1', 'a');
    const blocked = await world.limiter.mayAttempt('192.0.2.1', 'a');
    assert.deepEqual([blocked.allowed, blocked.retryAfter], [false, 100]);
    assert.deepEqual(rateLimitHeaders(blocked), {
      'RateLimit-Policy': '"attempts";q=3;w=300, "attempts-address";q=6;w=300',
      RateLimit: '"attempts";r=0;t=300, "attempts-address";r=3;t=150',
      'Retry-After': '100',
    });
    assert.deepEqual(world.decisions.slice(-2), [
      'attempts login denied lease',
      'attempts-address login allowed store',
    ]);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', 'b')).allowed, true);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', null)).allowed, true);
    assert.equal((await world.limiter.mayAttempt('192.0.2.2', 'a')).allowed, true);
    await world.clock.advance(100_000);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', 'a')).allowed, true);
  });

  it('block an address in all, whatever it tries', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (const id of ['a', 'b', 'c', 'd', 'e', null]) await world.limiter.attemptFailed('192.0.2.1', id);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', 'f')).allowed, false);
    assert.equal((await world.limiter.mayAttempt('192.0.2.1', null)).allowed, false);
    assert.equal((await world.limiter.mayAttempt('198.51.100.1', 'f')).allowed, true);
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
        limits: { attempts: { requests: 9, window: 90_000 }, attemptsPerAddress: { requests: 900, window: 90_000 } },
        replicas: 3,
      });
      world.store.mode = mode;
      const fresh = world.start('fresh');
      for (let i = 0; i < 2; i += 1) await fresh.attemptFailed('192.0.2.1', 'tok');
      assert.equal((await fresh.mayAttempt('192.0.2.1', 'tok')).allowed, true);
      await fresh.attemptFailed('192.0.2.1', 'tok');
      const blocked = await fresh.mayAttempt('192.0.2.1', 'tok');
      assert.deepEqual([blocked.allowed, blocked.retryAfter], [false, 30]);
      assert.ok(world.decisions.includes('attempts login denied local'));
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
