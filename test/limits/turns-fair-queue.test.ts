import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FairQueue, Waiter } from '../../src/limits/turns/fair-queue.ts';
import { RouteCosts } from '../../src/limits/turns/route-costs.ts';

interface Asker {
  readonly identity: string;
  readonly token: string;
  readonly route: string;
}

function createLine(costs: Readonly<Record<string, number>>) {
  const routes = new RouteCosts();
  for (const [route, cost] of Object.entries(costs)) routes.learn(routes.of(route), cost);
  const queue = new FairQueue(routes);
  return {
    queue,
    routes,
    add({ identity, token, route }: Asker): Waiter {
      const waiter = new Waiter(identity, token, routes.of(route));
      queue.add(waiter);
      return waiter;
    },
    /** Serves `count`; each who is served asks again at once when `again`. */
    serve(count: number, again: boolean): Waiter[] {
      const served: Waiter[] = [];
      while (served.length < count) {
        const waiter = queue.next();
        if (waiter === null) break;
        served.push(waiter);
        if (again) queue.add(new Waiter(waiter.identity, waiter.token, waiter.route));
      }
      return served;
    },
  };
}

const countBy = (served: readonly Waiter[], key: (waiter: Waiter) => string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const waiter of served) counts.set(key(waiter), (counts.get(key(waiter)) ?? 0) + 1);
  return counts;
};

/** Between two turns of one that always waits, how often each other came to the front (a run of turns is one visit). */
function visitsBetween(served: readonly Waiter[], identity: string): Map<string, number>[] {
  const gaps: Map<string, number>[] = [];
  let visits = new Map<string, number>();
  let before = '';
  for (const waiter of served) {
    if (waiter.identity === identity) {
      gaps.push(visits);
      visits = new Map();
    } else if (waiter.identity !== before) visits.set(waiter.identity, (visits.get(waiter.identity) ?? 0) + 1);
    before = waiter.identity;
  }
  return gaps;
}

const asker = fc.record({
  identity: fc.constantFrom('ann', 'bob', 'cat', 'dan'),
  token: fc.constantFrom('t1', 't2', 't3'),
  route: fc.constantFrom('cheap', 'middle', 'dear'),
});
const COSTS = { cheap: 0.01, middle: 0.07, dear: 0.9 };

