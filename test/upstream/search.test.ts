import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createMemoryKeyValue, type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { firstInOrder } from '../../src/upstream/first-in-order.ts';
import { createHints, type Hint, hintIn } from '../../src/upstream/hints.ts';
import { Outage, secondsLeft } from '../../src/upstream/outage.ts';
import { createSearch, pauseBefore, type Search } from '../../src/upstream/search.ts';
import { createWaiters } from '../../src/upstream/waiters.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createToldReport } from './rig.ts';

const PROBE = 1000;

/** A search over candidates that answer as `good` says, with a record of what it did. */
function createScene(candidates: number) {
  const clock = createManualClock();
  const good = new Set<number>();
  const silent = new Set<number>();
  const looks: [at: number, ms: number][] = [];
  const found: number[] = [];
  const told = { missed: 0 };
  const started = clock.elapsed();
  const search: Search = createSearch({
    candidates,
    probe: PROBE,
    clock,
    random: () => 0.5,
    async look(at) {
      looks.push([at, clock.elapsed() - started]);
      if (silent.has(at)) await clock.sleep(2000);
      return good.has(at);
    },
    found: (at) => void found.push(at),
    missed: () => {
      told.missed += 1;
    },
  });
  const looksAt = (candidate: number): number[] => looks.filter(([at]) => at === candidate).map(([, ms]) => ms);
  return { clock, good, silent, looks, looksAt, found, told, search };
}

