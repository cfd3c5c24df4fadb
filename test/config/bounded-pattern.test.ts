import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { groupCount, LONGEST_VALUE, type PatternFault, patternFault } from '../../src/config/bounded-pattern.ts';

const CASES: readonly (readonly [pattern: string, fault: PatternFault | null])[] = [
  ['([a-z_][a-z0-9_-]{0,31})', null],
  ['(?:adm-)?([a-z]+)', null],
  ['([^@]+)@(?:a|b)\\.example\\.com', null],
  ['([a-z]+)-([a-z]+)', null],
  ['(ab){3}', null],
  ['(ab)+', null],
  ['((ab){2}){3}', null],
  ['[(+*|]+\\(\\|', null],
  ['[\\]+]*', null],
  ['(?<name>x+)', null],
  ['(?=a+)b(?!c*)', null],
  ['a{', null],
  ['(', 'syntax'],
  ['[z-a]', 'syntax'],
  ['a**', 'syntax'],
  ['(a+)+', 'nested'],
  ['(a*)*b', 'nested'],
  ['((a+)b)*', 'nested'],
  ['(?:a{1,3}){2,}', 'nested'],
  ['(?<x>a?){30}', 'nested'],
  ['([a-z]+\\.)+', 'nested'],
  ['(a|a)*', 'alternatives'],
  ['(?:(a|b)c)+', 'alternatives'],
  ['(a|b){2}', 'alternatives'],
  ['(a)\\1', 'backreference'],
  ['(?<n>a)\\k<n>', 'backreference'],
  ['a*a*a*a*a*', 'many'],
  [`${'a?'.repeat(30)}b`, 'many'],
  ['.{0,40}.{0,40}.{0,40}.{0,40}.{0,40}', 'many'],
];

describe('patternFault', () => {
  for (const [pattern, fault] of CASES) {
    it(`${pattern.slice(0, 40)} is ${fault ?? 'accepted'}`, () => assert.equal(patternFault(pattern), fault));
  }

  it('allows fewer repetitions in longer texts, and fewer still where there are many', () => {
    const few = (LONGEST_VALUE + 1) ** 2;
    const most = (repetitions: number): string => '.*x'.repeat(repetitions);
    assert.deepEqual([patternFault(most(4)), patternFault(most(5))], [null, 'many']);
    assert.deepEqual([patternFault(most(3), LONGEST_VALUE), patternFault(most(4), LONGEST_VALUE)], [null, 'many']);
    assert.equal(patternFault(most(2), LONGEST_VALUE, few), null);
    assert.equal(patternFault(most(3), LONGEST_VALUE, few), 'many');
    assert.equal(patternFault('CN=([^,]+),.*', LONGEST_VALUE, few), null);
  });

  it('calls exactly the patterns that do not compile a fault of syntax', () => {
    const piece = fc.constantFrom(
      'a',
      '.',
      '(',
      ')',
      '[',
      ']',
      '*',
      '+',
      '?',
      '{2}',
      '{1,3}',
      '|',
      '\\',
      'd',
      '(?:',
      '^',
      '$',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const pattern = pieces.join('');
        let compiles = true;
        try {
          new RegExp(pattern);
        } catch {
          compiles = false;
        }
        assert.equal(patternFault(pattern) === 'syntax', !compiles, pattern);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('groupCount', () => {
  it('counts capturing groups only', () => {
    const cases: [string, number][] = [
      ['abc', 0],
      ['(a)(?:b)(?<c>d)', 2],
      ['(a(b))|c', 2],
      ['[(]\\(', 0],
    ];
    for (const [pattern, count] of cases) assert.equal(groupCount(pattern), count, pattern);
  });
});
