import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rateLimitHeaders } from '../../src/limits/index.ts';
import { localIdentity } from '../world/identities.ts';
import { ALICE, attempt, createLimitsWorld } from './limits-world.ts';

const BOB = localIdentity('bob');

describe('limiter: one slow caller', () => {
  it('counts down exactly by one for each call and says when the quota is whole', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 5, window: 10_000 } } } });
    const seen: Record<string, string>[] = [];
    for (let i = 0; i < 6; i += 1) seen.push(rateLimitHeaders(await world.limiter.admitIdentity(ALICE, 'read')));
    const policy = { 'RateLimit-Policy': '"identity";q=5;w=10' };
    assert.deepEqual(seen, [
      { ...policy, RateLimit: '"identity";r=4;t=2' },
      { ...policy, RateLimit: '"identity";r=3;t=4' },
      { ...policy, RateLimit: '"identity";r=2;t=6' },
      { ...policy, RateLimit: '"identity";r=1;t=8' },
      { ...policy, RateLimit: '"identity";r=0;t=10' },
      { ...policy, RateLimit: '"identity";r=0;t=10', 'Retry-After': '2' },
    ]);
  });

  it('lets a call go as soon as Retry-After has passed, and no sooner', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 5, window: 10_000 } } } });
    assert.equal(await world.call(7), 5);
    await world.clock.advance(1999);
    const denied = await world.limiter.admitIdentity(ALICE, 'read');
    assert.deepEqual([denied.allowed, denied.retryAfter], [false, 1]);
    await world.clock.advance(1);
    assert.equal(await world.call(2), 1);
  });

  it('does not ask the store again before the next unit is due', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 5, window: 10_000 } } } });
    await world.call(5);
    const before = world.store.takes();
    for (let i = 0; i < 100; i += 1) {
      const answer = world.limiter.admitIdentity(ALICE, 'read');
      assert.ok(!(answer instanceof Promise));
      assert.equal(answer.allowed, false);
    }
    assert.equal(world.store.takes(), before);
    assert.equal(world.decisions.at(-1), 'identity read denied lease');
  });

  it('asks again when the unit that was due went to another replica', async () => {
    const limits = { identity: { all: { requests: 5, window: 10_000 } } };
    await using world = await createLimitsWorld({ limits, limiters: 2 });
    const [one, two] = world.limiters;
    assert.ok(one && two);
    await world.call(5);
    assert.equal((await two.admitIdentity(ALICE, 'read')).allowed, false);
    await world.clock.advance(2000);
    assert.equal((await one.admitIdentity(ALICE, 'read')).allowed, true);
    assert.equal((await two.admitIdentity(ALICE, 'read')).allowed, false);
    await world.clock.advance(2000);
    assert.equal((await two.admitIdentity(ALICE, 'read')).allowed, true);
  });

  it('keeps two identities apart', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 3, window: 60_000 } } } });
    assert.equal(await world.call(10), 3);
    assert.equal(await world.call(10, BOB), 3);
  });

  it('reports every decision once', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 1, window: 60_000 } } } });
    await world.call(2, ALICE, 'list');
    assert.deepEqual(world.decisions, ['identity list allowed store', 'identity list denied lease']);
  });
});

