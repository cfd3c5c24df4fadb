import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/kernel/index.ts';
import { createTurns, type HeldTurn, type Turns } from '../../src/limits/index.ts';
import { createRedisKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { startRedis } from '../world/redis.ts';
import { LANES } from './limits-world.ts';
import {
  askFor,
  createTurnsReport,
  createTurnsWorld,
  fixedLanes,
  type Lanes,
  laneOf,
  limitsWith,
  OK,
  watchAsk,
} from './turns-world.ts';

const sharesOf = (all: readonly Turns[]): number[] => all.map((turns) => laneOf(turns).share);

/** Floods a replica: turns that are held until given back. */
function flood(turns: Turns, count: number) {
  const asked = Array.from({ length: count }, () => watchAsk(turns, askFor({ waitMs: 60_000 })));
  return {
    held: (): HeldTurn[] => asked.flatMap(({ turn }) => (turn === null ? [] : [turn])),
    giveBack(most: number): void {
      for (const { turn } of asked.filter((each) => each.turn !== null).slice(0, most)) turn?.done(OK);
      asked.splice(0, most);
    },
  };
}

describe('turns of several replicas', () => {
  it('have equal shares without demand, by demand with it, never more than the limit together', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(9), replicas: 3 });
    for (const turns of world.all) watchAsk(turns, askFor({ lane: 'list' }));
    await world.clock.advance(10_000);
    assert.deepEqual(sharesOf(world.all), [3, 3, 3]);
    const busy = flood(world.turns, 40);
    await world.clock.advance(5000);
    assert.deepEqual(sharesOf(world.all), [7, 1, 1]);
    assert.equal(busy.held().length, 7);
    const other = flood(world.all[1] ?? world.turns, 40);
    for (let i = 0; i < 100; i += 1) {
      await world.clock.advance(100);
      const out = busy.held().length + other.held().length;
      assert.ok(out <= 9);
      if (i === 30) busy.giveBack(7);
    }
    assert.deepEqual(sharesOf(world.all), [4, 4, 1]);
  });

  it('are taken by another only after they were given up', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(4), replicas: 2 });
    const [one, two] = world.all;
    assert.ok(one !== undefined && two !== undefined);
    await world.clock.advance(10_000);
    const first = flood(one, 20);
    watchAsk(two, askFor({ lane: 'list' }));
    await world.clock.advance(5000);
    assert.equal(first.held().length, 3);
    const second = flood(two, 20);
    await world.clock.advance(20_000);
    // The first has a share of two, but three calls are out still.
    assert.deepEqual([laneOf(one).share, laneOf(one).inFlight, second.held().length], [2, 3, 1]);
    first.giveBack(1);
    await world.clock.advance(2000);
    assert.deepEqual([laneOf(one).inFlight, second.held().length], [2, 2]);
  });

  it('go round when there are fewer than replicas', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1), replicas: 3 });
    const got = [0, 0, 0];
    const serve = (i: number, turns: Turns): void => {
      const taken = turns.take(askFor({ waitMs: 60_000 }));
      void Promise.resolve(taken).then(
        (turn) => {
          got[i] = (got[i] ?? 0) + 1;
          world.clock.after(50, () => {
            turn.done(OK);
            serve(i, turns);
          });
        },
        () => undefined,
      );
    };
    world.all.forEach((turns, i) => {
      serve(i, turns);
    });
    for (let i = 0; i < 600; i += 1) {
      await world.clock.advance(50);
      assert.ok(world.all.reduce((sum, turns) => sum + laneOf(turns).inFlight, 0) <= 1);
    }
    assert.ok(Math.min(...got) >= 60, got.join(' '));
  });

  it('of one that died or left go to the others', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(4), replicas: 2 });
    const [one, two] = world.all;
    assert.ok(one !== undefined && two !== undefined);
    const killed = world.start('killed', { clock: { ...world.clock, every: () => ({ [Symbol.dispose]() {} }) } });
    for (const turns of [one, two, killed]) watchAsk(turns, askFor());
    await world.clock.advance(4000);
    assert.deepEqual(sharesOf([one, two]).sort(), [1, 2]);
    await world.clock.advance(6000);
    assert.deepEqual(sharesOf([one, two]), [2, 2]);
    await two[Symbol.asyncDispose]();
    await world.clock.advance(1000);
    assert.deepEqual(sharesOf([one]), [4]);
  });

  it('of one that stood still are an equal part at once when it goes on, before it asks the store', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(8), replicas: 2 });
    let tick = (): void => undefined;
    const every = (_ms: number, fn: () => void): Disposable => {
      tick = fn;
      return { [Symbol.dispose]: () => undefined };
    };
    let stands = false;
    const after = (ms: number, fn: () => void): Disposable => world.clock.after(ms, () => stands || fn());
    const still = world.start('still', { clock: { ...world.clock, every, after } });
    const [one, two] = world.all;
    assert.ok(one !== undefined && two !== undefined);
    for (const turns of [one, two]) watchAsk(turns, askFor({ lane: 'list' }));
    await world.clock.advance(3000);
    flood(still, 30);
    tick();
    await world.clock.advance(1500);
    tick();
    await world.clock.advance(1500);
    assert.ok(laneOf(still).share > 2);
    stands = true;
    await world.clock.advance(6000);
    stands = false;
    tick();
    assert.equal(laneOf(still).share, 2);
    await world.clock.advance(0);
  });

  it('are an equal part for the last known replicas while the store is away', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(8), replicas: 2 });
    const [one, two] = world.all;
    assert.ok(one !== undefined && two !== undefined);
    watchAsk(two, askFor());
    const busy = flood(one, 40);
    await world.clock.advance(10_000);
    assert.deepEqual(sharesOf(world.all), [7, 1]);
    world.store.mode = 'failing';
    world.state.replicas = 5;
    for (let i = 0; i < 45; i += 1) {
      await world.clock.advance(100);
      assert.ok(sharesOf(world.all).reduce((a, b) => a + b, 0) <= 8);
    }
    await world.clock.advance(2000);
    assert.deepEqual(sharesOf(world.all), [4, 4]);
    busy.giveBack(40);
    world.store.mode = 'up';
    await world.clock.advance(10_000);
    assert.ok(sharesOf(world.all).reduce((a, b) => a + b, 0) <= 8);
  });

  it('do not grow when the store is back before all have told what they took meanwhile', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(8), replicas: 2 });
    const [one, two] = world.all;
    assert.ok(one !== undefined && two !== undefined);
    const busy = flood(one, 40);
    watchAsk(two, askFor({ lane: 'list' }));
    await world.clock.advance(10_000);
    assert.deepEqual(sharesOf(world.all), [7, 1]);
    world.store.mode = 'failing';
    for (let i = 0; i < 8; i += 1) {
      for (const turn of busy.held()) turn.done(OK);
      await world.clock.advance(0);
    }
    await world.clock.advance(10_000);
    for (const turns of world.all) flood(turns, 40);
    assert.deepEqual(sharesOf(world.all), [4, 4]);
    // The ledger knows of 7 and 1 still, and of nobody who lives.
    world.store.mode = 'up';
    for (let i = 0; i < 100; i += 1) {
      await world.clock.advance(100);
      const out = world.all.map((turns) => laneOf(turns).inFlight);
      assert.ok(out.reduce((a, b) => a + b, 0) <= 8, out.join(' '));
    }
    assert.deepEqual(sharesOf(world.all), [4, 4]);
  });

  it('are an equal part for the configured replicas when the store was never there, at least one', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(7), replicas: 3 });
    world.store.mode = 'failing';
    const waiting = watchAsk(world.turns, askFor());
    await world.clock.advance(0);
    assert.ok(waiting.turn);
    assert.equal(laneOf(world.turns).share, 2);
    world.state.limits = limitsWith(fixedLanes(1));
    await world.clock.advance(6000);
    assert.equal(laneOf(world.turns).share, 1);
  });

  it('do not grow at once after the store forgot everything', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(8), replicas: 2 });
    const [one, two] = world.all;
    assert.ok(one !== undefined && two !== undefined);
    flood(one, 40);
    watchAsk(two, askFor({ lane: 'list' }));
    await world.clock.advance(10_000);
    await world.memory.delete('limit:{turns}');
    flood(two, 40);
    for (let i = 0; i < 100; i += 1) {
      await world.clock.advance(100);
      assert.ok(laneOf(one).inFlight + laneOf(two).inFlight <= 8);
    }
    assert.equal(laneOf(one).inFlight + laneOf(two).inFlight, 8);
  });

  it('take what is no ledger for an empty one', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(4), shared: true });
    for (const nonsense of ['nonsense', 'null', '7', '{"beats":{}}']) {
      await world.memory.set('limit:{turns}', nonsense, null);
      watchAsk(world.turns, askFor());
      await world.clock.advance(1000);
      assert.match((await world.memory.get('limit:{turns}')) ?? '', /"vnc read"/);
    }
    await world.clock.advance(10_000);
    assert.equal(laneOf(world.turns).share, 4);
  });
});