describe('the search for a server', () => {
  it('looks at every candidate once in its first round, and takes the first in order', async () => {
    const { search, good, looks, found, told } = createScene(4);
    good.add(3).add(0);
    assert.equal(await search.begin([1, 2, 3, 0]), true);
    assert.deepEqual(
      looks.map(([at]) => at),
      [1, 2, 3, 0],
    );
    assert.deepEqual(found, [3]);
    assert.equal(told.missed, 0);
    assert.equal(search.round, null);
  });

  it('is one for all who begin it meanwhile', async () => {
    const { search, looks } = createScene(2);
    const rounds = Array.from({ length: 50 }, () => search.begin([0, 1]));
    assert.deepEqual(new Set(await Promise.all(rounds)), new Set([false]));
    assert.equal(looks.length, 2);
    assert.equal(await search.begin([0, 1]), false, 'it runs still');
    assert.equal(looks.length, 2);
  });

  it('goes on with each candidate, more and more rarely, until one answers', async () => {
    const { search, looksAt, found, told, good, clock } = createScene(2);
    await search.begin([0, 1]);
    await clock.advance(20_000);
    assert.deepEqual(looksAt(0), [0, 1000, 3000, 7000, 11_000, 15_000, 19_000]);
    assert.deepEqual(looksAt(1), looksAt(0));
    assert.deepEqual([found, told.missed], [[], 1]);
    good.add(1);
    await clock.advance(4000);
    assert.deepEqual(found, [1]);
    await clock.advance(60_000);
    assert.equal(looksAt(0).length, 8, 'nothing is looked at after that');
  });

  it('looks at a candidate at once when somebody says that it works', async () => {
    const { search, looksAt, found, good, clock } = createScene(2);
    await search.begin([0, 1]);
    await clock.advance(7500);
    good.add(1);
    search.hint(1);
    await clock.advance(0);
    assert.deepEqual(looksAt(1).at(-1), 7500);
    assert.deepEqual(found, [1]);
    search.hint(0);
    await clock.advance(60_000);
    assert.equal(looksAt(0).at(-1), 7000, 'nobody searches any more');
  });

  it('hurries for somebody who must not wait, but not all the time', async () => {
    const { search, looksAt, found, good, clock } = createScene(2);
    assert.equal(await search.hurry([0]), false, 'nothing is searched for');
    await search.begin([0, 1]);
    assert.equal(await search.hurry([0, 1]), false, 'there was a look a moment ago');
    await clock.advance(500);
    good.add(1);
    assert.equal(await search.hurry([0]), false);
    assert.deepEqual([looksAt(0), looksAt(1)], [[0, 500], [0]]);
    await clock.advance(300);
    assert.equal(await search.hurry([0, 1]), true);
    assert.deepEqual(found, [1]);
  });

  it('leaves alone what is put off, and comes back to it', async () => {
    const { search, looksAt, good, clock, found } = createScene(2);
    good.add(0);
    search.putOff(0, 30_000);
    assert.equal(search.isPutOff(0), true);
    assert.equal(await search.begin([0, 1]), false);
    await clock.advance(29_000);
    assert.deepEqual(looksAt(0), []);
    await clock.advance(2000);
    assert.deepEqual(found, [0]);
  });

  for (const step of [-3_600_000, 3_600_000]) {
    it(`goes by no calendar: a clock that is set by ${step / 1000} s changes nothing`, async () => {
      const { search, looksAt, found, good, clock } = createScene(2);
      await search.begin([0, 1]);
      search.putOff(1, 30_000);
      await clock.advance(500);
      clock.step(step);
      assert.equal(search.isPutOff(1), true);
      await clock.advance(19_500);
      assert.deepEqual(looksAt(0), [0, 1000, 3000, 7000, 11_000, 15_000, 19_000]);
      assert.deepEqual(looksAt(1), [0]);
      assert.equal(await search.hurry([0]), false);
      assert.equal(looksAt(0).at(-1), 20_000, 'it hurried');
      clock.step(-step);
      good.add(1);
      await clock.advance(20_000);
      assert.deepEqual(found, [1]);
    });
  }

  it('looks at once again at what failed after it had worked', async () => {
    const { search, looksAt, clock } = createScene(1);
    await search.begin([0]);
    await clock.advance(8000);
    search.end();
    search.works(0);
    assert.equal(search.isPutOff(0), false);
    await search.begin([0]);
    await clock.advance(1000);
    assert.deepEqual(looksAt(0).slice(-2), [8000, 9000]);
  });

  it('does not wait for a silent candidate once another one has answered', async () => {
    const { search, good, silent, found, clock } = createScene(3);
    silent.add(0);
    good.add(0).add(2);
    const round = search.begin([0, 1, 2]);
    await clock.advance(200);
    assert.deepEqual(found, []);
    await clock.advance(100);
    assert.equal(await round, true);
    assert.deepEqual(found, [2]);
    await clock.advance(5000);
    assert.deepEqual(found, [2], 'the late answer changes nothing');
  });

  it('that was ended finds nothing any more', async () => {
    const { search, good, silent, found, told, clock } = createScene(1);
    silent.add(0);
    good.add(0);
    const round = search.begin([0]);
    search.end();
    await clock.advance(5000);
    assert.equal(await round, false);
    assert.deepEqual([found, told.missed], [[], 0]);
  });

  it('pauses for at least three quarters of the time, and for five times as long at most', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, random) => {
          const pause = pauseBefore(failures, PROBE, random);
          assert.ok(pause >= 0.75 * PROBE && pause <= 5 * PROBE);
          assert.ok(pauseBefore(failures + 1, PROBE, random) >= pause);
        },
      ),
    );
  });
});

describe('the first in order', () => {
  it('is the earliest that succeeded, whatever order they end in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ good: fc.boolean(), ms: fc.nat({ max: 100 }) }), { maxLength: 6 }),
        async (all) => {
          const clock = createManualClock();
          const looks = all.map(({ good, ms }) => clock.sleep(ms).then(() => good));
          const place = firstInOrder(looks, 1000, clock);
          await clock.advance(2000);
          const wanted = all.findIndex(({ good }) => good);
          assert.equal(await place, wanted < 0 ? null : wanted);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('the time that a caller is told', () => {
  const span = { since: 1_000_000, expected: 180_000 };

  it('is what is left of the outage, and a little more by chance', () => {
    assert.equal(secondsLeft(span, span.since, 0), 180);
    assert.equal(secondsLeft(span, span.since + 100_000, 0), 80);
    assert.equal(secondsLeft(span, span.since, 0.99), 207);
  });

  it('is a few seconds when the outage is overdue, and never more for a clock that was set back', () => {
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: 0, max: 0.999, noNaN: true }), (ms, random) => {
        const seconds = secondsLeft(span, span.since + ms, random);
        assert.ok(Number.isInteger(seconds) && seconds >= 3 && seconds <= 207);
        if (ms > span.expected) assert.ok(seconds <= 7);
      }),
    );
  });

  it('travels with the reason', () => {
    const { status, headers, retryAfter } = new Outage('away', 7);
    assert.deepEqual([status, retryAfter], [503, 7]);
    assert.deepEqual(headers, { 'Proxy-Status': 'vovgw; error=destination_unavailable' });
  });
});

