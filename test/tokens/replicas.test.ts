import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLeases } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { accountOf, createRandom, createWorld, type World } from './replicas.ts';

/** Lets every account poll on every replica at random moments; each JWT must be good when it is handed out. */
async function poll(world: World, names: readonly string[], forMs: number, stepMs: number): Promise<number> {
  const random = createRandom(42);
  const end = world.clock.now() + forMs;
  let calls = 0;
  while (world.clock.now() < end) {
    for (const replica of world.replicas) {
      for (const name of names) {
        if (random() < 0.5) continue;
        calls += 1;
        const token = await world.get(replica, name);
        assert.ok(world.vovserver.accepts(token), `${name} got a dead JWT`);
      }
    }
    await world.clock.advance(stepMs);
  }
  return calls;
}

/** Pauses between the logins of an account, milliseconds. */
function pauses(world: World, name: string): number[] {
  const times = world.vovserver.loginsOf(name).map(({ at }) => at);
  return times.slice(1).map((at, index) => at - (times[index] ?? at));
}

describe('the broker on several replicas', () => {
  it('logs each account in exactly once for each period', async () => {
    await using world = createWorld({ replicas: 4 });
    const names = Array.from({ length: 25 }, (_, index) => `u${index}`);
    world.enrol(...names);
    const calls = await poll(world, names, 30 * 20_000, 1700);
    assert.ok(calls > 15_000);
    for (const name of names) {
      const between = pauses(world, name);
      assert.ok(between.length >= 34 && between.length <= 41, `${name}: ${between.length + 1} logins`);
      assert.ok(
        between.every((ms) => ms >= 15_000 && ms <= 17_600),
        `${name}: ${between}`,
      );
    }
    const reported = world.replicas.flatMap(({ report }) => report.logins).filter(({ result }) => result === 'ok');
    assert.equal(reported.length, world.vovserver.logins.length);
  });

  it('does so when logins are slow, also for callers without any JWT', async () => {
    await using world = createWorld({ replicas: 3, broker: { lease: '1s' } });
    world.enrol('alice');
    world.vovserver.latency = 8000;
    world.vovserver.life = 100_000;
    const first = Promise.all(world.replicas.map((replica) => world.get(replica, 'alice')));
    await world.clock.advance(8500);
    assert.equal(new Set((await first).map(({ accessToken }) => accessToken.reveal())).size, 1);
    await world.clock.advance(1_000_000);
    const between = pauses(world, 'alice');
    assert.ok(between.length >= 10);
    assert.ok(
      between.every((ms) => ms >= 75_000 && ms <= 94_000),
      `${between}`,
    );
  });

  it('takes over when the holder of the login lease dies in the middle', async () => {
    const frozen = createManualClock();
    await using world = createWorld({
      replicas: 2,
      // Replica 0 neither extends nor frees its lease, as a process that was killed.
      leases: (kv, clock, replica) => {
        const leases = createLeases(kv, { clock: replica === 0 ? frozen : clock, ownerId: `r${replica}` });
        if (replica !== 0) return leases;
        return {
          async tryAcquire(name, ttlMs) {
            const lease = await leases.tryAcquire(name, ttlMs);
            return lease && { fence: lease.fence, lost: lease.lost, [Symbol.asyncDispose]: async () => undefined };
          },
        };
      },
    });
    world.enrol('alice');
    const [dying, other] = world.replicas;
    assert.ok(dying && other);
    world.vovserver.latency = 600_000;
    const lost = assert.rejects(world.get(dying, 'alice'));
    await world.clock.advance(100);
    world.vovserver.latency = 0;
    let got = false;
    const taken = world.get(other, 'alice').then((token) => {
      got = true;
      return token;
    });
    await world.clock.advance(2800);
    assert.equal(got, false, 'the lease still counts');
    await world.clock.advance(500);
    assert.equal(got, true, 'the lease has run out');
    assert.ok(world.vovserver.accepts(await taken));
    assert.equal(world.vovserver.logins.length, 2);
    await dying.broker[Symbol.asyncDispose]();
    await lost;
  });

  it('keeps serving the old JWT while another replica holds the lease', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const old = await world.get(world.first, 'alice');
    const [login] = world.first.kv.seen.filter((call) => call.includes('lease:{login:'));
    const key = /lease:\{login:[^}]+\}/.exec(login ?? '')?.[0];
    assert.ok(key, 'the lease names the account by its tag');
    await world.store.set(key, 'another replica', 18_500);
    await world.clock.advance(18_000);
    assert.equal(world.first.broker.credentialFor(accountOf('alice')).get(), old);
    assert.equal(world.vovserver.logins.length, 1);
    await world.clock.advance(1500);
    assert.notEqual(await world.get(world.first, 'alice'), old);
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('finds the JWT of another replica in the store when no message came', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    await world.get(a, 'alice');
    await world.get(b, 'alice');
    assert.deepEqual(b.report.lookups, ['main store']);
    await a.broker[Symbol.asyncDispose]();
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('refuses a write under an older fence and uses the newer JWT', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.latency = 5000;
    const late = world.get(a, 'alice');
    await world.clock.advance(100);
    // The store loses the lease of a; b logs in and writes first.
    const acquired = a.kv.seen.find((call) => call.includes('lease:{login:')) ?? '';
    await world.store.delete(/lease:\{login:[^}]+\}/.exec(acquired)?.[0] ?? '');
    world.vovserver.latency = 0;
    const newer = await world.get(b, 'alice');
    await world.clock.advance(6000);
    assert.equal((await late).accessToken.reveal(), newer.accessToken.reveal());
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), newer.accessToken.reveal());
  });

  it('starts afresh for another server when it refuses the JWT of the old one, and finds the old one again', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    const before = await world.get(a, 'alice');
    world.vovserver.epochName = 'vov2:6330';
    await world.clock.advance(2000);
    const suspect = await world.get(a, 'alice');
    assert.equal(suspect.accessToken.reveal(), before.accessToken.reveal(), 'it is tried');
    const there = await a.broker.credentialFor(accountOf('alice')).renew(suspect);
    assert.notEqual(there.accessToken.reveal(), before.accessToken.reveal());
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), there.accessToken.reveal());
    world.vovserver.epochName = 'vov1:6330';
    await world.clock.advance(2000);
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), before.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('logs in once when vovserver moved during the login: the JWT is tried there first', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.vovserver.latency = 1000;
    const token = world.get(world.first, 'alice');
    await world.clock.advance(500);
    world.vovserver.epochName = 'vov2:6330';
    await world.clock.advance(3000);
    assert.equal((await token).issuedAt, world.vovserver.logins[0]?.at);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('drops a JWT on every replica, and only that account', async () => {
    await using world = createWorld({ replicas: 3 });
    world.enrol('alice', 'bob');
    const [a, b, c] = world.replicas;
    assert.ok(a && b && c);
    for (const replica of world.replicas) {
      await world.get(replica, 'alice');
      await world.get(replica, 'bob');
    }
    await world.clock.advance(2000);
    await b.broker.drop(accountOf('alice'));
    await world.clock.advance(1);
    const after = await world.get(c, 'alice');
    assert.equal(after.issuedAt, world.clock.now());
    assert.equal((await world.get(a, 'alice')).accessToken.reveal(), after.accessToken.reveal());
    assert.equal(world.vovserver.loginsOf('alice').length, 2);
    assert.equal(world.vovserver.loginsOf('bob').length, 1);
  });
});
