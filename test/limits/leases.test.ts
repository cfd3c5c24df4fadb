import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Admission } from '../../src/limits/index.ts';
import { ALICE, createLimitsWorld, type LimitsWorld } from './limits-world.ts';

const LARGE = { identity: { all: { requests: 60_000, window: 60_000 } } };

/** `perStep` calls every `stepMs`, for `ms`, on each limiter; gives how many were allowed on each. */
async function hammer(world: LimitsWorld, ms: number, stepMs: number, perStep: number): Promise<number[]> {
  const allowed = world.limiters.map(() => 0);
  for (let passed = 0; passed < ms; passed += stepMs) {
    const answers = world.limiters.map((limiter) =>
      Array.from({ length: perStep }, () => limiter.admitIdentity(ALICE, 'read')),
    );
    for (const [i, group] of answers.entries()) {
      for (const answer of group) if ((await answer).allowed) allowed[i] = (allowed[i] ?? 0) + 1;
    }
    await world.clock.advance(stepMs);
  }
  return allowed;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describe('leases', () => {
  it('serve a hot identity mostly without the store and in the same turn', async () => {
    await using world = await createLimitsWorld({ limits: LARGE });
    let synchronous = 0;
    for (let i = 0; i < 1000; i += 1) {
      const answer = world.limiter.admitIdentity(ALICE, 'read');
      if (answer instanceof Promise) await answer;
      else synchronous += 1;
      if (i % 2 === 1) await world.clock.advance(1);
    }
    assert.ok(synchronous >= 980, `${synchronous} of 1000 were synchronous`);
    assert.ok(world.store.takes() <= 50, `${world.store.takes()} store calls`);
  });

  it('count remaining down by one across leases', async () => {
    await using world = await createLimitsWorld({
      limits: { identity: { all: { requests: 60_000, window: 3_600_000 } } },
    });
    const seen: (number | undefined)[] = [];
    for (let i = 0; i < 300; i += 1) {
      seen.push((await world.limiter.admitIdentity(ALICE, 'read')).policies[0]?.remaining);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 300 }, (_, i) => 59_999 - i),
    );
  });

  it('are not taken for a caller who calls less than twice in 100 ms', async () => {
    await using world = await createLimitsWorld({ limits: LARGE });
    for (let i = 0; i < 20; i += 1) {
      await world.call(1);
      await world.clock.advance(100);
    }
    assert.equal(world.store.takes(), 20);
  });

  it('answer requests that come together with one store call', async () => {
    await using world = await createLimitsWorld({ limits: LARGE });
    const answers = await Promise.all(Array.from({ length: 50 }, () => world.limiter.admitIdentity(ALICE, 'read')));
    assert.equal(answers.filter((answer) => answer.allowed).length, 50);
    // The first call goes alone, the 49 that came meanwhile go together.
    assert.equal(world.store.takes(), 2);
  });

  it('share what there is when more come together than may go', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 20, window: 20_000 } } } });
    const answers = await Promise.all(Array.from({ length: 50 }, () => world.limiter.admitIdentity(ALICE, 'read')));
    const denied = answers.filter((answer) => !answer.allowed);
    assert.equal(denied.length, 30);
    for (const answer of denied) assert.deepEqual([answer.retryAfter, answer.policies[0]?.remaining], [1, 0]);
  });

  it('give unused units back, so that a quiet while later all is there again', async () => {
    const limits = { identity: { all: { requests: 1000, window: 86_400_000 } } };
    await using world = await createLimitsWorld({ limits });
    assert.equal(await world.call(10), 10);
    const [, another] = [world.limiter, world.start('another')];
    await world.clock.advance(1000);
    const first = await another.admitIdentity(ALICE, 'read');
    assert.equal(first.policies[0]?.remaining, 989);
    await another[Symbol.asyncDispose]();
  });

  it('give unused units back when the limiter ends', async () => {
    const limits = { identity: { all: { requests: 1000, window: 86_400_000 } } };
    await using world = await createLimitsWorld({ limits });
    const ending = world.start('ending');
    for (let i = 0; i < 10; i += 1) await ending.admitIdentity(ALICE, 'read');
    await ending[Symbol.asyncDispose]();
    assert.equal((await world.limiter.admitIdentity(ALICE, 'read')).policies[0]?.remaining, 989);
  });

  it('are void after a long stop of the process, before anything was swept', async () => {
    const limits = { identity: { all: { requests: 1000, window: 10_000 } } };
    await using world = await createLimitsWorld({ limits });
    await world.call(20);
    // Time passes without any timer: the process was stopped.
    const { now, elapsed } = world.clock;
    Object.assign(world.clock, { now: () => now() + 60_000, elapsed: () => elapsed() + 60_000 });
    const before = world.store.takes();
    const admission = await world.limiter.admitIdentity(ALICE, 'read');
    assert.equal(admission.policies[0]?.remaining, 999);
    assert.equal(world.store.takes(), before + 2);
    Object.assign(world.clock, { now, elapsed });
  });

  it('hold a few percent of the bucket at most, over all replicas', async () => {
    const limits = { identity: { all: { requests: 1000, window: 86_400_000 } } };
    await using world = await createLimitsWorld({ limits, limiters: 4 });
    for (const limiter of world.limiters) {
      for (let i = 0; i < 50; i += 1) await limiter.admitIdentity(ALICE, 'read');
    }
    const probe = world.start('probe');
    const left = (await probe.admitIdentity(ALICE, 'read')).policies[0]?.remaining ?? 0;
    assert.ok(left <= 799 && left >= 799 - 40, `${left} left in the store of 799 unused`);
    await probe[Symbol.asyncDispose]();
  });

  it('never let a denial through that hid behind a refill under way', async () => {
    await using world = await createLimitsWorld({ limits: { identity: { all: { requests: 100, window: 100_000 } } } });
    const { promise, resolve } = Promise.withResolvers<void>();
    assert.equal(await world.call(96), 96);
    world.store.gate = promise;
    const answers: Promise<Admission>[] = [];
    for (let i = 0; i < 20; i += 1) answers.push(Promise.resolve(world.limiter.admitIdentity(ALICE, 'read')));
    resolve();
    const allowed = (await Promise.all(answers)).filter((answer) => answer.allowed).length;
    assert.equal(allowed, 4);
  });
});

