import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLeases, createMemoryKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { createLoginPools } from '../../src/tokens/index.ts';
import { slotLease } from '../../src/tokens/login-pool.ts';
import { createManualClock } from '../world/manual-clock.ts';
import {
  createRandom,
  createRecordedReport,
  createSwitchedKeyValue,
  createWorld,
  type Replica,
  type World,
} from './replicas.ts';

const LIFE = 3000;
const never = new AbortController().signal;

/** The pools of several replicas over one store. */
function createScene(replicas: number, limit = 2, purpose = 'broker') {
  const clock = createManualClock();
  const store = createMemoryKeyValue({ clock });
  const report = createRecordedReport();
  const kvs = Array.from({ length: replicas }, () => createSwitchedKeyValue(store));
  const size = { limit };
  const poolsOf = (kv: KeyValue, seed: number) =>
    createLoginPools(purpose, {
      limit: () => size.limit,
      life: () => LIFE,
      leases: createLeases(kv, { clock, ownerId: `r${seed}` }),
      clock,
      random: createRandom(seed + 1),
      report,
    });
  const pools = kvs.map(poolsOf);
  let held = 0;
  let peak = 0;
  let done = 0;
  /** Holds a slot for a while. */
  const work = async (replica: number, ms: number, queue = 'main'): Promise<void> => {
    const pool = pools[replica]?.(queue);
    if (pool === undefined) throw new RangeError('no such replica');
    using _slot = await pool.take(never);
    held += 1;
    peak = Math.max(peak, held);
    await clock.sleep(ms);
    held -= 1;
    done += 1;
  };
  return { clock, kvs, pools, report, size, work, peak: () => peak, done: () => done };
}

describe('the login pool of all replicas', () => {
  it('lets no more log in at once than one replica could, and everybody in the end', async () => {
    const { clock, work, peak, done } = createScene(3);
    const all = Array.from({ length: 30 }, (_, nth) => work(nth % 3, 100));
    await clock.advance(6000);
    await Promise.all(all);
    assert.deepEqual([peak(), done()], [2, 30]);
  });

  it('shows more when it is widened, and takes the change at once', async () => {
    const { clock, work, peak, size } = createScene(3);
    const all = Array.from({ length: 30 }, (_, nth) => work(nth % 3, 1000));
    await clock.advance(500);
    assert.equal(peak(), 2);
    size.limit = 5;
    await clock.advance(10_000);
    await Promise.all(all);
    assert.ok(peak() > 2 && peak() <= 5, `${peak()}`);
  });

  it('holds a slot for as long as it takes', async () => {
    const { clock, work, peak } = createScene(2, 1);
    const all = [work(0, 10 * LIFE), work(1, 10)];
    await clock.advance(10 * LIFE - 1);
    assert.equal(peak(), 1);
    await clock.advance(1000);
    await Promise.all(all);
    assert.equal(peak(), 1);
  });

  it('frees the slot of a replica that died', async () => {
    const { clock, pools, kvs } = createScene(2, 1);
    const dead = await pools[0]?.('main').take(never);
    assert.ok(dead !== undefined);
    const [first] = kvs;
    // Its heartbeat reaches nobody any more.
    if (first !== undefined) first.reachable = false;
    let taken = false;
    const next = pools[1]?.('main')
      .take(never)
      .then(() => {
        taken = true;
      });
    await clock.advance(LIFE - 100);
    assert.equal(taken, false);
    await clock.advance(400);
    assert.equal(taken, true);
    await next;
  });

  it('is one for each replica while the store is away', async () => {
    const { clock, kvs, work, peak, report } = createScene(3);
    for (const kv of kvs) kv.reachable = false;
    const all = Array.from({ length: 30 }, (_, nth) => work(nth % 3, 100));
    await clock.advance(600);
    await Promise.all(all);
    assert.equal(peak(), 6);
    assert.deepEqual(report.all, []);
  });

  it('keeps queues and purposes apart', async () => {
    const { clock, pools, work, peak, kvs } = createScene(1, 1);
    const all = [work(0, 100, 'main'), work(0, 100, 'night')];
    await clock.advance(150);
    await Promise.all(all);
    assert.equal(peak(), 2);
    const [kv] = kvs;
    assert.ok(kv?.seen.some((text) => text.includes(slotLease('broker:night', 0))));
    assert.equal(pools.length, 1);
  });

  it('is left by whoever gives up, wherever he waits', async () => {
    const { clock, pools, work, done } = createScene(2, 1);
    const holder = work(0, 1000);
    await clock.advance(10);
    for (const pool of pools) {
      const gone = new AbortController();
      const waiting = assert.rejects(pool('main').take(gone.signal), /gave up/);
      await clock.advance(300);
      gone.abort(new Error('gave up'));
      await waiting;
    }
    await clock.advance(1000);
    await holder;
    const after = [work(0, 10), work(1, 10)];
    await clock.advance(500);
    await Promise.all(after);
    assert.equal(done(), 3);
  });
});