describe('who waits for a server', () => {
  it('is woken, or goes when the time is over or the caller is gone', async () => {
    const clock = createManualClock();
    const { wait, wake } = createWaiters(clock);
    const here = new AbortController().signal;
    const gone = new AbortController();
    const woken = [wait(5000, here), wait(60_000, here)];
    const late = wait(1000, here);
    const left = wait(5000, gone.signal);
    await clock.advance(1000);
    gone.abort();
    assert.deepEqual(await Promise.all([late, left]), [false, false]);
    wake();
    assert.deepEqual(await Promise.all(woken), [true, true]);
    assert.equal(await wait(0, here), false);
    assert.equal(await wait(1000, gone.signal), false);
  });

  it('is one of a limited number', async () => {
    const clock = createManualClock();
    const { wait, wake } = createWaiters(clock);
    const all = Array.from({ length: 1100 }, () => wait(5000, new AbortController().signal));
    wake();
    assert.equal((await Promise.all(all)).filter(Boolean).length, 1024);
  });
});

describe('hints between replicas', () => {
  const hint: Hint = { kind: 'works', queue: 'night', origin: 'https://vov2:6330' };

  it('arrive at every replica', async () => {
    const clock = createManualClock();
    await using kv = createMemoryKeyValue({ clock });
    const { log } = createToldReport();
    const heard: Hint[][] = [[], []];
    await using one = createHints({ kv, clock, report: { log }, hear: (what) => void heard[0]?.push(what) });
    await using _two = createHints({ kv, clock, report: { log }, hear: (what) => void heard[1]?.push(what) });
    await clock.advance(0);
    one.tell(hint);
    await eventually('both heard it', () => heard.every((all) => all.length === 1));
    assert.deepEqual(heard[1], [hint]);
  });

  it('cost nothing but themselves while the store is away, and come again with it', async () => {
    const clock = createManualClock();
    await using store = createMemoryKeyValue({ clock });
    let away = true;
    const reach = async <T>(step: () => Promise<T>): Promise<T> => {
      if (away) throw new StoreUnavailable('cut by the test');
      return await step();
    };
    const kv: KeyValue = {
      ...store,
      publish: (channel, message) => reach(() => store.publish(channel, message)),
      subscribe: (channel, onMessage) => reach(() => store.subscribe(channel, onMessage)),
    };
    const report = createToldReport();
    const heard: Hint[] = [];
    await using hints = createHints({ kv, clock, report, hear: (what) => void heard.push(what) });
    hints.tell(hint);
    await clock.advance(4000);
    away = false;
    await clock.advance(5000);
    hints.tell(hint);
    await eventually('it was heard', () => heard.length === 1);
    assert.deepEqual(report.told.log, []);
  });

  it('are nothing else than what replicas say', () => {
    assert.deepEqual(hintIn('["wrong","night","https://vov2:6330"]'), { ...hint, kind: 'wrong' });
    for (const text of [
      '',
      '{',
      'null',
      '{}',
      '["works"]',
      '["other","a","b"]',
      '["works",1,"b"]',
      '["works","a",null]',
    ]) {
      assert.equal(hintIn(text), null, text);
    }
  });
});
