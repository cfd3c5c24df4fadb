import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { announce, type Bounds, EMPTY, type Ledger, leave } from '../../src/limits/turns/ledger.ts';
import { split, type Wish } from '../../src/limits/turns/split.ts';

const wish = fc.record({ demand: fc.nat(300), tenure: fc.nat(6), rested: fc.nat(6) });
const wishes = fc.array(wish, { minLength: 1, maxLength: 8 });
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const wanting = (...demands: number[]): Wish[] => demands.map((demand) => ({ demand, tenure: 0, rested: 0 }));

describe('the split of a limit', () => {
  it('adds up to the limit, and leaves nobody without while there are enough', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), wishes, (limit, all) => {
        const shares = split(limit, all);
        assert.equal(sum(shares), limit);
        assert.ok(shares.every((share) => Number.isInteger(share) && share >= (limit >= all.length ? 1 : 0)));
      }),
    );
  });

  it('gives everybody what is wanted when there is enough of it', () => {
    fc.assert(
      fc.property(wishes, fc.nat(50), (all, spare) => {
        const limit = sum(all.map(({ demand }) => Math.max(1, demand))) + spare;
        const shares = split(limit, all);
        assert.ok(all.every(({ demand }, i) => (shares[i] ?? 0) >= demand));
      }),
    );
  });

  it('gives who wants more no less, and nobody more than is wanted while another lacks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 200 }), wishes, (limit, all) => {
        const shares = split(limit, all);
        const lacking = all.some(({ demand }, i) => demand > (shares[i] ?? 0));
        all.forEach((one, i) => {
          if (lacking) assert.ok((shares[i] ?? 0) <= Math.max(1, one.demand));
          all.forEach((other, j) => {
            if (one.demand > other.demand) assert.ok((shares[i] ?? 0) >= (shares[j] ?? 0) - 1);
          });
        });
      }),
    );
  });

  it('is by demand, and equal without any', () => {
    assert.deepEqual(split(9, wanting(0, 0, 0)), [3, 3, 3]);
    assert.deepEqual(split(8, wanting(100, 0, 0)), [6, 1, 1]);
    assert.deepEqual(split(12, wanting(31, 61, 1)), [4, 7, 1]);
    assert.deepEqual(split(8, wanting(2, 0)), [5, 3]);
    assert.deepEqual(split(3, []), []);
  });

  it('goes round when there are more replicas than turns', () => {
    const one = { demand: 1, tenure: 0, rested: 0 };
    const holds = (tenure: number): Wish => ({ ...one, tenure });
    assert.deepEqual(split(2, [holds(1), holds(2), { ...one, rested: 9 }]), [1, 1, 0]);
    assert.deepEqual(split(2, [holds(3), holds(2), { ...one, rested: 1 }]), [0, 1, 1]);
    assert.deepEqual(split(2, [holds(9), { ...holds(9), demand: 0 }, { ...one, rested: 1 }]), [1, 0, 1]);
    assert.deepEqual(split(1, wanting(0, 0, 7)), [0, 0, 1]);
  });
});

const bounds = (start: number): Bounds => ({ adaptive: false, start, most: start });
const IDLE = { window: 0, times: [], bad: 0, peak: 0 };

/** Replicas that beat on one ledger; the answer to a beat may come much later than the ledger changed. */
class Model {
  ledger: Ledger = EMPTY;
  readonly limit: number;
  readonly replicas: { id: string; share: number; inFlight: number; waiting: number; answer: number | null }[];

  constructor(limit: number, count: number) {
    this.limit = limit;
    this.replicas = Array.from({ length: count }, (_, i) => {
      return { id: `r${i}`, share: 0, inFlight: 0, waiting: 0, answer: null };
    });
  }

