import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Slot, SlotTable } from '../../src/upstream/slot.ts';

const owner = { streamed: () => undefined };
/** Reads whose targets often stand in one place of the table. */
const readOf = (nth: number) => ({
  target: `/api/v3/query?where=${nth}&tail-that-is-the-same`,
  account: `user${nth % 3}`,
});
const keyOf = (nth: number): string => `key ${nth}`;

describe('the table of slots', () => {
  it('finds what is under way by its key, and nothing else, whatever came before', () => {
    const step = fc.record({ nth: fc.nat(12), end: fc.boolean(), leave: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), fc.integer({ min: 1, max: 6 }), (steps, most) => {
        const table = new SlotTable(owner, most);
        const busy = new Map<number, Slot>();
        for (const { nth, end, leave } of steps) {
          const slot = table.of(keyOf(nth), readOf(nth), false);
          const known = busy.get(nth);
          if (slot === null) {
            assert.equal(known, undefined);
            assert.equal(busy.size, most, 'only when all are busy');
            continue;
          }
          assert.equal(slot.key, keyOf(nth));
          if (known === undefined) assert.equal(slot.busy, false);
          else assert.equal(slot, known);
          slot.busy = !end;
          if (end) busy.delete(nth);
          else busy.set(nth, slot);
          if (end || !leave) continue;
          const fresh = table.replace(slot);
          fresh.busy = true;
          assert.notEqual(fresh, slot);
          busy.set(nth, fresh);
        }
        for (const [nth, slot] of busy) assert.equal(table.of(keyOf(nth), readOf(nth), false), slot);
      }),
      { numRuns: 500 },
    );
  });

  it('uses slots again: ever other reads, one after the other, need one for each place', () => {
    const table = new SlotTable(owner, 4096);
    const seen = new Set<Slot | null>();
    for (let nth = 0; nth < 50_000; nth += 1) {
      seen.add(table.of(keyOf(nth), { target: `/api/v3/jobs/${nth}`, account: 'alice' }, false));
    }
    assert.ok(!seen.has(null));
    assert.ok(seen.size > 500 && seen.size <= 1024, `${seen.size} slots`);
  });

  it('finds what is common to accounts whoever asks', () => {
    const table = new SlotTable(owner, 10);
    const slot = table.of('k', { target: '/v', account: 'alice' }, true);
    if (slot !== null) slot.busy = true;
    assert.equal(table.of('k', { target: '/v', account: 'bob' }, true), slot);
  });
});