describe('limiter: modes', () => {
  it('observe decides and reports, but lets pass without Retry-After', async () => {
    await using world = await createLimitsWorld({
      limits: {
        mode: 'observe',
        identity: { all: { requests: 2, window: 60_000 } },
        address: { requests: 1, window: 60_000 },
      },
    });
    assert.equal(await world.call(5), 5);
    const last = await world.limiter.admitIdentity(ALICE, 'read');
    assert.deepEqual([last.retryAfter, last.policies[0]?.remaining], [0, 0]);
    assert.equal(world.decisions.filter((d) => d.startsWith('identity read would_deny')).length, 4);
    await world.limiter.admitAddress('192.0.2.1');
    assert.equal((await world.limiter.admitAddress('192.0.2.1')).allowed, true);
    assert.equal(world.decisions.at(-1), 'address any would_deny lease');
  });

  it('off neither counts nor reports nor asks', async () => {
    await using world = await createLimitsWorld({
      limits: { mode: 'off', identity: { all: { requests: 1, window: 60_000 } } },
    });
    assert.equal(await world.call(20), 20);
    await world.limiter.admitAddress('192.0.2.1');
    assert.deepEqual([world.decisions, world.store.takes()], [[], 0]);
  });

  it('follows a changed configuration with the next call', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 2, window: 60_000 } } } });
    assert.equal(await world.call(5), 2);
    world.state.limits = { ...world.state.limits, identity: { all: { requests: 4, window: 60_000 } } };
    assert.equal(await world.call(9), 4);
    world.state.limits = { ...world.state.limits, mode: 'observe' };
    assert.equal(await world.call(3), 3);
  });

  it('keeps what is counted when a reload changes something else', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 4, window: 60_000 } } } });
    assert.equal(await world.call(3), 3);
    world.state.limits = { ...world.state.limits, address: { requests: 7, window: 1000 } };
    assert.equal(await world.call(3), 1);
  });

  it('takes a window of a fraction of a millisecond as whole', async () => {
    await using world = await createLimitsWorld({
      limits: { identity: { all: { requests: 2, window: 0.4 } }, address: { requests: 2, window: 1500.5 } },
    });
    assert.equal(await world.call(3), 2);
    await world.limiter.admitAddress('192.0.2.1');
    const { policies } = await world.limiter.admitAddress('192.0.2.1');
    assert.deepEqual([policies[0]?.windowSeconds, policies[0]?.remaining], [2, 0]);
  });
});

describe('limiter: addresses', () => {
  it('counts IPv4 exactly, IPv6 by its /64, and IPv4-mapped as IPv4', async () => {
    await using world = await createLimitsWorld({ limits: { address: { requests: 2, window: 60_000 } } });
    const allowed = async (address: string): Promise<boolean> => (await world.limiter.admitAddress(address)).allowed;
    assert.deepEqual([await allowed('192.0.2.1'), await allowed('::ffff:192.0.2.1')], [true, true]);
    assert.equal(await allowed('192.0.2.1'), false);
    assert.equal(await allowed('192.0.2.2'), true);
    assert.deepEqual([await allowed('2001:db8::1'), await allowed('2001:db8::ffff:2')], [true, true]);
    assert.equal(await allowed('2001:db8:0:0:1::3'), false);
    assert.equal(await allowed('2001:db8:0:1::3'), true);
  });

  it('uses the policy name address and no route class', async () => {
    await using world = await createLimitsWorld();
    const admission = await world.limiter.admitAddress('192.0.2.1');
    assert.deepEqual(admission.policies, [
      { name: 'address', quota: 6000, windowSeconds: 60, remaining: 5999, resetSeconds: 1 },
    ]);
    assert.deepEqual(world.decisions, ['address any allowed store']);
  });

  it('survives a flood of addresses without forgetting an identity that is over its limit', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 2, window: 60_000 } } } });
    assert.equal(await world.call(3), 2);
    const before = world.store.takes();
    world.store.mode = 'down';
    for (let i = 0; i < 120_000; i += 1) world.limiter.admitAddress(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    world.store.mode = 'up';
    assert.equal(await world.call(1), 0);
    assert.equal(world.store.takes(), before);
  });
});

describe('limiter: what the store holds', () => {
  it('is keyed by digests: no user name, no address, no token id', async () => {
    await using world = await createLimitsWorld({
      limits: { identity: { all: { requests: 9, window: 1000 }, submit: { requests: 2, window: 1000 } } },
    });
    const keys: string[] = [];
    const run = world.memory.run;
    world.memory.run = (script, names, args) => {
      keys.push(...names, ...args.map(String));
      return run(script, names, args);
    };
    const { limiter } = world;
    await limiter.admitIdentity(ALICE, 'submit');
    await limiter.admitAddress('192.0.2.1');
    await attempt(limiter, '192.0.2.1', 'tok_123', true);
    world.memory.run = run;
    assert.ok(keys.length > 8);
    assert.doesNotMatch(keys.join('\n'), /alice|192\.0|tok_123/);
    const tags = keys.filter((key) => key.includes('identity')).map((key) => /\{(.+)\}/.exec(key)?.[1]);
    assert.deepEqual([tags.length, new Set(tags).size], [2, 1]);
  });
});
