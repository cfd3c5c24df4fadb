import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALICE, createLimitsWorld, type StoreMode } from './limits-world.ts';

const MINUTE = { identity: { all: { requests: 60, window: 60_000 } } };

for (const mode of ['down', 'failing', 'broken'] as const satisfies readonly StoreMode[]) {
  describe(`limiter with a store that is ${mode}`, () => {
    it('enforces its share of the limit, with the same headers', async () => {
      await using world = await createLimitsWorld({ limits: MINUTE, replicas: 3 });
      // One replica is alive, but it never heard so: the configured number counts.
      const lonely = world.start('lonely');
      world.store.mode = mode;
      world.state.replicas = 3;
      await world.clock.advance(0);
      await lonely[Symbol.asyncDispose]();
      const fresh = world.start('fresh');
      await world.clock.advance(0);
      let allowed = 0;
      const remaining: (number | undefined)[] = [];
      for (let i = 0; i < 30; i += 1) {
        const admission = await fresh.admitIdentity(ALICE, 'read');
        if (admission.allowed) allowed += 1;
        const [policy] = admission.policies;
        assert.deepEqual([policy?.name, policy?.quota, policy?.windowSeconds], ['identity', 60, 60]);
        remaining.push(policy?.remaining);
      }
      assert.equal(allowed, 20);
      assert.deepEqual(remaining.slice(0, 3), [19, 18, 17]);
      const denied = await fresh.admitIdentity(ALICE, 'read');
      assert.deepEqual([denied.allowed, denied.retryAfter, denied.policies[0]?.remaining], [false, 3, 0]);
      assert.equal(world.decisions.at(-1), 'identity read denied local');
      await world.clock.advance(3000);
      assert.equal((await fresh.admitIdentity(ALICE, 'read')).allowed, true);
      assert.equal((await fresh.admitIdentity(ALICE, 'read')).allowed, false);
      await fresh[Symbol.asyncDispose]();
    });

    it('goes back to the store when it answers again, without charging what was local', async () => {
      await using world = await createLimitsWorld({
        limits: { identity: { all: { requests: 60, window: 3_600_000 } } },
      });
      assert.equal(await world.call(1), 1);
      await world.clock.advance(600);
      world.store.mode = mode;
      assert.equal(await world.call(10), 10);
      assert.match(world.decisions.at(-1) ?? '', /local$/);
      world.store.mode = 'up';
      await world.clock.advance(1000);
      const admission = await world.limiter.admitIdentity(ALICE, 'read');
      assert.match(world.decisions.at(-1) ?? '', /store$/);
      assert.equal(admission.policies[0]?.remaining, 58);
    });
  });
}

describe('limiter with the store away', () => {
  it('answers in the same turn while the store is known to be down', async () => {
    await using world = await createLimitsWorld({ limits: MINUTE });
    world.store.mode = 'down';
    assert.ok(!(world.limiter.admitIdentity(ALICE, 'read') instanceof Promise));
    assert.ok(!(world.limiter.admitAddress('192.0.2.1') instanceof Promise));
  });

  it('does not send one call after another into time-outs', async () => {
    await using world = await createLimitsWorld({ limits: MINUTE });
    world.store.mode = 'failing';
    await world.call(20);
    assert.equal(world.store.takes(), 1);
    await world.clock.advance(250);
    await world.call(20);
    assert.equal(world.store.takes(), 2);
  });

  it('starts from what the store said last, not from a full bucket', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 60, window: 3_600_000 } } } });
    assert.equal(await world.call(60), 60);
    world.store.mode = 'down';
    assert.equal(await world.call(5), 0);
  });

  it('gives at least one unit when there are more replicas than requests', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 2, window: 10_000 } } } });
    world.store.mode = 'failing';
    world.state.replicas = 50;
    const fresh = world.start('fresh');
    assert.equal((await fresh.admitIdentity(ALICE, 'read')).allowed, true);
    const denied = await fresh.admitIdentity(ALICE, 'read');
    assert.deepEqual([denied.allowed, denied.retryAfter], [false, 10]);
    await fresh[Symbol.asyncDispose]();
  });

  it('checks both policies, and a denial by one takes nothing from the other', async () => {
    const identity = { all: { requests: 10, window: 60_000 }, submit: { requests: 4, window: 60_000 } };
    await using world = await createLimitsWorld({ limits: { identity } });
    world.store.mode = 'down';
    assert.equal(await world.call(9, ALICE, 'submit'), 4);
    assert.match(world.decisions.at(-1) ?? '', /^identity-submit submit denied local/);
    assert.equal(await world.call(9, ALICE, 'read'), 6);
    assert.match(world.decisions.at(-1) ?? '', /^identity read denied local/);
  });

  it('answers those who waited when the store fails under them', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 5, window: 60_000 } } } });
    const { promise, resolve } = Promise.withResolvers<void>();
    world.store.gate = promise;
    const answers = Array.from({ length: 8 }, () => Promise.resolve(world.limiter.admitIdentity(ALICE, 'read')));
    world.store.mode = 'failing';
    resolve();
    const settled = await Promise.all(answers);
    assert.equal(settled.filter((answer) => answer.allowed).length, 5);
    assert.ok(world.decisions.every((decision) => decision.endsWith('local')));
  });

  it('tells once a minute of an error that is not absence, and nothing of absence', async () => {
    await using world = await createLimitsWorld({ limits: MINUTE });
    world.store.mode = 'failing';
    await world.call(2);
    assert.equal(world.warnings.length, 0);
    world.store.mode = 'broken';
    for (let i = 0; i < 30; i += 1) {
      await world.clock.advance(300);
      await world.call(1);
    }
    assert.equal(world.warnings.length, 1);
  });

  it('recovers from a clock that is set back', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 4, window: 4000 } } } });
    assert.equal(await world.call(5), 4);
    world.store.mode = 'failing';
    world.clock.step(-3_600_000);
    assert.equal(await world.call(2), 0);
    await world.clock.advance(1000);
    assert.equal(await world.call(2), 1);
    // The store stands on the same clock: it holds a bucket of a time to come. Asked once, it starts from now.
    world.store.mode = 'up';
    await world.clock.advance(1000);
    assert.equal(await world.call(1), 0);
    await world.clock.advance(4000);
    assert.equal(await world.call(9), 4);
  });
});