describe('adaptive turns', () => {
  /** Calls that take what a server with `helpers` gives them, as many as may be out. */
  async function serve(world: Awaited<ReturnType<typeof createTurnsWorld>>, helpers: number, seconds: number) {
    let out = 0;
    let peak = 0;
    const one = async (turns: Turns): Promise<void> => {
      const turn = await turns.take(askFor({ waitMs: 60_000 }));
      out += 1;
      peak = Math.max(peak, out);
      const takes = 0.05 * Math.max(1, out / helpers);
      await world.clock.sleep(takes * 1000);
      out -= 1;
      turn.done({ ok: true, seconds: takes });
    };
    const until = world.clock.now() + seconds * 1000;
    const caller = async (turns: Turns): Promise<void> => {
      while (world.clock.now() < until) await one(turns).catch(() => undefined);
    };
    for (const turns of world.all) for (let i = 0; i < 40; i += 1) void caller(turns);
    await world.clock.advance(seconds * 1000);
    return peak;
  }
  const adaptive = (concurrency: number, most: number): Lanes => {
    return { ...LANES, mode: 'adaptive', read: { concurrency, most } };
  };

  for (const replicas of [1, 2]) {
    it(`follow the server, alone or with others: ${replicas}`, async () => {
      await using world = await createTurnsWorld({ lanes: adaptive(2, 64), replicas });
      await serve(world, 8, 40);
      const limits = new Set(world.all.map((turns) => laneOf(turns).limit));
      const [limit = 0] = limits;
      assert.ok(limit >= 6 && limit <= 24, `${limit}`);
      assert.ok(sharesOf(world.all).reduce((a, b) => a + b, 0) <= Math.max(...limits));
    });
  }

  it('never go above the most, and shrink when answers are bad', async () => {
    await using world = await createTurnsWorld({ lanes: adaptive(4, 6) });
    assert.ok((await serve(world, 100, 20)) <= 6);
    assert.equal(laneOf(world.turns).limit, 6);
    await world.clock.advance(5000);
    assert.equal(laneOf(world.turns).inFlight, 0);
    for (let i = 0; i < 40; i += 1) watchAsk(world.turns, askFor()).turn?.done({ ok: false, seconds: 1 });
    await world.clock.advance(1000);
    assert.ok(laneOf(world.turns).limit <= 4);
  });

  it('start anew from the configured limit when the mode was fixed meanwhile', async () => {
    await using world = await createTurnsWorld({ lanes: adaptive(4, 16) });
    await serve(world, 100, 20);
    assert.ok(laneOf(world.turns).limit > 4);
    world.state.limits = limitsWith({ ...adaptive(4, 16), mode: 'fixed' });
    await world.clock.advance(1000);
    assert.equal(laneOf(world.turns).limit, 4);
  });
});

