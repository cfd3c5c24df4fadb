import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Turns } from '../../src/limits/index.ts';
import { LANES } from './limits-world.ts';
import { askFor, createTurnsWorld, fixedLanes, type Lanes, laneOf } from './turns-world.ts';

const HELPERS = 6;
const PHASE = 20_000;
const WARM = 12_000;

type World = Awaited<ReturnType<typeof createTurnsWorld>>;

/** A server with helpers, slower by a share for each that waits, ten times as slow in the middle phase. */
function createServer(world: World, since: number) {
  let seed = 5;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return seed / 0x7fff_ffff;
  };
  const waiting: (() => void)[] = [];
  const figures = { out: 0, peak: 0, answered: [0, 0, 0] };
  let busy = 0;
  const work = async (): Promise<void> => {
    if (busy < HELPERS) busy += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    const phase = Math.floor((world.clock.now() - since) / PHASE);
    const crowd = 1 + 0.02 * Math.max(0, figures.out - HELPERS);
    await world.clock.sleep((phase === 1 ? 600 : 60) * crowd * (0.7 - 0.3 * Math.log(1 - random())));
    const next = waiting.shift();
    if (next === undefined) busy -= 1;
    else next();
  };
  return {
    figures,
    async call(turns: Turns, identity: string): Promise<void> {
      const turn = await turns.take(askFor({ lane: 'list', identity, waitMs: 60_000 }));
      const began = world.clock.now();
      figures.out += 1;
      figures.peak = Math.max(figures.peak, figures.out);
      await work();
      figures.out -= 1;
      turn.done({ ok: true, seconds: (world.clock.now() - began) / 1000 });
      const phase = Math.floor((world.clock.now() - since) / PHASE);
      if (phase in figures.answered) figures.answered[phase] = (figures.answered[phase] ?? 0) + 1;
    },
  };
}

/** Thirty callers over three phases; what was answered in each, and whether there were ever more out than the limit. */
async function scene(lanes: Lanes, replicas: number) {
  await using world = await createTurnsWorld({ lanes, replicas });
  const since = world.clock.now() + WARM;
  const end = since + 3 * PHASE;
  const { call, figures } = createServer(world, since);
  const caller = async (turns: Turns, at: number): Promise<void> => {
    while (world.clock.now() < end) {
      await call(turns, `id${at % 6}`).catch(() => undefined);
      await world.clock.sleep(3);
    }
  };
  for (let at = 0; at < 30; at += 1) void caller(world.all[at % replicas] ?? world.turns, at);
  const above: string[] = [];
  const limits: number[] = [laneOf(world.turns, 'list').limit];
  while (world.clock.now() < end) {
    await world.clock.advance(100);
    const limit = Math.max(...world.all.map((turns) => laneOf(turns, 'list').limit));
    limits.push(limit);
    // What was out when the limit fell is seen through: by then two beats and the longest call are over.
    const most = Math.max(...limits.slice(-60));
    if (figures.peak > most) above.push(`${figures.peak} > ${most}`);
    figures.peak = figures.out;
  }
  return { answered: figures.answered, whole: figures.answered.reduce((a, b) => a + b, 0), above, limits };
}

describe('the adaptive limit while a server becomes ten times as slow and fast again', () => {
  it('answers at least 90 % of the best fixed limit, in every phase, with one replica and with three', async () => {
    const lane = (concurrency: number) => ({ list: { concurrency, most: 64 } });
    const fixed: Awaited<ReturnType<typeof scene>>[] = [];
    for (const limit of [1, 4, 6, 8, 12]) fixed.push(await scene(fixedLanes(8, lane(limit)), 1));
    const best = fixed.reduce((a, b) => (b.whole > a.whole ? b : a));
    assert.ok((fixed[0]?.whole ?? 0) < 0.3 * best.whole, 'a bad limit falls short');
    for (const replicas of [1, 3]) {
      const adaptive = await scene({ ...LANES, mode: 'adaptive', list: { concurrency: 2, most: 16 } }, replicas);
      assert.deepEqual(adaptive.above, []);
      assert.ok(adaptive.whole >= 0.9 * best.whole, `${adaptive.answered.join(' ')} of ${best.answered.join(' ')}`);
      adaptive.answered.forEach((count, phase) => {
        assert.ok(count >= 0.85 * (best.answered[phase] ?? 0), `${replicas}, phase ${phase}: ${count}`);
      });
    }
  });
});
