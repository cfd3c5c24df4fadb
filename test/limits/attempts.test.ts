import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rateLimitHeaders } from '../../src/limits/index.ts';
import { localIdentity } from '../world/identities.ts';
import { attempt, createLimitsWorld } from './limits-world.ts';

const LIMITS = {
  attempts: { requests: 3, window: 300_000 },
  attemptsPerAddress: { requests: 6, window: 300_000 },
};

describe('sign-in attempts', () => {
  it('what does not fail takes nothing', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 20; i += 1) {
      const admission = await attempt(world.limiter, '192.0.2.1', 'tok', false);
      assert.deepEqual([admission.allowed, admission.policies.map((p) => p.remaining)], [true, [2, 5]]);
    }
  });

  it('block a token id at one address only, and tell when to come back', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 3; i += 1) await attempt(world.limiter, '192.0.2.1', 'a', true);
    const blocked = await attempt(world.limiter, '192.0.2.1', 'a', false);
    assert.deepEqual([blocked.allowed, blocked.retryAfter], [false, 100]);
    assert.deepEqual(rateLimitHeaders(blocked), {
      'RateLimit-Policy': '"attempts";q=3;w=300, "attempts-address";q=6;w=300',
      RateLimit: '"attempts";r=0;t=300, "attempts-address";r=3;t=150',
      'Retry-After': '100',
    });
    assert.equal(world.decisions.at(-1), 'attempts login denied store');
    assert.equal((await attempt(world.limiter, '192.0.2.1', 'b', false)).allowed, true);
    assert.equal((await attempt(world.limiter, '192.0.2.1', null, false)).allowed, true);
    assert.equal((await attempt(world.limiter, '192.0.2.2', 'a', false)).allowed, true);
    await world.clock.advance(100_000);
    assert.equal((await attempt(world.limiter, '192.0.2.1', 'a', false)).allowed, true);
  });

  it('block an address in all, whatever it tries', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (const id of ['a', 'b', 'c', 'd', 'e', null]) await attempt(world.limiter, '192.0.2.1', id, true);
    assert.equal((await attempt(world.limiter, '192.0.2.1', 'f', false)).allowed, false);
    assert.equal((await attempt(world.limiter, '192.0.2.1', null, false)).allowed, false);
    assert.equal((await attempt(world.limiter, '198.51.100.1', 'f', false)).allowed, true);
  });

  it('count a /64 as one source', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (const last of [1, 2, 3]) await attempt(world.limiter, `2001:db8::${last}`, null, true);
    assert.equal((await attempt(world.limiter, '2001:db8::ffff', null, false)).allowed, false);
  });

  it('are known to all replicas', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS, limiters: 3 });
    for (const limiter of world.limiters) await attempt(limiter, '192.0.2.1', 'tok', true);
    for (const limiter of world.limiters) {
      assert.equal((await attempt(limiter, '192.0.2.1', 'tok', false)).allowed, false);
    }
  });

  it('never fall below none: what comes after the limit does not lengthen the block', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 50; i += 1) await attempt(world.limiter, '192.0.2.1', null, true);
    await world.clock.advance(100_000);
    assert.equal((await attempt(world.limiter, '192.0.2.1', null, false)).allowed, true);
  });

  it('do not touch the address limit or an identity of the same text', async () => {
    await using world = await createLimitsWorld({ limits: { ...LIMITS, address: { requests: 3, window: 300_000 } } });
    for (let i = 0; i < 3; i += 1) await attempt(world.limiter, '192.0.2.1', '192.0.2.1', true);
    assert.equal((await world.limiter.admitAddress('192.0.2.1')).policies[0]?.remaining, 2);
    const identity = { ...localIdentity('x'), subject: '192.0.2.1' };
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
      for (let i = 0; i < 2; i += 1) await attempt(fresh, '192.0.2.1', 'tok', true);
      assert.equal((await attempt(fresh, '192.0.2.1', 'tok', false)).allowed, true);
      await attempt(fresh, '192.0.2.1', 'tok', true);
      const blocked = await attempt(fresh, '192.0.2.1', 'tok', false);
      assert.deepEqual([blocked.allowed, blocked.retryAfter], [false, 30]);
      assert.ok(world.decisions.includes('attempts login denied local'));
      await fresh[Symbol.asyncDispose]();
    });
  }

  it('stay blocked when the store goes away', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    for (let i = 0; i < 3; i += 1) await attempt(world.limiter, '192.0.2.1', 'tok', true);
    world.store.mode = 'down';
    assert.equal((await attempt(world.limiter, '192.0.2.1', 'tok', false)).allowed, false);
  });

  const AT_ONCE = Array.from({ length: 50 }, (_, i) => i);

  it('made at once and all wrong are tried no more often than one after another', async () => {
    await using world = await createLimitsWorld({ limits: LIMITS });
    let tried = 0;
    const guess = async (): Promise<boolean> => {
      const { admission, settle } = await world.limiter.beginAttempt('192.0.2.1', null);
      if (admission.allowed) tried += 1;
      await settle(true);
      return admission.allowed;
    };
    const allowed = await Promise.all(AT_ONCE.map(guess));
    assert.deepEqual([tried, allowed.filter(Boolean).length], [3, 3]);
  });

  for (const mode of ['up', 'down', 'failing'] as const) {
    it(`made at once and all right are all admitted, never more than the limit under way; store ${mode}`, async () => {
      await using world = await createLimitsWorld({ limits: LIMITS });
      world.store.mode = mode;
      let [underWay, most] = [0, 0];
      const signIn = async (): Promise<boolean> => {
        const { admission, settle } = await world.limiter.beginAttempt('192.0.2.1', 'tok');
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise<void>((resolve) => setImmediate(resolve));
        underWay -= 1;
        await settle(false);
        return admission.allowed;
      };
      const allowed = await Promise.all(AT_ONCE.map(signIn));
      assert.deepEqual([allowed.filter(Boolean).length, most], [50, 3]);
      world.store.mode = 'up';
    });
  }

  it('one that is refused by the address takes nothing from the token id', async () => {
    await using world = await createLimitsWorld({
      limits: { attempts: { requests: 3, window: 300_000 }, attemptsPerAddress: { requests: 1, window: 100_000 } },
    });
    await attempt(world.limiter, '192.0.2.1', 'a', true);
    const refused = await attempt(world.limiter, '192.0.2.1', 'b', true);
    assert.deepEqual([refused.allowed, refused.retryAfter], [false, 100]);
    assert.deepEqual(
      refused.policies.map(({ name, remaining }) => [name, remaining]),
      [
        ['attempts-address', 0],
        ['attempts', 3],
      ],
    );
  });

  it('waiting for one under way that fails are refused when the last has failed', async () => {
    await using world = await createLimitsWorld({ limits: { ...LIMITS, attempts: { requests: 1, window: 300_000 } } });
    const first = await world.limiter.beginAttempt('192.0.2.1', 'tok');
    const waiting = [1, 2, 3].map(() => attempt(world.limiter, '192.0.2.1', 'tok', false));
    await first.settle(true);
    const answers = await Promise.all(waiting);
    assert.deepEqual(
      answers.map(({ allowed }) => allowed),
      [false, false, false],
    );
  });

  for (const mode of ['observe', 'off'] as const) {
    it(`are stopped with limits.mode ${mode} as well`, async () => {
      await using world = await createLimitsWorld({ limits: { ...LIMITS, mode } });
      for (let i = 0; i < 3; i += 1) await attempt(world.limiter, '192.0.2.1', 'tok', true);
      const blocked = await attempt(world.limiter, '192.0.2.1', 'tok', false);
      assert.deepEqual([blocked.allowed, blocked.retryAfter], [false, 100]);
      assert.equal(world.decisions.at(-1), 'attempts login denied store');
    });
  }
});
