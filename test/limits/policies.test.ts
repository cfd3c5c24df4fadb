import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ALICE, createLimitsWorld } from './limits-world.ts';

const inGroups = (...groups: string[]) => ({ ...ALICE, groups });

describe('limiter: class policies', () => {
  const identity = { all: { requests: 10, window: 60_000 }, submit: { requests: 3, window: 60_000 } };

  it('a call must satisfy both, the most restrictive is named first', async () => {
    await using world = await createLimitsWorld({ limits: { identity } });
    const first = await world.limiter.admitIdentity(ALICE, 'submit');
    assert.deepEqual(
      first.policies.map(({ name, remaining }) => [name, remaining]),
      [
        ['identity-submit', 2],
        ['identity', 9],
      ],
    );
    assert.equal(await world.call(5, ALICE, 'submit'), 2);
    const denied = await world.limiter.admitIdentity(ALICE, 'submit');
    assert.deepEqual([denied.allowed, denied.retryAfter], [false, 20]);
    assert.equal(world.decisions.at(-1), 'identity-submit submit denied lease');
  });

  it('a denial by the class takes nothing from all, and the other way round', async () => {
    await using world = await createLimitsWorld({ limits: { identity } });
    assert.equal(await world.call(8, ALICE, 'submit'), 3);
    assert.equal(await world.call(20, ALICE, 'read'), 7);
    await world.clock.advance(18_000);
    // 18 s refill 3 of all, but no whole unit of submit.
    assert.equal(await world.call(2, ALICE, 'submit'), 0);
    assert.equal(await world.call(5, ALICE, 'list'), 3);
    await world.clock.advance(2000);
    // Submit has its unit now, all has none: nothing may be lost on either side.
    assert.equal(await world.call(2, ALICE, 'submit'), 0);
    await world.clock.advance(4000);
    assert.equal(await world.call(2, ALICE, 'submit'), 1);
  });

  it('leaks nothing whatever the order of classes and pauses', async () => {
    const cls = fc.constantFrom('read' as const, 'list' as const, 'submit' as const);
    const step = fc.record({ cls, count: fc.integer({ min: 1, max: 9 }), wait: fc.integer({ min: 0, max: 4000 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        await using world = await createLimitsWorld({ limits: { identity } });
        for (const { cls: kind, count, wait } of steps) {
          await world.call(count, ALICE, kind);
          await world.clock.advance(wait);
        }
        // When all is quiet and refilled, exactly the configured numbers are there again.
        await world.clock.advance(60_000);
        assert.equal(await world.call(5, ALICE, 'submit'), 3);
        assert.equal(await world.call(20, ALICE, 'read'), 7);
      }),
      { numRuns: 25 },
    );
  });

  it('a denial says that none is left, even while another class holds leased units of all', async () => {
    const wide = { requests: 100, window: 3_600_000 };
    await using world = await createLimitsWorld({ limits: { identity: { all: wide, submit: wide } } });
    assert.equal(await world.call(5, ALICE, 'submit'), 5);
    const read = await world.call(100, ALICE, 'read');
    const denied = await world.limiter.admitIdentity(ALICE, 'read');
    assert.deepEqual([denied.allowed, denied.policies[0]?.remaining], [false, 0]);
    const leased = await world.call(10, ALICE, 'submit');
    assert.ok(leased > 0);
    assert.equal(5 + read + leased, 100);
  });

  it('classes without a bucket of their own share all', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 6, window: 60_000 } } } });
    assert.equal(await world.call(2, ALICE, 'read'), 2);
    assert.equal(await world.call(2, ALICE, 'list'), 2);
    assert.equal(await world.call(2, ALICE, 'submit'), 2);
    assert.equal(await world.call(1, ALICE, 'control'), 0);
  });

  it('a class alone limits only itself; a class without any limit is not measured', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { submit: { requests: 2, window: 60_000 } } } });
    assert.equal(await world.call(5, ALICE, 'submit'), 2);
    const read = await world.limiter.admitIdentity(ALICE, 'read');
    assert.deepEqual(read, { allowed: true, policies: [], retryAfter: 0 });
  });

  it('counts a login against all only', async () => {
    await using world = await createLimitsWorld({ limits: { identity } });
    const admission = await world.limiter.admitIdentity(ALICE, 'login');
    assert.deepEqual(
      admission.policies.map(({ name }) => name),
      ['identity'],
    );
  });
});

describe('limiter: groups', () => {
  const limits = {
    identity: { all: { requests: 2, window: 60_000 } },
    groups: {
      ci: { all: { requests: 5, window: 60_000 }, submit: { requests: 3, window: 60_000 } },
      staff: { all: { requests: 4, window: 60_000 } },
    },
  };

  it('the first listed group replaces the identity policy, whatever the order of membership', async () => {
    await using world = await createLimitsWorld({ limits });
    assert.equal(await world.call(9, inGroups('staff', 'ci')), 5);
    assert.match(world.decisions[0] ?? '', /^group-ci read/);
  });

  it('a later group holds for who is in no earlier one; others keep the identity policy', async () => {
    await using world = await createLimitsWorld({ limits });
    assert.equal(await world.call(9, inGroups('guests', 'staff')), 4);
    assert.equal(await world.call(9, { ...inGroups('guests'), subject: 'local:bob' }), 2);
  });

  it('names the class policy of a group', async () => {
    await using world = await createLimitsWorld({ limits });
    const { policies } = await world.limiter.admitIdentity(inGroups('ci'), 'submit');
    assert.deepEqual(
      policies.map(({ name, quota }) => [name, quota]),
      [
        ['group-ci-submit', 3],
        ['group-ci', 5],
      ],
    );
  });

  it('follows a changed membership, and keeps counting over equal lists', async () => {
    await using world = await createLimitsWorld({ limits });
    assert.equal(await world.call(1, inGroups('staff')), 1);
    assert.equal(await world.call(9, inGroups('staff')), 3);
    assert.equal(await world.call(9, inGroups('ci')), 5);
    assert.equal(await world.call(9, inGroups('staff')), 0);
  });

  it('a group without limits frees its members', async () => {
    await using world = await createLimitsWorld({ limits: { ...limits, groups: { ops: {} } } });
    assert.equal(await world.call(50, inGroups('ops')), 50);
    assert.equal(world.store.takes(), 0);
  });
});
