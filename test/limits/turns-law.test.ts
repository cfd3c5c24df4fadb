import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  firstState,
  type LawState,
  nextState as nextOf,
  type WindowSummary,
} from '../../src/limits/turns/adaptive-law.ts';
import { Latencies } from '../../src/limits/turns/latencies.ts';
import { bestFixed, runAdaptive, type Scene } from './turns-simulation.ts';

const nextState = (state: LawState, shown: WindowSummary, most: number, start = 8): LawState =>
  nextOf(state, shown, most, start);
const seconds = fc.double({ min: 0.0005, max: 500, noNaN: true });
const window = fc
  .record({ count: fc.nat(500), bad: fc.nat(50), slow: seconds, typical: seconds, peak: fc.nat(80) })
  .map((w): WindowSummary => ({ ...w, typical: Math.min(w.slow, w.typical) }));
const used = (limit: number, slow: number, typical = slow): WindowSummary => {
  return { count: 100, bad: 0, slow, typical, peak: limit };
};
const settled = (limit: number, base = 1): LawState => ({ limit, base, trial: null, warned: false, met: true });
/** The state after the same window twice. */
const twice = (state: LawState, shown: WindowSummary): LawState => nextState(nextState(state, shown, 64), shown, 64);

describe('the law of the adaptive limit', () => {
  it('stays within 1 and the most, in whole numbers, whatever it is shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.array(window, { maxLength: 60 }), (most, windows) => {
        let state = firstState(Math.min(8, most));
        for (const each of windows) {
          state = nextState(state, each, most);
          assert.ok(Number.isInteger(state.limit) && state.limit >= 1 && state.limit <= most);
          assert.ok(Number.isFinite(state.base) && state.base >= 0);
        }
      }),
    );
  });

  it('grows only while the limit is used, by one in a window unless it undoes a decrease', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.nat(64), seconds, window, (limit, peak, base, shown) => {
        const next = nextState(settled(limit, base), { ...shown, peak }, 64).limit;
        assert.ok(next <= limit + 1);
        if (peak < 0.9 * limit) assert.ok(next <= limit);
      }),
    );
  });

  it('decreases after two slow windows, once in a window, to three quarters of what was out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 64 }), fc.double({ min: 0.0026, max: 500, noNaN: true }), (limit, base) => {
        const slow = used(limit, base * 2);
        const warned = nextState(settled(limit, base), slow, 64);
        assert.equal(warned.limit, limit);
        const again = nextState(warned, used(limit, base), 64);
        assert.equal(again.limit, Math.min(64, limit + 1));
        assert.equal(
          nextState(again, used(again.limit, base * 2), 64).limit,
          again.limit,
          'one slow window is no reason',
        );
        const next = nextState(warned, slow, 64);
        assert.equal(next.limit, Math.max(1, Math.floor(limit * 0.75)));
      }),
    );
  });

  it('never takes calls of up to 5 ms for slow, because the time of our own event loop is in them', () => {
    assert.equal(nextState(settled(8, 0.0008), used(8, 0.0049), 64).limit, 9);
    assert.equal(twice(settled(8, 0.0008), used(8, 0.0051)).limit, 6);
    assert.equal(nextState(settled(64, 0.0008), used(64, 0.0049), 64).limit, 64);
  });

  it('stays where calls are somewhat slower than alone: one more would only wait there', () => {
    for (const slow of [1.3, 1.4, 1.5]) assert.equal(twice(settled(8), used(8, slow)).limit, 8);
    assert.equal(nextState(settled(8), used(8, 1.2), 64).limit, 9);
  });

  it('does not take slowness for its own doing when it is not used: it only falls back towards the start', () => {
    const slow = (state: LawState): LawState => nextState(state, { ...used(1, 20), peak: 2 }, 64);
    assert.equal(slow(settled(8)).limit, 8);
    assert.equal(slow(settled(2 * 8)).limit, 12);
    assert.equal(slow(slow(settled(2 * 8))).limit, 9);
    assert.equal(slow(slow(slow(settled(2 * 8)))).limit, 8);
    assert.equal(nextState(settled(40), { ...used(30, 20), peak: 34 }, 64).limit, 34, 'never below what is out');
    assert.equal(nextState(settled(8), { ...used(8, 1), peak: 1, bad: 40 }, 64).limit, 6);
  });

  it('grows by half as long as calls never hindered each other, then by one', () => {
    const fresh = (limit: number): LawState => ({ ...settled(limit), met: false });
    assert.deepEqual(
      [1, 2, 3, 8].map((limit) => nextState(fresh(limit), used(limit, 1), 64).limit),
      [2, 3, 4, 12],
    );
    assert.equal(nextState(fresh(8), { ...used(8, 1), peak: 4 }, 64).limit, 8);
    const met = nextState(fresh(8), used(8, 1.3), 64);
    assert.ok(met.met && met.limit === 8);
    assert.equal(nextState(met, used(8, 1), 64).limit, 9);
  });

  it('takes bad answers for congestion, but not a few of them', () => {
    assert.equal(nextState(settled(8), { ...used(8, 1), bad: 12 }, 64).limit, 6);
    assert.equal(nextState(settled(8), { ...used(8, 1), bad: 5 }, 64).limit, 9);
    assert.equal(nextState(settled(1), { ...used(1, 0), count: 0, bad: 40 }, 64).limit, 1);
  });

  it('stays decreased when that made calls faster, at what the server works on', () => {
    // Six helpers: of 12 calls out each takes twice as long as alone.
    let state = twice(settled(12), used(12, 2));
    assert.equal(state.limit, 9);
    state = nextState(state, used(9, 1.5), 64);
    assert.ok(state.limit === 9 && state.base === 1);
    // Below the six, the time tells how many there are.
    state = nextState(
      { limit: 4, base: 1, trial: { limit: 12, out: 12, typical: 2 }, warned: true, met: true },
      used(4, 1),
      64,
    );
    assert.equal(state.limit, 6);
  });

  it('undoes a decrease that made nothing faster, and learns the new time', () => {
    let state = twice(settled(8), used(8, 10));
    assert.equal(state.limit, 6);
    state = nextState(state, used(6, 10), 64);
    assert.deepEqual(state, { limit: 8, base: 10, trial: null, warned: false, met: true });
    assert.equal(nextState(state, used(8, 10), 64).limit, 9);
  });

  it('judges no decrease by a window in which nobody wanted more', () => {
    const low = twice(settled(8), used(8, 10));
    const next = nextState(low, { ...used(6, 1), peak: 2 }, 64);
    assert.deepEqual(next, { limit: 6, base: 1, trial: null, warned: false, met: true });
  });

  it('finds the uncontended time anew when vovserver became faster', () => {
    const faster = twice(settled(8, 10), used(8, 1.2));
    assert.equal(faster.base, 0);
    assert.equal(faster.limit, 6);
    const found = nextState(faster, used(6, 1.2), 64);
    assert.ok(found.base === 1.2 && found.limit === 8);
    assert.equal(nextState(settled(8, 10), { ...used(8, 1.2), peak: 2 }, 64).base, 1.2);
  });
});