const each = <T>(world: World, names: readonly string[], step: (replica: Replica, name: string) => Promise<T>) =>
  Promise.all(world.replicas.flatMap((replica) => names.map((name) => step(replica, name))));

describe('the broker after a failover', () => {
  const NAMES = Array.from({ length: 20 }, (_, nth) => `u${nth}`);

  it('logs each account in once, two at a time, over all replicas', async () => {
    await using world = createWorld({ replicas: 3 });
    world.enrol(...NAMES);
    world.vovserver.latency = 100;
    const all = each(world, NAMES, (replica, name) => world.get(replica, name));
    await world.clock.advance(12_000);
    await all;
    assert.equal(world.vovserver.logins.length, NAMES.length);
    assert.equal(world.vovserver.mostRunning, 2);
  });

  it('tries the JWTs of the other server first, and logs nobody in when they are good', async () => {
    await using world = createWorld({ replicas: 2 });
    world.config = {
      ...world.config,
      queues: world.config.queues.map((queue) => ({ ...queue, urls: ['https://a:1', 'https://b:1'] })),
    };
    world.vovserver.life = 3_600_000;
    world.enrol(...NAMES);
    const first = each(world, NAMES, (replica, name) => world.get(replica, name));
    await world.clock.advance(5000);
    const before = await first;
    world.vovserver.epochName = 'vov2:6330';
    const after = await each(world, NAMES, (replica, name) => world.get(replica, name));
    assert.equal(world.vovserver.logins.length, NAMES.length);
    assert.deepEqual(
      after.map(({ accessToken }) => accessToken.reveal()),
      before.map(({ accessToken }) => accessToken.reveal()),
    );
  });

  it('replaces those that are refused, once each', async () => {
    await using world = createWorld({ replicas: 3 });
    world.vovserver.life = 3_600_000;
    world.enrol(...NAMES);
    world.vovserver.latency = 50;
    const first = each(world, NAMES, (replica, name) => world.get(replica, name));
    await world.clock.advance(12_000);
    await first;
    world.vovserver.epochName = 'vov2:6330';
    for (const name of NAMES) world.vovserver.kill(name);
    const call = async ({ broker }: Replica, name: string): Promise<boolean> => {
      const credential = broker.credentialFor({ queue: 'main', name, shared: false });
      const token = await credential.get();
      if (world.vovserver.accepts(token)) return true;
      return world.vovserver.accepts(await credential.renew(token));
    };
    world.vovserver.mostRunning = 0;
    const all = each(world, NAMES, call);
    await world.clock.advance(15_000);
    assert.ok((await all).every(Boolean));
    assert.equal(world.vovserver.logins.length, 2 * NAMES.length);
    assert.equal(world.vovserver.mostRunning, 2);
  });

  it('offers a replica that is new a JWT of the other server from the store, and never a refused one again', async () => {
    await using world = createWorld({ replicas: 2 });
    world.vovserver.life = 3_600_000;
    world.enrol('alice');
    const [one, two] = world.replicas as readonly [Replica, Replica];
    const { epochOf } = await import('../../src/upstream/index.ts');
    const [a, b] = ['https://vov1:6330', 'https://vov1b:6330'] as const;
    world.config = { ...world.config, queues: world.config.queues.map((queue) => ({ ...queue, urls: [a, b] })) };
    world.vovserver.epochName = epochOf(a);
    const old = await world.get(one, 'alice');
    world.vovserver.epochName = epochOf(b);
    const suspect = await world.get(two, 'alice');
    assert.equal(suspect.accessToken.reveal(), old.accessToken.reveal());
    world.vovserver.kill('alice');
    const credential = two.broker.credentialFor({ queue: 'main', name: 'alice', shared: false });
    const renewing = credential.renew(suspect);
    await world.clock.advance(2000);
    const fresh = await renewing;
    assert.ok(world.vovserver.accepts(fresh));
    assert.equal((await world.get(one, 'alice')).accessToken.reveal(), fresh.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('keeps a JWT under the server that gave it, when another is in use by now', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    world.vovserver.life = 3_600_000;
    const login = world.vovserver.login;
    Object.assign(world.vovserver, {
      async login(...args: Parameters<typeof login>) {
        world.vovserver.epochName = 'vov2:6330';
        return { ...(await login(...args)), epoch: 'vov2:6330' };
      },
    });
    for (const replica of world.replicas) {
      const got = world.get(replica, 'alice');
      await world.clock.advance(1000);
      await got;
    }
    assert.equal(world.vovserver.logins.length, 1);
  });
});
