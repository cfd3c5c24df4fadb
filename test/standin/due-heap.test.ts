import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createDueHeap } from '../../standin/vovserver/due-heap.ts';

describe('the due heap', () => {
  it('gives back in order of time, equal times in order of entry', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.nat(20), (times, now) => {
        const heap = createDueHeap<number>();
        for (const [index, at] of times.entries()) heap.push(at, index);
        const got: [number, number][] = [];
        for (let due = heap.pop(now); due !== null; due = heap.pop(now)) got.push([due.at, due.item]);
        const expected = times
          .map((at, index): [number, number] => [at, index])
          .filter(([at]) => at <= now)
          .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        assert.deepEqual(got, expected);
      }),
    );
  });

  it('keeps what is not due, whatever is pushed in between', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ at: fc.nat(50), now: fc.nat(50) })), (steps) => {
        const heap = createDueHeap<number>();
        const model: number[] = [];
        for (const { at, now } of steps) {
          heap.push(at, at);
          model.push(at);
          model.sort((a, b) => a - b);
          const expected = (model[0] ?? 99) <= now ? model.shift() : undefined;
          assert.equal(heap.pop(now)?.item, expected);
        }
      }),
    );
  });

  it('is empty after clear', () => {
    const heap = createDueHeap<string>();
    heap.push(1, 'x');
    heap.clear();
    assert.equal(heap.pop(9), null);
  });
});
