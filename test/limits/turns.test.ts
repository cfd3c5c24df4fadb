import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import type { Lane } from '../../src/limits/index.ts';
import {
  type Asked,
  askFor,
  createCaller,
  createTurnsWorld,
  fixedLanes,
  laneOf,
  limitsWith,
  OK,
  watchAsk,
} from './turns-world.ts';

type TurnsWorld = Awaited<ReturnType<typeof createTurnsWorld>>;

const saturated = (error: unknown): GatewayError => {
  assert.ok(error instanceof GatewayError);
  assert.equal(error.code, 'GW_SATURATED');
  assert.equal(error.status, 503);
  assert.ok(Number.isInteger(error.retryAfter) && (error.retryAfter ?? 0) >= 1 && (error.retryAfter ?? 9) <= 5);
  return error;
};

describe('turns', () => {
  it('are synchronous while there is room, and come free when given back', async () => {
    await using world = await createTurnsWorld();
    const [first, second, third] = [1, 2, 3].map(() => watchAsk(world.turns, askFor()));
    assert.deepEqual([first?.sync, second?.sync, third?.sync], [true, true, false]);
    assert.deepEqual(laneOf(world.turns), { queue: 'vnc', lane: 'read', share: 2, limit: 2, inFlight: 2, waiting: 1 });
    first?.turn?.done(OK);
    await world.clock.advance(0);
    assert.ok(third?.turn);
    assert.deepEqual([laneOf(world.turns).inFlight, laneOf(world.turns).waiting], [2, 0]);
  });

  it('are given back once, however often that is said', async () => {
    await using world = await createTurnsWorld();
    const { turn } = watchAsk(world.turns, askFor());
    for (let i = 0; i < 3; i += 1) turn?.done(OK);
    assert.equal(laneOf(world.turns).inFlight, 0);
  });

  it('have pools of their own by queue and lane', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1) });
    for (const queue of ['vnc', 'other']) {
      for (const lane of ['control', 'submit', 'read', 'list'] as const) {
        assert.equal(watchAsk(world.turns, askFor({ queue, lane })).sync, true);
        assert.equal(watchAsk(world.turns, askFor({ queue, lane })).sync, false);
      }
    }
    assert.equal(world.turns.state().length, 8);
  });

  it('go at once to a kill while a flood of lists and reads waits', async () => {
    await using world = await createTurnsWorld();
    for (let i = 0; i < 150; i += 1) {
      watchAsk(world.turns, askFor({ lane: 'list' }));
      watchAsk(world.turns, askFor({ lane: 'read' }));
    }
    assert.equal(watchAsk(world.turns, askFor({ lane: 'control' })).sync, true);
    assert.equal(watchAsk(world.turns, askFor({ lane: 'submit' })).sync, true);
  });

  it('when the queue is overdrawn after a limit was lowered, reads and lists stand back, kills and submissions do not', async () => {
    const four = fixedLanes(4);
    await using world = await createTurnsWorld({ lanes: four });
    const lists = Array.from({ length: 4 }, () => watchAsk(world.turns, askFor({ lane: 'list' })));
    for (let i = 0; i < 4; i += 1) watchAsk(world.turns, askFor({ lane: 'submit', identity: `local:${i}` }));
    const low = { concurrency: 1, most: 8 };
    world.state.limits = limitsWith({
      ...four,
      submit: low,
      list: low,
      read: low,
      control: { concurrency: 2, most: 8 },
    });
    await world.clock.advance(1000);
    // Eight are out where five may be.
    const read = watchAsk(world.turns, askFor({ lane: 'read' }));
    const kill = watchAsk(world.turns, askFor({ lane: 'control' }));
    assert.deepEqual([read.sync, kill.sync], [false, true]);
    for (const { turn } of lists) turn?.done(OK);
    await world.clock.advance(0);
    assert.equal(read.turn, null, 'five submissions and kills are out still');
    kill.turn?.done(OK);
    await world.clock.advance(0);
    assert.ok(read.turn);
  });

  it('come to who waits in the order of the lanes', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1) });
    const lanes: readonly Lane[] = ['list', 'read', 'submit', 'control'];
    for (const lane of lanes) watchAsk(world.turns, askFor({ lane }));
    const order: string[] = [];
    for (const lane of lanes) {
      void Promise.resolve(world.turns.take(askFor({ lane, identity: 'local:bob' }))).then(() => order.push(lane));
    }
    world.state.limits = limitsWith(fixedLanes(2));
    await world.clock.advance(1000);
    assert.deepEqual(order, ['control', 'submit', 'read', 'list']);
  });

  it('are shared equally between one with many connections and one with one', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1) });
    const held = watchAsk(world.turns, askFor());
    const flood = Array.from({ length: 100 }, () => watchAsk(world.turns, askFor({ identity: 'local:flood' })));
    const single = watchAsk(world.turns, askFor({ identity: 'local:bob' }));
    held.turn?.done(OK);
    await world.clock.advance(0);
    flood[0]?.turn?.done(OK);
    await world.clock.advance(0);
    assert.ok(single.turn);
  });

  it('for kills and submissions: the last is kept for whoever has none, and shows as used', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(3) });
    for (const lane of ['submit', 'control'] as const) {
      const flood = Array.from({ length: 20 }, () => watchAsk(world.turns, askFor({ lane, identity: 'local:flood' })));
      assert.equal(flood.filter(({ turn }) => turn !== null).length, 2);
      const single = watchAsk(world.turns, askFor({ lane, identity: 'local:bob' }));
      await world.clock.advance(0);
      assert.ok(single.turn, 'a newcomer passes all who wait');
      const second = watchAsk(world.turns, askFor({ lane, identity: 'local:bob' }));
      single.turn.done(OK);
      await world.clock.advance(0);
      assert.ok(second.turn, 'it is kept for one who has none, not for one who waits longest');
      flood[0]?.turn?.done(OK);
      await world.clock.advance(0);
      assert.equal(flood.filter(({ turn }) => turn !== null).length, 2);
      second.turn.done(OK);
      await world.clock.advance(0);
      assert.equal(flood.filter(({ turn }) => turn !== null).length, 3);
    }
  });

  it('of a lane with one turn, and of reads and lists, are all to be had', async () => {
    await using one = await createTurnsWorld({ lanes: fixedLanes(1) });
    assert.equal(watchAsk(one.turns, askFor({ lane: 'submit' })).sync, true);
    await using three = await createTurnsWorld({ lanes: fixedLanes(3) });
    for (const lane of ['read', 'list'] as const) {
      for (let i = 0; i < 3; i += 1) assert.equal(watchAsk(three.turns, askFor({ lane })).sync, true);
    }
  });

  it('learn what a route costs from answers that were good', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1) });
    const run = async (route: string, ok: boolean, seconds: number): Promise<void> =>
      (await world.turns.take(askFor({ route }))).done({ ok, seconds });
    await run('/dear', true, 4);
    await run('/cheap', true, 1);
    // Fails at once: that makes nothing cheap.
    for (let i = 0; i < 50; i += 1) await run('/dear', false, 0);
    let current = watchAsk(world.turns, askFor());
    const order: string[] = [];
    for (let i = 0; i < 8; i += 1) {
      for (const [identity, route] of [
        ['ann', '/dear'],
        ['bob', '/cheap'],
      ] as const) {
        void Promise.resolve(world.turns.take(askFor({ identity, route }))).then(
          (turn) => {
            order.push(identity);
            current = { turn, error: null, sync: false };
          },
          () => undefined,
        );
      }
    }
    for (let i = 0; i < 10; i += 1) {
      current.turn?.done({ ok: false, seconds: 1 });
      await world.clock.advance(0);
    }
    assert.deepEqual(order, ['ann', 'bob', 'bob', 'bob', 'bob', 'ann', 'bob', 'bob', 'bob', 'bob']);
  });
});