describe('several replicas on one identity', () => {
  it('admit together within 5 % of the limit once the burst is spent', async () => {
    const limits = { identity: { all: { requests: 600, window: 60_000 } } };
    await using world = await createLimitsWorld({ limits, limiters: 3 });
    await hammer(world, 2000, 20, 8);
    const admitted = sum(await hammer(world, 60_000, 20, 2));
    assert.ok(admitted >= 570 && admitted <= 630, `${admitted} of 600`);
  });

  it('never admit more than the burst and what time refills, whatever comes when', async () => {
    const bucket = fc.record({
      requests: fc.integer({ min: 1, max: 300 }),
      window: fc.integer({ min: 200, max: 5000 }),
    });
    const pause = fc.integer({ min: 0, max: 700 });
    const call = fc.record({ at: fc.integer({ min: 0, max: 2 }), count: fc.integer({ min: 1, max: 60 }), pause });
    await fc.assert(
      fc.asyncProperty(bucket, fc.array(call, { maxLength: 25 }), async (all, calls) => {
        await using world = await createLimitsWorld({ limits: { identity: { all } }, limiters: 3 });
        const start = world.clock.now();
        let admitted = 0;
        for (const { at, count, pause: wait } of calls) {
          const limiter = world.limiters[at] ?? world.limiter;
          const answers = await Promise.all(Array.from({ length: count }, () => limiter.admitIdentity(ALICE, 'read')));
          admitted += answers.filter((answer) => answer.allowed).length;
          const refilled = ((world.clock.now() - start) * all.requests) / all.window;
          assert.ok(admitted <= all.requests + refilled, `${admitted} admitted`);
          for (const { policies } of answers) {
            const remaining = policies[0]?.remaining ?? -1;
            assert.ok(remaining >= 0 && remaining <= all.requests);
          }
          await world.clock.advance(wait);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('all get something when they call alike', async () => {
    const limits = { identity: { all: { requests: 6000, window: 60_000 } } };
    await using world = await createLimitsWorld({ limits, limiters: 3 });
    const each = await hammer(world, 5000, 10, 2);
    for (const admitted of each) assert.ok(admitted > 0);
    assert.ok(sum(each) <= 6000 + 500);
  });
});
