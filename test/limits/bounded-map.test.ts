import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createBoundedMap } from '../../src/limits/bounded-map.ts';

describe('bounded map', () => {
  it('never holds more than its capacity', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.array(fc.integer({ min: 0, max: 100 })), (capacity, keys) => {
        const map = createBoundedMap<number>(capacity);
        for (const key of keys) {
          if (map.get(String(key)) === undefined) map.set(String(key), key);
          assert.ok(map.size <= capacity);
          assert.equal(map.get(String(key)), key);
        }
      }),
    );
  });

  it('keeps what is used while a flood passes', () => {
    const map = createBoundedMap<string>(100);
    map.set('colleague', 'kept');
    for (let i = 0; i < 10_000; i += 1) {
      map.set(`flood-${i}`, 'x');
      if (i % 20 === 0) assert.equal(map.get('colleague'), 'kept');
    }
    assert.equal(map.get('flood-0'), undefined);
  });

  it('replaces a value wherever the old one was', () => {
    const map = createBoundedMap<number>(4);
    map.set('a', 1);
    map.set('b', 1);
    map.set('c', 1);
    map.set('a', 2);
    assert.equal(map.get('a'), 2);
    map.set('a', 3);
    assert.equal(map.get('a'), 3);
    assert.equal(map.size, 3);
  });
});