describe('turns and connections', () => {
  const many = (world: TurnsWorld, count: number, changes: Parameters<typeof askFor>[0]) =>
    Array.from({ length: count }, () => watchAsk(world.turns, askFor(changes)));
  const given = (asked: readonly Asked[]): number => asked.filter(({ turn }) => turn !== null).length;
  const start = (): Promise<TurnsWorld> => createTurnsWorld({ lanes: fixedLanes(8), connections: 3 });

  it('of one identity are no more than its account has connections, over all lanes but control', async () => {
    await using world = await start();
    assert.equal(given(many(world, 5, { lane: 'read' })), 3);
    assert.equal(given(many(world, 5, { lane: 'submit' })), 0);
    assert.equal(given(many(world, 5, { lane: 'list' })), 0);
    assert.equal(given(many(world, 5, { lane: 'control' })), 5, 'kills have connections of their own');
    const others = many(world, 2, { lane: 'submit', identity: 'local:bob' });
    await world.clock.advance(0);
    assert.equal(given(others), 2, 'another account passes who waits for a connection');
  });

  it('are given when a call of the account ends in another lane, submissions first', async () => {
    await using world = await start();
    const reads = many(world, 5, { lane: 'read' });
    const submit = many(world, 1, { lane: 'submit' });
    reads[0]?.turn?.done(OK);
    await world.clock.advance(0);
    assert.deepEqual([given(submit), given(reads)], [1, 3]);
    submit[0]?.turn?.done(OK);
    await world.clock.advance(0);
    assert.equal(given(reads), 4);
  });

  it('of a shared account are left for the submissions of others', async () => {
    await using world = await start();
    const flood = many(world, 9, { lane: 'read', account: 'team', identity: 'local:flood' });
    const reads = many(world, 2, { lane: 'read', account: 'team', identity: 'local:bob' });
    const submits = many(world, 5, { lane: 'submit', account: 'team', identity: 'local:bob' });
    await world.clock.advance(0);
    assert.deepEqual([given(flood), given(reads), given(submits)], [3, 0, 3]);
    for (const { turn } of submits) turn?.done(OK);
    flood[0]?.turn?.done(OK);
    await world.clock.advance(0);
    assert.deepEqual([given(submits), given(reads)], [5, 0]);
    for (const { turn } of submits) turn?.done(OK);
    await world.clock.advance(0);
    assert.deepEqual([given(flood), given(reads)], [4, 0]);
    flood[1]?.turn?.done(OK);
    await world.clock.advance(0);
    assert.deepEqual([given(flood), given(reads)], [4, 1], 'in turn between those who share');
  });

  it('leave nothing behind when all is over, whoever went away', async () => {
    await using world = await start();
    const caller = createCaller();
    const asked = [...many(world, 5, {}), ...many(world, 2, { signal: caller.signal })];
    caller.go();
    for (let i = 0; i < 3; i += 1) {
      for (const { turn } of asked) turn?.done(OK);
      await world.clock.advance(0);
    }
    assert.deepEqual([laneOf(world.turns).inFlight, laneOf(world.turns).waiting], [0, 0]);
    assert.equal(given(many(world, 5, {})), 3);
  });
});