describe('turns of three replicas on one Redis', () => {
  it('are never more than the limit, while demand and shares move and replicas come and go', async () => {
    await using redis = await startRedis();
    const limit = 5;
    const config = limitsWith(fixedLanes(limit, { maxWait: 60_000 }));
    let out = 0;
    let peak = 0;
    const start = (replicaId: string) => {
      const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
      const turns = createTurns({
        config: () => config,
        kv,
        replicas: () => 3,
        clock: systemClock,
        random: () => 0.5,
        report: createTurnsReport().report,
        replicaId,
      });
      return { kv, turns, served: 0 };
    };
    const replicas = [start('a'), start('b'), start('c')];
    const serve = async (replica: (typeof replicas)[number], calls: number): Promise<void> => {
      for (let i = 0; i < calls; i += 1) {
        const turn = await replica.turns.take(askFor());
        out += 1;
        peak = Math.max(peak, out);
        await systemClock.sleep(2);
        out -= 1;
        turn.done(OK);
        replica.served += 1;
      }
    };
    const flood = (replica: (typeof replicas)[number], callers: number): Promise<unknown> =>
      Promise.all(Array.from({ length: callers }, () => serve(replica, 60)));
    const [a, b, c] = replicas;
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    const whole = (...some: readonly (typeof replicas)[number][]): Promise<true> =>
      eventually('the shares make up the limit', () => {
        return sharesOf(some.map(({ turns }) => turns)).reduce((x, y) => x + y, 0) === limit;
      });
    await Promise.all(replicas.map((replica) => serve(replica, 1)));
    await whole(a, b, c);
    await Promise.all([flood(a, 20), flood(b, 2)]);
    await Promise.all([flood(b, 20), flood(c, 20), flood(a, 1)]);
    await c.turns[Symbol.asyncDispose]();
    await Promise.all([flood(a, 10), flood(b, 10)]);
    assert.equal(peak, limit);
    assert.equal(a.served + b.served + c.served, 60 * 83 + 3);
    assert.equal(out, 0);
    await whole(a, b);
    const stored = String(await redis.command('get', 'test:limit:{turns}'));
    assert.doesNotMatch(stored, /alice|t1|"[abc]"/);
    assert.ok(Number(await redis.command('pttl', 'test:limit:{turns}')) > 0);
    for (const { turns, kv } of replicas) {
      await turns[Symbol.asyncDispose]();
      await kv[Symbol.asyncDispose]();
    }
  });
});
