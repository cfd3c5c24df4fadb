import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/kernel/index.ts';
import {
  createLeases,
  createMemoryKeyValue,
  type HeldLease,
  type KeyValue,
  StoreUnavailable,
} from '../../src/platform/index.ts';
import { acquireLease, extendLease, releaseLease } from '../../src/platform/lease-scripts.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { openRedisWorld, watchedRedis } from './store-world.ts';

let redis: RedisProcess;

before(async () => {
  redis = await startRedis();
});
after(() => redis[Symbol.asyncDispose]());

/** Two owners on one memory store, time in the hands of the test. */
function memoryOwners() {
  const clock = createManualClock();
  const kv = createMemoryKeyValue({ clock });
  return {
    clock,
    kv,
    a: createLeases(kv, { clock, ownerId: 'a' }),
    b: createLeases(kv, { clock, ownerId: 'b' }),
    /** An owner whose heart never beats, as if its process had died. */
    dying: createLeases(kv, {
      clock: { ...clock, every: () => ({ [Symbol.dispose]: () => undefined }) },
      ownerId: 'c',
    }),
  };
}

const held = (lease: HeldLease | null): HeldLease => {
  assert.ok(lease, 'the lease should be held');
  return lease;
};

test('one owner at a time; the next one after it is released', async () => {
  const { a, b } = memoryOwners();
  const first = held(await a.tryAcquire('login', 3000));
  assert.equal(await b.tryAcquire('login', 3000), null);
  assert.equal(await a.tryAcquire('login', 3000), null, 'not even the same owner twice');
  held(await b.tryAcquire('other', 3000));
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  const second = held(await b.tryAcquire('login', 3000));
  assert.ok(second.fence > first.fence);
  assert.equal(first.lost.aborted, false, 'releasing is no loss');
});

test('the heartbeat keeps it for as long as it is wanted', async () => {
  const { a, b, clock } = memoryOwners();
  const lease = held(await a.tryAcquire('login', 3000));
  for (let round = 0; round < 20; round += 1) {
    await clock.advance(2500);
    assert.equal(await b.tryAcquire('login', 3000), null);
  }
  assert.equal(lease.lost.aborted, false);
});

test('a dead holder is followed after the time to live, with a higher fence', async () => {
  const { b, dying, clock } = memoryOwners();
  const dead = held(await dying.tryAcquire('login', 3000));
  await clock.advance(2999);
  assert.equal(await b.tryAcquire('login', 3000), null);
  await clock.advance(1);
  const next = held(await b.tryAcquire('login', 3000));
  assert.ok(next.fence > dead.fence);
  assert.equal(dead.lost.aborted, true, 'at its local end it is lost');
});

test('a late holder does not release the lease of the next one', async () => {
  const { b, a, dying, clock } = memoryOwners();
  const late = held(await dying.tryAcquire('login', 3000));
  await clock.advance(3000);
  const next = held(await b.tryAcquire('login', 3000));
  await late[Symbol.asyncDispose]();
  assert.equal(await a.tryAcquire('login', 3000), null);
  assert.equal(next.lost.aborted, false);
});

test('lost fires at the next beat when another has taken it, or the store has lost it', async () => {
  const { a, kv, clock } = memoryOwners();
  for (const damage of [() => kv.delete('lease:{login}'), () => kv.set('lease:{login}', 'another', 60_000)]) {
    const lease = held(await a.tryAcquire('login', 3000));
    await damage();
    await clock.advance(999);
    assert.equal(lease.lost.aborted, false);
    await clock.advance(1);
    assert.equal(lease.lost.aborted, true);
    assert.match(String(lease.lost.reason), /the lease login is lost/);
    await lease[Symbol.asyncDispose]();
    await kv.delete('lease:{login}');
  }
});

/** A store that can be taken away. */
function breakable(kv: KeyValue): { kv: KeyValue; away: boolean; calls: number } {
  const state = { kv, away: false, calls: 0 };
  const run: KeyValue['run'] = (...args) => {
    state.calls += 1;
    return state.away ? Promise.reject(new StoreUnavailable('gone')) : kv.run(...args);
  };
  state.kv = { ...kv, run };
  return state;
}

test('a store that is away for one beat costs nothing', async () => {
  const { kv, clock } = memoryOwners();
  const store = breakable(kv);
  const lease = held(await createLeases(store.kv, { clock, ownerId: 'a' }).tryAcquire('login', 3000));
  store.away = true;
  await clock.advance(1900);
  store.away = false;
  await clock.advance(100);
  await clock.advance(10_000);
  assert.equal(lease.lost.aborted, false);
});

test('lost fires when the store stays away until the end by the local clock, and not before', async () => {
  const { kv, clock } = memoryOwners();
  const store = breakable(kv);
  const lease = held(await createLeases(store.kv, { clock, ownerId: 'a' }).tryAcquire('login', 3000));
  await clock.advance(1000);
  store.away = true;
  await clock.advance(2999);
  assert.equal(lease.lost.aborted, false);
  await clock.advance(1);
  assert.equal(lease.lost.aborted, true);
  const calls = store.calls;
  await clock.advance(60_000);
  assert.equal(store.calls, calls, 'a lost lease beats no more');
  await lease[Symbol.asyncDispose]();
});

test('an acquisition that took longer than the lease is none', async () => {
  const { kv, clock, b } = memoryOwners();
  const slow: KeyValue = {
    ...kv,
    async run(...args) {
      const result = await kv.run(...args);
      await clock.sleep(args[0] === acquireLease ? 2000 : 0);
      return result;
    },
  };
  const acquiring = createLeases(slow, { clock, ownerId: 'slow' }).tryAcquire('login', 1000);
  await clock.advance(2000);
  await clock.advance(1);
  assert.equal(await acquiring, null);
  held(await b.tryAcquire('login', 1000));
});