describe('an ask without a turn', () => {
  it('is told so after the configured time', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1, { maxWait: 3000 }) });
    watchAsk(world.turns, askFor());
    const waiting = watchAsk(world.turns, askFor());
    await world.clock.advance(2999);
    assert.equal(waiting.error, null);
    await world.clock.advance(1);
    saturated(waiting.error);
    assert.equal(world.told.turns.at(-1), 'vnc read late 3');
    assert.equal(laneOf(world.turns).waiting, 0);
  });

  it('waits as long as its caller wants, up to the longest', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1, { maxWait: 3000, longestWait: 20_000 }) });
    watchAsk(world.turns, askFor());
    const [patient, greedy] = [15_000, 900_000].map((waitMs) => watchAsk(world.turns, askFor({ waitMs })));
    await world.clock.advance(14_999);
    assert.equal(patient?.error, null);
    await world.clock.advance(1);
    saturated(patient?.error);
    await world.clock.advance(4999);
    assert.equal(greedy?.error, null);
    await world.clock.advance(1);
    saturated(greedy?.error);
    for (const waitMs of [0, -5]) saturated(watchAsk(world.turns, askFor({ waitMs })).error);
  });

  it('is refused at once when the line is full, by identity and in all', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1, { queueLength: 5, identityQueueLength: 3 }) });
    watchAsk(world.turns, askFor());
    const alice = Array.from({ length: 4 }, () => watchAsk(world.turns, askFor()));
    assert.deepEqual(
      alice.map(({ sync }) => sync),
      [false, false, false, true],
    );
    saturated(alice[3]?.error);
    const others = Array.from({ length: 3 }, (_, i) => watchAsk(world.turns, askFor({ identity: `local:o${i}` })));
    assert.deepEqual(
      others.map(({ sync }) => sync),
      [false, false, true],
    );
    saturated(others[2]?.error);
    assert.equal(world.told.turns.at(-1), 'vnc read full 0');
  });

  it('gets a Retry-After of 1 to 5 s that spreads with chance and grows with the line', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1, { queueLength: 10 }) });
    watchAsk(world.turns, askFor());
    const refused = (random: number): number | undefined => {
      world.state.random = random;
      return saturated(watchAsk(world.turns, askFor({ waitMs: 0 })).error).retryAfter;
    };
    assert.deepEqual([refused(0), refused(0.999999)], [1, 2]);
    for (let i = 0; i < 10; i += 1) watchAsk(world.turns, askFor());
    assert.deepEqual([refused(0), refused(0.5), refused(0.999999)], [1, 3, 5]);
  });

  it('leaves the line when its caller goes, and makes room for others', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1, { queueLength: 2 }) });
    const held = watchAsk(world.turns, askFor());
    const caller = createCaller();
    const leaving = watchAsk(world.turns, askFor({ signal: caller.signal }));
    const staying = watchAsk(world.turns, askFor());
    caller.go();
    await world.clock.advance(250);
    saturated(leaving.error);
    assert.equal(world.told.turns.at(-1), 'vnc read gone 0');
    assert.equal(laneOf(world.turns).waiting, 1);
    held.turn?.done(OK);
    await world.clock.advance(0);
    assert.ok(staying.turn);
    watchAsk(world.turns, askFor({ signal: caller.signal }));
    assert.equal(world.told.turns.at(-1), 'vnc read gone 0');
  });

  it('is refused when the replica shuts down', async () => {
    const world = await createTurnsWorld({ lanes: fixedLanes(1) });
    watchAsk(world.turns, askFor());
    const waiting = watchAsk(world.turns, askFor());
    await world[Symbol.asyncDispose]();
    saturated(waiting.error);
  });
});