  beat(i: number, heard: boolean): void {
    const replica = this.replicas[i];
    // As in the gateway, the next beat is sent after the answer to the last.
    if (replica === undefined || replica.answer !== null) return;
    const held = Math.max(replica.share, replica.inFlight);
    const own = { held, demand: replica.inFlight + replica.waiting, bounds: bounds(this.limit), sample: IDLE };
    const { ledger, grants } = announce(this.ledger, {
      id: replica.id,
      counts: true,
      lives: () => true,
      ceiling: (limit) => limit,
      pools: new Map([['vnc list', own]]),
    });
    this.ledger = ledger;
    // An answer that is lost: the store did it, the replica does not know.
    replica.answer = heard ? (grants.get('vnc list')?.share ?? 0) : replica.share;
  }

  hear(i: number): void {
    const replica = this.replicas[i];
    if (replica === undefined || replica.answer === null) return;
    replica.share = replica.answer;
    replica.answer = null;
  }

  serve(i: number): void {
    const replica = this.replicas[i];
    while (replica !== undefined && replica.waiting > 0 && replica.inFlight < replica.share) {
      replica.waiting -= 1;
      replica.inFlight += 1;
    }
  }

  out(): number {
    return sum(this.replicas.map(({ inFlight }) => inFlight));
  }
}

describe('the ledger of shares', () => {
  const step = fc.record({
    what: fc.constantFrom('beat', 'beat', 'hear', 'hear', 'ask', 'serve', 'done', 'lost'),
    who: fc.nat(4),
    count: fc.integer({ min: 1, max: 20 }),
  });

  it('never lets more out than the limit, at no moment, however beats and answers fall', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(step, { maxLength: 150 }),
        (limit, count, steps) => {
          const model = new Model(limit, count);
          for (const { what, who, count: many } of steps) {
            const i = who % count;
            const replica = model.replicas[i];
            if (replica === undefined) continue;
            if (what === 'beat' || what === 'lost') model.beat(i, what === 'beat');
            if (what === 'hear') model.hear(i);
            if (what === 'ask') replica.waiting += many;
            if (what === 'done') replica.inFlight = Math.max(0, replica.inFlight - many);
            model.serve(i);
            assert.ok(model.out() <= limit, `${model.out()} of ${limit} are out`);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('comes to rest: whoever wants gets, and the whole limit is used, also in rotation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 5 }), (limit, count) => {
        const model = new Model(limit, count);
        const got = model.replicas.map(() => 0);
        const rounds = 60;
        let out = 0;
        for (let round = 0; round < rounds; round += 1) {
          model.replicas.forEach((replica, i) => {
            replica.waiting = 20;
            replica.inFlight = 0;
            model.serve(i);
            model.beat(i, true);
            model.hear(i);
            model.serve(i);
            got[i] = (got[i] ?? 0) + replica.inFlight;
          });
          if (round >= 5) out += model.out();
        }
        assert.ok(
          got.every((turns) => turns > 0),
          got.join(' '),
        );
        // A turn that changes hands rests for a beat.
        const idle = limit >= count ? 0 : 0.5;
        assert.ok(out >= limit * (rounds - 5) * (1 - idle), `${out} in ${rounds} rounds of ${limit}`);
      }),
    );
  });

  it('forgets who has gone or died, and pools that nobody uses', () => {
    const say = (ledger: Ledger, id: string, living: readonly string[], pools: readonly string[], held = 0) =>
      announce(ledger, {
        id,
        counts: true,
        lives: (other) => living.includes(other),
        ceiling: (limit) => limit,
        pools: new Map(pools.map((key) => [key, { held, demand: 5, bounds: bounds(6), sample: IDLE }])),
      });
    let { ledger } = say(EMPTY, 'a', [], ['vnc read']);
    ledger = say(ledger, 'b', ['a'], ['vnc list']).ledger;
    assert.deepEqual(Object.keys(ledger.pools), ['vnc read', 'vnc list']);
    const whole = say(leave(ledger, 'a'), 'b', [], ['vnc list'], 3);
    assert.deepEqual(Object.keys(whole.ledger.pools), ['vnc list']);
    assert.deepEqual(Object.keys(whole.ledger.beats), ['b']);
    assert.equal(whole.grants.get('vnc list')?.share, 6);
    const dead = say(ledger, 'b', [], ['vnc read'], 0);
    assert.equal(dead.grants.get('vnc read')?.share, 6);
  });
});
