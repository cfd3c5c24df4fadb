import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { distance, nearest } from '../../src/config/nearest.ts';

const word = fc.stringMatching(/^[a-c]{0,6}$/);

describe('distance', () => {
  it('counts changes, insertions, removals and swaps of neighbours', () => {
    const cases: [string, string, number][] = [
      ['', '', 0],
      ['abc', '', 3],
      ['port', 'prot', 1],
      ['verify', 'verfy', 1],
      ['queues', 'queue', 1],
      ['host', 'hots', 1],
      ['mode', 'node', 1],
      ['kitten', 'sitting', 3],
    ];
    for (const [a, b, far] of cases) assert.equal(distance(a, b), far, `${a} ${b}`);
  });

  it('is zero for equal words only, the same both ways, and bounded by the longer word', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const far = distance(a, b);
        assert.equal(far === 0, a === b);
        assert.equal(far, distance(b, a));
        assert.ok(far <= Math.max(a.length, b.length) && far >= Math.abs(a.length - b.length));
      }),
    );
  });
});

describe('nearest', () => {
  it('finds the word that was meant, whatever its case', () => {
    assert.equal(nearest('prot', ['host', 'port']), 'port');
    assert.equal(nearest('CAFILE', ['certFile', 'caFile']), 'caFile');
    assert.equal(nearest('trustedproxy', ['trustedProxies', 'host']), 'trustedProxies');
  });

  it('is silent when nothing is near', () => {
    assert.equal(nearest('zebra', ['host', 'port']), null);
    assert.equal(nearest('x', []), null);
  });
});