describe('turns under a reload', () => {
  it('are free when the mode is off, also for who waits', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1) });
    const held = watchAsk(world.turns, askFor());
    const waiting = Array.from({ length: 5 }, () => watchAsk(world.turns, askFor()));
    world.state.limits = limitsWith(fixedLanes(1, { mode: 'off' }));
    assert.equal(watchAsk(world.turns, askFor()).sync, true);
    await world.clock.advance(1000);
    assert.ok(waiting.every(({ turn }) => turn !== null));
    for (const { turn } of [held, ...waiting]) turn?.done(OK);
    world.state.limits = limitsWith(fixedLanes(1));
    assert.deepEqual([laneOf(world.turns).inFlight, laneOf(world.turns).waiting], [0, 0]);
    assert.equal(watchAsk(world.turns, askFor()).sync, true);
    assert.equal(watchAsk(world.turns, askFor()).sync, false);
  });

  it('follow a limit that was raised or lowered while calls are under way', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(3) });
    const asked = Array.from({ length: 8 }, () => watchAsk(world.turns, askFor()));
    const given = (): number => asked.filter(({ turn }) => turn !== null).length;
    world.state.limits = limitsWith(fixedLanes(5));
    await world.clock.advance(1000);
    assert.equal(given(), 5);
    world.state.limits = limitsWith(fixedLanes(2));
    await world.clock.advance(1000);
    for (let i = 0; i < 3; i += 1) asked[i]?.turn?.done(OK);
    await world.clock.advance(0);
    assert.equal(given(), 5);
    asked[3]?.turn?.done(OK);
    await world.clock.advance(0);
    assert.equal(given(), 6);
  });

  it('tell a limit that a reload changed as soon as the replicas agreed on it', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(3), shared: true });
    watchAsk(world.turns, askFor());
    await world.clock.advance(5000);
    world.told.lanes.length = 0;
    world.state.limits = limitsWith(fixedLanes(2));
    await world.clock.advance(1000);
    assert.equal(world.told.lanes.filter((line) => line.startsWith('vnc read')).at(-1), 'vnc read 2 1 0');
  });

  it('tell how the lanes stand once a second', async () => {
    await using world = await createTurnsWorld({ lanes: fixedLanes(1) });
    for (let i = 0; i < 50; i += 1) watchAsk(world.turns, askFor());
    assert.deepEqual(world.told.lanes, []);
    await world.clock.advance(1000);
    assert.deepEqual(world.told.lanes.sort(), [
      'vnc control 1 0 0',
      'vnc list 1 0 0',
      'vnc read 1 1 49',
      'vnc submit 1 0 0',
    ]);
  });
});