test('a store that is away rejects the acquisition and is no obstacle to the release', async () => {
  const { kv, clock, a } = memoryOwners();
  const store = breakable(kv);
  const leases = createLeases(store.kv, { clock, ownerId: 'x' });
  const lease = held(await leases.tryAcquire('login', 3000));
  store.away = true;
  await assert.rejects(leases.tryAcquire('other', 3000), StoreUnavailable);
  await lease[Symbol.asyncDispose]();
  await clock.advance(3000);
  held(await a.tryAcquire('login', 3000));
});

test('the fence grows over any history, also when the store loses everything', async () => {
  const steps = fc.array(fc.record({ pause: fc.nat(5000), wipe: fc.boolean(), release: fc.boolean() }), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const { a, dying, kv, clock } = memoryOwners();
      let last = 0;
      for (const { pause, wipe, release } of history) {
        const lease = await (release ? a : dying).tryAcquire('login', 3000);
        if (lease !== null) assert.ok(lease.fence > last && Number.isSafeInteger(lease.fence));
        last = lease?.fence ?? last;
        if (release) await lease?.[Symbol.asyncDispose]();
        await clock.advance(pause + 1);
        if (wipe) await Promise.all(['lease:{login}', 'fence:{login}'].map((key) => kv.delete(key)));
      }
    }),
    { numRuns: 30 },
  );
});

test('names may hold anything, and different names are different leases', async () => {
  const { a } = memoryOwners();
  await using world = await openRedisWorld(redis.config({ keyPrefix: 'names' }));
  const onRedis = createLeases(world.one, { clock: systemClock, ownerId: 'a' });
  const names = ['', '}', '{', '{}', '}{', '{x}', 'x', '%7Bx%7D', 'a{b}c', 'queue:ü/..', '%'];
  for (const leases of [a, onRedis]) {
    const all = await Promise.all(names.map((name) => leases.tryAcquire(name, 60_000)));
    for (const lease of all) await held(lease)[Symbol.asyncDispose]();
  }
});

test('a time to live that is none is refused', async () => {
  const { a } = memoryOwners();
  for (const ttl of [0, -1, Number.NaN]) await assert.rejects(a.tryAcquire('login', ttl), RangeError);
});

test('the scripts give the same on Redis as in memory', async () => {
  await using world = await openRedisWorld(redis.config({ keyPrefix: 'twins' }));
  await using memory = createMemoryKeyValue({ clock: systemClock });
  const step = fc.record({
    kind: fc.nat(3),
    owner: fc.constantFrom('a', 'b'),
    ttl: fc.integer({ min: 60_000, max: 90_000 }),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      run += 1;
      const [lease, fence] = [`lease:{${run}}`, `fence:{${run}}`];
      const both = async (call: (kv: KeyValue) => Promise<unknown>): Promise<[unknown, unknown]> => [
        await call(world.one),
        await call(memory),
      ];
      for (const { kind, owner, ttl } of steps) {
        const results = await both(async (kv) => {
          if (kind === 1) return kv.run(extendLease, [lease], [owner, ttl]);
          if (kind === 2) return kv.run(releaseLease, [lease], [owner]);
          if (kind === 3) return kv.get(lease);
          const [given] = await kv.run(acquireLease, [lease, fence], [owner, ttl]);
          // The fence itself depends on the moment; what it must equal is what the store remembers.
          return given === 0 ? 'held' : String(given) === (await kv.get(fence));
        });
        assert.deepEqual(results[0], results[1]);
      }
    }),
    { numRuns: 40 },
  );
});

test('two replicas on Redis: exclusive under a race, fences grow, a killed replica is followed', async () => {
  await using world = await openRedisWorld(redis.config({ keyPrefix: 'race' }));
  const owners = [world.one, world.two].map((kv, index) =>
    createLeases(kv, { clock: systemClock, ownerId: `r${index}` }),
  );
  let last = 0;
  for (let round = 0; round < 20; round += 1) {
    const taken = await Promise.all(
      Array.from({ length: 8 }, (_, index) => owners[index % 2]?.tryAcquire('login', 5000) ?? null),
    );
    const winners = taken.filter((lease) => lease !== null);
    assert.equal(winners.length, 1);
    const [winner] = winners;
    assert.ok(winner && winner.fence > last);
    last = winner.fence;
    await winner[Symbol.asyncDispose]();
  }
  const { kv } = watchedRedis(redis.config({ keyPrefix: 'race' }));
  const doomed = held(await createLeases(kv, { clock: systemClock, ownerId: 'doomed' }).tryAcquire('login', 300));
  await kv[Symbol.asyncDispose]();
  const next = await eventually('the next one gets it', () => owners[0]?.tryAcquire('login', 5000));
  assert.ok(next.fence > doomed.fence);
  await eventually('the cut-off holder knows', () => doomed.lost.aborted);
  await next[Symbol.asyncDispose]();
});

test('on Redis a lease outlives its time to live, and is lost with the data of Redis', async () => {
  await using own = await startRedis();
  await using world = await openRedisWorld(own.config());
  const [one, two] = [world.one, world.two].map((kv, index) =>
    createLeases(kv, { clock: systemClock, ownerId: `r${index}` }),
  );
  assert.ok(one && two);
  await using lease = held(await one.tryAcquire('login', 300));
  const before = lease.fence;
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(await two.tryAcquire('login', 300), null);
  assert.equal(lease.lost.aborted, false);
  await own.kill();
  await own.start();
  await eventually('the loss is noticed', () => lease.lost.aborted);
  const next = await eventually('another gets it', () => two.tryAcquire('login', 300));
  assert.ok(next.fence > before, 'the fence grows although Redis came back empty');
  await next[Symbol.asyncDispose]();
});
