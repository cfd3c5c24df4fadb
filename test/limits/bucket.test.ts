import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { available, type Bucket, settle, untilNext, untilWhole } from '../../src/limits/bucket.ts';

const bucketOf = fc.record({ requests: fc.integer({ min: 1, max: 50 }), window: fc.integer({ min: 1, max: 400 }) });
const steps = fc.array(fc.record({ wait: fc.integer({ min: 0, max: 90 }), want: fc.integer({ min: 1, max: 60 }) }), {
  maxLength: 60,
});

/** The definition, counted out: a level that rises millisecond by millisecond and never above full. */
class NaiveBucket {
  readonly full: number;
  readonly bucket: Bucket;
  level: number;
  constructor(bucket: Bucket) {
    this.bucket = bucket;
    this.full = bucket.requests * bucket.window;
    this.level = this.full;
  }
  wait(ms: number): void {
    for (let i = 0; i < ms; i += 1) this.level = Math.min(this.full, this.level + this.bucket.requests);
  }
  units(): number {
    let units = 0;
    while ((units + 1) * this.bucket.window <= this.level) units += 1;
    return units;
  }
  take(units: number): void {
    this.level -= units * this.bucket.window;
  }
}

describe('bucket', () => {
  it('gives what a bucket counted out millisecond by millisecond gives', () => {
    fc.assert(
      fc.property(bucketOf, steps, (bucket, sequence) => {
        const naive = new NaiveBucket(bucket);
        let debt = 0;
        let at = 1000;
        for (const { wait, want } of sequence) {
          naive.wait(wait);
          debt = settle(bucket, debt, at, at + wait);
          at += wait;
          assert.equal(available(bucket, debt), naive.units());
          const granted = Math.min(want, naive.units());
          naive.take(granted);
          debt += granted * bucket.window;
        }
      }),
    );
  });

  it('grants in no interval more than its size and what the interval refills', () => {
    fc.assert(
      fc.property(bucketOf, steps, (bucket, sequence) => {
        const grants: { at: number; units: number }[] = [];
        let debt = 0;
        let at = 0;
        for (const { wait, want } of sequence) {
          debt = settle(bucket, debt, at, at + wait);
          at += wait;
          const units = Math.min(want, available(bucket, debt));
          debt += units * bucket.window;
          grants.push({ at, units });
        }
        grants.forEach((first, i) => {
          let sum = 0;
          for (const grant of grants.slice(i)) {
            sum += grant.units;
            const refilled = ((grant.at - first.at) * bucket.requests) / bucket.window;
            assert.ok(sum <= bucket.requests + refilled, `${sum} within ${grant.at - first.at} ms`);
          }
        });
      }),
    );
  });

  it('tells exactly when the next unit is due and when the bucket is whole', () => {
    fc.assert(
      fc.property(bucketOf, fc.nat(), (bucket, seed) => {
        const debt = seed % (bucket.requests * bucket.window + 1);
        const next = untilNext(bucket, debt);
        assert.ok(available(bucket, settle(bucket, debt, 0, next)) >= 1);
        if (next > 0) assert.equal(available(bucket, settle(bucket, debt, 0, next - 1)), 0);
        const whole = untilWhole(bucket, debt);
        assert.equal(settle(bucket, debt, 0, whole), 0);
        if (whole > 0) assert.notEqual(settle(bucket, debt, 0, whole - 1), 0);
      }),
    );
  });

  it('pays nothing off while the clock stands behind, and goes on from there', () => {
    const bucket = { requests: 10, window: 1000 };
    const debt = settle(bucket, 5000, 90_000, 30_000);
    assert.equal(debt, 5000);
    assert.equal(settle(bucket, debt, 30_000, 30_100), 4000);
  });

  it('refills one unit of 600 a minute every 100 ms', () => {
    const bucket = { requests: 600, window: 60_000 };
    const empty = 600 * 60_000;
    assert.equal(available(bucket, empty), 0);
    assert.equal(untilNext(bucket, empty), 100);
    assert.equal(untilWhole(bucket, empty), 60_000);
    assert.equal(available(bucket, settle(bucket, empty, 0, 99)), 0);
    assert.equal(available(bucket, settle(bucket, empty, 0, 100)), 1);
    assert.equal(available(bucket, settle(bucket, empty, 0, 59_999)), 599);
  });
});