describe('a full line', () => {
  it('holds up nobody for whom there is room', async () => {
    const lanes = fixedLanes(8, { queueLength: 3, identityQueueLength: 3 });
    await using world = await createTurnsWorld({ lanes, connections: 2 });
    const flood = Array.from({ length: 6 }, () => watchAsk(world.turns, askFor()));
    saturated(flood.at(-1)?.error);
    assert.equal(watchAsk(world.turns, askFor({ identity: 'local:bob' })).sync, true);
    assert.ok(watchAsk(world.turns, askFor({ identity: 'local:bob', waitMs: 0 })).turn);
    saturated(watchAsk(world.turns, askFor({ identity: 'local:bob', waitMs: 0 })).error);
  });
});

describe('turns, whatever happens', () => {
  const event = fc.record({
    what: fc.constantFrom('ask', 'ask', 'ask', 'done', 'done', 'go', 'time'),
    lane: fc.constantFrom<Lane>('control', 'submit', 'read', 'list'),
    who: fc.nat(4),
    pick: fc.nat(1000),
  });

  it('never exceed the limit, never idle while somebody waits, and answer every ask once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(event, { maxLength: 80 }), async (limit, events) => {
        await using world = await createTurnsWorld({ lanes: fixedLanes(limit, { maxWait: 5000 }) });
        const asked: { at: ReturnType<typeof watchAsk>; go(): void; ended: boolean }[] = [];
        for (const { what, lane, who, pick } of events) {
          if (what === 'ask') {
            const { signal, go } = createCaller();
            asked.push({ at: watchAsk(world.turns, askFor({ lane, identity: `id${who}`, signal })), go, ended: false });
          }
          const any = asked[pick % Math.max(1, asked.length)];
          if (what === 'go') any?.go();
          if (what === 'time') await world.clock.advance(pick * 2);
          if (what === 'done' && any?.at.turn) {
            any.at.turn.done(OK);
            any.ended = true;
          }
          for (const { inFlight, waiting, lane } of world.turns.state()) {
            assert.ok(inFlight <= limit);
            const keeps = lane === 'submit' || lane === 'control' ? 1 : 0;
            const least = Math.max(1, limit - keeps);
            assert.ok(waiting === 0 || inFlight >= least, 'a turn is free while somebody waits');
          }
        }
        await world.clock.advance(0);
        const out = asked.filter(({ at, ended }) => at.turn !== null && !ended).length;
        assert.equal(
          out,
          world.turns.state().reduce((sum, { inFlight }) => sum + inFlight, 0),
        );
        await world.clock.advance(5000);
        for (const { at } of asked) assert.ok((at.turn === null) !== (at.error === null));
      }),
      { numRuns: 60 },
    );
  });
});