describe('the adaptive limit in simulation', () => {
  const step = (now: number): number => (now >= 100 && now < 200 ? 0.2 : 0.02);
  const scene = (helpers: number, changes: Partial<Scene> = {}): Scene => {
    return { helpers, thrash: 0, spread: 0.3, seed: 7, until: 300, callers: () => 60, service: step, ...changes };
  };

  for (const helpers of [2, 4, 8, 16]) {
    it(`${helpers} helpers that become ten times as slow and fast again: at least 90 % of the best fixed limit`, () => {
      const it = scene(helpers);
      const best = bestFixed(it, 20);
      const { answered, limits } = runAdaptive(it, helpers === 2 ? 2 : 8, 64);
      assert.ok(answered >= 0.9 * best.answered, `${answered} of ${best.answered} under ${best.limit}`);
      assert.ok(Math.max(...limits.slice(20)) <= 4 * helpers, `the limit grew to ${Math.max(...limits.slice(20))}`);
    });
  }

  it('a server that a crowd slows down is kept near what it can work on', () => {
    const crowded = scene(8, { thrash: 0.02 });
    const best = bestFixed(crowded, 20);
    const { answered } = runAdaptive(crowded, 8, 64);
    assert.ok(answered >= 0.9 * best.answered, `${answered} of ${best.answered} under ${best.limit}`);
  });

  it('finds the limit from a start far too low and far too high', () => {
    for (const start of [1, 60]) {
      const steady = scene(8, { service: () => 0.05, until: 120 });
      const { limits } = runAdaptive(steady, start, 64);
      const last = limits.slice(60);
      assert.ok(Math.min(...last) >= 5 && Math.max(...last) <= 20, `${start}: ${last.join(' ')}`);
    }
  });

  it('does not grow while nobody needs it', () => {
    const { limits } = runAdaptive(scene(8, { callers: () => 3, service: () => 0.05, until: 120 }), 8, 64);
    assert.deepEqual(new Set(limits), new Set([8]));
  });
});

describe('latencies', () => {
  it('give quantiles within 5 %, also when added up from parts', () => {
    const all = fc.array(fc.double({ min: 0.001, max: 400, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(all, fc.nat(200), fc.constantFrom(0.5, 0.9, 1), (times, cut, share) => {
        const [one, two, both] = [new Latencies(), new Latencies(), new Latencies()];
        for (const time of times.slice(0, cut)) one.add(time);
        for (const time of times.slice(cut)) two.add(time);
        for (const part of [one, two]) both.merge(part.sparse());
        assert.equal(both.count, times.length);
        const exact = [...times].sort((a, b) => a - b)[Math.ceil(times.length * share) - 1] ?? 0;
        assert.ok(Math.abs(both.quantile(share) / exact - 1) < 0.05, `${both.quantile(share)} for ${exact}`);
      }),
    );
  });

  it('know the mean of the fastest nine tenths', () => {
    const seen = new Latencies();
    for (let i = 0; i < 90; i += 1) seen.add(0.1);
    for (let i = 0; i < 10; i += 1) seen.add(500);
    assert.ok(Math.abs(seen.typical() - 0.1) < 0.005);
  });

  it('take nonsense for nothing, and nothing for 0', () => {
    const seen = new Latencies();
    seen.merge([-1, 5, 0.5, 5, 1e9, 5, 3, -2, 3, Number.NaN, 4]);
    assert.deepEqual([seen.count, seen.quantile(0.9), seen.typical()], [0, 0, 0]);
    for (const time of [0, -1, 1e9]) seen.add(time);
    assert.equal(seen.count, 3);
    seen.clear();
    assert.deepEqual(seen.sparse(), []);
  });
});
