import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Turns } from '../../src/limits/index.ts';
import { askFor, createTurnsWorld, fixedLanes, laneOf, OK } from './turns-world.ts';

const HOUR = 3_600_000;
const LIMIT = 10;

/** Three replicas of which one has a wall clock of its own, to be set. */
async function createSteppedWorld() {
  const world = await createTurnsWorld({ lanes: fixedLanes(LIMIT, { maxWait: 10 * HOUR }), replicas: 2 });
  world.state.replicas = 3;
  let offset = 0;
  const stepped = world.start('stepped', { clock: { ...world.clock, now: () => world.clock.now() + offset } });
  const all: readonly Turns[] = [...world.all, stepped];
  return {
    ...world,
    all,
    stepped,
    step: (ms: number): void => {
      offset += ms;
    },
    out: (): number => all.reduce((sum, turns) => sum + laneOf(turns).inFlight, 0),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}
type World = Awaited<ReturnType<typeof createSteppedWorld>>;

/** Somebody who takes a turn for some time, again and again, until told to stop. */
async function serve(world: World, turns: Turns, ms: () => number, goes: () => boolean): Promise<void> {
  while (goes()) {
    const turn = await turns.take(askFor());
    await world.clock.sleep(ms());
    turn.done(OK);
  }
}

/** `seconds` of time, in small parts; the most that was out. */
async function watch(world: World, seconds: number): Promise<number> {
  let most = 0;
  for (let i = 0; i < seconds * 20; i += 1) {
    await world.clock.advance(50);
    most = Math.max(most, world.out());
  }
  return most;
}

/** So many callers at each replica; the last is the one whose clock is set. */
type Callers = readonly [number, number, number];
const EQUAL: Callers = [20, 20, 20];
/** The others have what they want, so they write once in a second, while the last looks for turns all the time. */
const GREEDY: Callers = [2, 2, 20];

/** Demand for as long as `during` takes. */
async function under(world: World, callers: Callers, callMs: number, during: () => Promise<void>): Promise<void> {
  let goes = true;
  let calls = 0;
  const length = (): number => callMs * (0.5 + ((calls++ * 7) % 10) / 10);
  const served = world.all.map((turns, i) =>
    Promise.all(Array.from({ length: callers[i] ?? 0 }, () => serve(world, turns, length, () => goes))),
  );
  try {
    await during();
  } finally {
    goes = false;
    let ended = false;
    const end = Promise.all(served).finally(() => {
      ended = true;
    });
    while (!ended) await world.clock.advance(callMs);
    await end;
  }
}

describe('turns when the wall clock of one of three replicas is set', () => {
  for (const [ms, name] of [
    [6000, '6 s ahead'],
    [-6000, '6 s back'],
    [HOUR, '1 h ahead'],
    [-HOUR, '1 h back'],
  ] as const) {
    for (const callMs of [200, 4000]) {
      for (const callers of [EQUAL, GREEDY]) {
        it(`${name}, calls of ${callMs} ms by ${callers}: exactly the limit is out, and nobody falls back`, async () => {
          await using world = await createSteppedWorld();
          const sorted = (): number[] => world.all.map((turns) => laneOf(turns).share).sort();
          await under(world, callers, callMs, async () => {
            assert.ok((await watch(world, 30.35)) <= LIMIT);
            const shares = sorted();
            world.step(ms);
            assert.equal(await watch(world, 15), LIMIT);
            assert.deepEqual(sorted(), shares);
          });
        });
      }
    }
  }

  for (const callers of [EQUAL, GREEDY]) {
    it(`to and fro between beats, again and again, with ${callers} callers`, async () => {
      await using world = await createSteppedWorld();
      const steps = [6000, -6000, HOUR, -2 * HOUR, HOUR, -HOUR, 6000, 5000, 4999, -1];
      await under(world, callers, 1000, async () => {
        await watch(world, 15);
        for (const ms of [...steps, ...steps]) {
          world.step(ms);
          assert.ok((await watch(world, 1.35)) <= LIMIT);
        }
        assert.equal(await watch(world, 10), LIMIT);
      });
    });

    it(`while the store is away: an equal part each, neither more nor for longer, with ${callers} callers`, async () => {
      await using world = await createSteppedWorld();
      await under(world, callers, 500, async () => {
        await watch(world, 15);
        world.store.mode = 'failing';
        assert.ok((await watch(world, 1)) <= LIMIT);
        // With the wall clock it would believe that all have shrunk to their part by now, and grow.
        world.step(6000);
        assert.ok((await watch(world, 10)) <= LIMIT);
        world.step(-HOUR);
        assert.ok((await watch(world, 5)) <= LIMIT);
        assert.deepEqual(
          world.all.map((turns) => laneOf(turns).share),
          [3, 3, 3],
        );
        world.store.mode = 'up';
        world.step(2 * HOUR);
        assert.ok((await watch(world, 3)) <= LIMIT);
        world.step(-HOUR);
        assert.equal(await watch(world, 20), LIMIT);
      });
    });
  }

  it('a replica that died is found dead all the same, after the same time', async () => {
    await using world = await createSteppedWorld();
    let dead = false;
    const every = (ms: number, fn: () => void): Disposable => world.clock.every(ms, () => dead || fn());
    const dying = world.start('dying', { clock: { ...world.clock, every } });
    for (const turns of [...world.all, dying]) turns.take(askFor());
    await world.clock.advance(10_000);
    dead = true;
    world.step(-HOUR);
    const left = (): number => world.all.reduce((sum, turns) => sum + laneOf(turns).share, 0);
    await world.clock.advance(3000);
    assert.ok(left() < LIMIT, `${left()}`);
    await world.clock.advance(6000);
    assert.equal(left(), LIMIT);
  });

  it('how long somebody waited is told right', async () => {
    await using world = await createSteppedWorld();
    await world.clock.advance(8000);
    const { stepped } = world;
    stepped.take(askFor({ lane: 'list' }));
    await world.clock.advance(8000);
    const held = await Promise.all(Array.from({ length: laneOf(stepped).share }, () => stepped.take(askFor())));
    const turn = stepped.take(askFor({ identity: 'local:bob', token: 't2', waitMs: 5000 }));
    world.step(HOUR);
    for (const one of held) world.clock.after(150, () => one.done(OK));
    await world.clock.advance(150);
    (await turn).done(OK);
    assert.ok(world.told.turns.includes('vnc read given 0.15'), world.told.turns.join(', '));
  });
});