describe('fair queue', () => {
  it('serves all who wait, each once, and is then empty', () => {
    fc.assert(
      fc.property(fc.array(asker, { maxLength: 80 }), (askers) => {
        const line = createLine(COSTS);
        const added = askers.map((each) => line.add(each));
        assert.equal(line.queue.size, askers.length);
        const served = line.serve(Number.POSITIVE_INFINITY, false);
        assert.deepEqual(new Set(served), new Set(added));
        assert.equal(served.length, added.length);
        assert.equal(line.queue.size, 0);
        assert.equal(line.routes.dearestWaiting(), 0);
      }),
    );
  });

  it('keeps the order within one token', () => {
    fc.assert(
      fc.property(fc.array(asker, { maxLength: 60 }), (askers) => {
        const line = createLine(COSTS);
        const places = new Map(askers.map((each, place) => [line.add(each), place]));
        const last = new Map<string, number>();
        for (const waiter of line.serve(Number.POSITIVE_INFINITY, false)) {
          const key = `${waiter.identity} ${waiter.token}`;
          const place = places.get(waiter) ?? -1;
          assert.ok(place > (last.get(key) ?? -1));
          last.set(key, place);
        }
      }),
    );
  });

  it('passes nobody over for more than one round, whatever each asks for', () => {
    fc.assert(
      fc.property(fc.array(asker, { minLength: 2, maxLength: 40 }), (askers) => {
        const line = createLine(COSTS);
        for (const each of askers) line.add(each);
        const served = line.serve(600, true);
        for (const identity of new Set(askers.map((each) => each.identity))) {
          const gaps = visitsBetween(served, identity);
          assert.ok(gaps.length > 0, `${identity} got no turn in 600`);
          for (const visits of gaps)
            for (const [other, count] of visits) assert.ok(count <= 1, `${other} came ${count}×`);
        }
      }),
    );
  });

  it('gives identities of equal cost equal turns, whatever the number of their connections and tokens', () => {
    const crowd = fc.record({ connections: fc.integer({ min: 1, max: 60 }), tokens: fc.integer({ min: 1, max: 12 }) });
    fc.assert(
      fc.property(
        fc.array(crowd, { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 1, max: 500 }),
        (crowds, turns) => {
          const line = createLine({ same: 0.05 });
          crowds.forEach(({ connections, tokens }, i) => {
            for (let c = 0; c < connections; c += 1)
              line.add({ identity: `id${i}`, token: `t${c % tokens}`, route: 'same' });
          });
          const counts = countBy(line.serve(turns, true), (waiter) => waiter.identity);
          const each = crowds.map((_, i) => counts.get(`id${i}`) ?? 0);
          assert.ok(Math.max(...each) - Math.min(...each) <= 1, each.join(' '));
        },
      ),
    );
  });

  it('gives the tokens of one identity equal turns', () => {
    const line = createLine({ same: 0.05 });
    for (let i = 0; i < 90; i += 1) line.add({ identity: 'ann', token: i < 88 ? 'flood' : `t${i}`, route: 'same' });
    for (let i = 0; i < 5; i += 1) line.add({ identity: 'bob', token: 'only', route: 'same' });
    const served = line.serve(600, true).filter((waiter) => waiter.identity === 'ann');
    assert.deepEqual([...countBy(served, (waiter) => waiter.token).values()], [100, 100, 100]);
  });

  it('gives time in equal parts: who asks for costly things gets fewer turns', () => {
    const line = createLine({ cheap: 0.1, dear: 1 });
    for (let i = 0; i < 30; i += 1) {
      line.add({ identity: 'ann', token: 't', route: 'dear' });
      line.add({ identity: 'bob', token: 't', route: 'cheap' });
    }
    const counts = countBy(line.serve(1100, true), (waiter) => waiter.identity);
    const [dear = 0, cheap = 0] = [counts.get('ann'), counts.get('bob')];
    assert.ok(Math.abs(dear - 100) <= 1 && Math.abs(cheap - 1000) <= 10, `${dear} ${cheap}`);
  });

  it('gives at most 32 turns in a visit, however cheap they are', () => {
    const line = createLine({ cheap: 0.0001, dear: 100 });
    for (let i = 0; i < 200; i += 1) line.add({ identity: 'bob', token: 't', route: 'cheap' });
    line.add({ identity: 'ann', token: 't', route: 'dear' });
    const places = line.serve(200, false).map((waiter) => waiter.identity);
    assert.equal(places.indexOf('ann'), 32);
  });

  it('does not hold the dearest ask against those who come after it has gone', () => {
    const line = createLine({ cheap: 0.01, middle: 0.1, dear: 10 });
    line.add({ identity: 'ann', token: 't', route: 'dear' });
    line.serve(1, false);
    for (let i = 0; i < 50; i += 1) {
      line.add({ identity: 'ann', token: 't', route: 'middle' });
      line.add({ identity: 'bob', token: 't', route: 'cheap' });
    }
    const counts = countBy(line.serve(55, false), (waiter) => waiter.identity);
    assert.deepEqual([counts.get('ann'), counts.get('bob')], [5, 50]);
  });

  it('lets whoever goes away go, from any place, without a trace', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(asker, fc.boolean()), { maxLength: 60 }), fc.nat(20), (askers, before) => {
        const line = createLine(COSTS);
        const added = askers.map(([each, leaves]) => [line.add(each), leaves] as const);
        const early = new Set(line.serve(before, false));
        for (const [waiter, leaves] of added) if (leaves) line.queue.remove(waiter);
        const served = line.serve(Number.POSITIVE_INFINITY, false);
        const stayed = added.filter(([waiter, leaves]) => !leaves && !early.has(waiter)).map(([waiter]) => waiter);
        assert.deepEqual(new Set(served), new Set(stayed));
        assert.equal(line.queue.size, 0);
        for (const id of ['ann', 'bob', 'cat', 'dan']) assert.equal(line.queue.waitingOf(id), 0);
      }),
    );
  });
});

describe('route costs', () => {
  it('follow what was measured, the first measurement at once', () => {
    const costs = new RouteCosts();
    const route = costs.of('/a');
    costs.learn(route, 2);
    assert.equal(route.cost, 2);
    for (let i = 0; i < 100; i += 1) costs.learn(route, 1);
    assert.ok(Math.abs(route.cost - 1) < 0.001);
  });

  it('take what the others cost for a route that was never measured', () => {
    const costs = new RouteCosts();
    costs.learn(costs.of('/a'), 3);
    assert.equal(costs.of('/b').cost, 3);
  });

  it('are bounded: further routes share one average', () => {
    const costs = new RouteCosts();
    for (let i = 0; i < 500; i += 1) costs.of(`/${i}`);
    assert.equal(costs.of('/x'), costs.of('/y'));
    assert.notEqual(costs.of('/1'), costs.of('/2'));
  });

  it('stay a positive number, whatever is told', () => {
    fc.assert(
      fc.property(fc.array(fc.double()), (told) => {
        const costs = new RouteCosts();
        const route = costs.of('/a');
        for (const seconds of told) costs.learn(route, seconds);
        assert.ok(route.cost > 0 && Number.isFinite(route.cost));
      }),
    );
  });
});
