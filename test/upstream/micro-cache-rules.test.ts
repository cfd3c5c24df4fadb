import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { WholeAnswer } from '../../src/upstream/index.ts';
import { namesTag, readWish, storableLife, withoutCondition } from '../../src/upstream/micro-cache-rules.ts';
import { isForEqualReads } from '../../src/upstream/share-key.ts';
import { callOf } from './calls.ts';

const answerOf = (headers: readonly string[], status = 200): WholeAnswer => ({
  status,
  headers,
  body: Buffer.alloc(0),
  seconds: 0,
  renewed: false,
});

const LIFE = 5000;

describe('what a caller wishes', () => {
  it('is nothing without the fields', () => {
    const wish = readWish(['Host', 'x', 'Accept', 'no-cache']);
    assert.deepEqual(wish, { fresh: false, noStore: false, maxAge: Infinity, minFresh: 0, condition: null });
  });

  it('reads directives in any case, order and spacing, bare or quoted', () => {
    const wish = readWish(['CACHE-CONTROL', ' Max-Age="7" ,min-fresh=2,,NO-STORE', 'if-none-match', '"a"']);
    assert.deepEqual(wish, { fresh: false, noStore: true, maxAge: 7, minFresh: 2, condition: '"a"' });
  });

  it('takes the first of two directives that contradict, over lines', () => {
    assert.equal(readWish(['Cache-Control', 'max-age=3', 'cache-control', 'max-age=9']).maxAge, 3);
  });

  it('joins conditions over lines', () => {
    assert.equal(readWish(['If-None-Match', '"a"', 'if-none-match', '"b"']).condition, '"a", "b"');
  });

  it('is careful with numbers that are none', () => {
    for (const text of ['max-age', 'max-age=', 'max-age=-1', 'max-age=1.5', 'max-age=abc', 'max-age=0']) {
      assert.equal(readWish(['Cache-Control', text]).fresh, true, text);
    }
    assert.equal(readWish(['Cache-Control', 'min-fresh=x']).minFresh, Infinity);
  });

  it('never fails, and never finds a stored answer good when no-cache stands alone in a list', () => {
    const bit = fc.constantFrom('max-age', '=', '"', ',', ' ', '1', 'no-cache', '\\', 'x', ';', '\t');
    fc.assert(
      fc.property(fc.array(bit, { maxLength: 12 }), (bits) => {
        const text = bits.join('');
        const wish = readWish(['Cache-Control', text]);
        assert.ok(wish.maxAge >= 0 || wish.fresh);
        if (!text.includes('"')) assert.equal(readWish(['Cache-Control', `${text}, no-cache`]).fresh, true, text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('If-None-Match', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['"a"', '"a"', true],
    ['"b"', '"a"', false],
    ['W/"a"', '"a"', true],
    ['"a"', 'W/"a"', true],
    ['"x", W/"y" ,"a"', '"a"', true],
    ['*', '"a"', true],
    [' * ', '"a"', true],
    ['"*"', '"a"', false],
    ['a', '"a"', false],
    ['', '"a"', false],
    ['"a', '"a"', false],
    ['"x,a"', '"a"', false],
    ['"xa"', '"a"', false],
  ];
  for (const [condition, tag, names] of cases) {
    it(`${JSON.stringify(condition)} ${names ? 'names' : 'does not name'} ${tag}`, () => {
      assert.equal(namesTag(condition, tag), names);
    });
  }

  it('is taken out of what goes up, with If-Modified-Since, and nothing else', () => {
    const rawHeaders = ['Accept', 'if-none-match', 'IF-None-Match', '"a"', 'X', 'y', 'If-Modified-Since', 'x'];
    assert.deepEqual(withoutCondition(callOf({ rawHeaders })).rawHeaders, ['Accept', 'if-none-match', 'X', 'y']);
  });
});

describe('how long an answer may be used again', () => {
  const DATE = ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'];
  const cases: readonly (readonly [readonly string[], number, number])[] = [
    // Fields of vovserver, life within an account, life over all accounts.
    [[], LIFE, LIFE],
    [['cache-control', 'no-store'], 0, 0],
    [['cache-control', 'No-Cache="set-cookie"'], 0, 0],
    [['cache-control', 'private'], LIFE, 0],
    [['cache-control', 'max-age=2'], 2000, 2000],
    [['cache-control', 'max-age=2, max-age=9'], 2000, 2000],
    [['cache-control', 'max-age=2, s-maxage=1'], 2000, 1000],
    [['cache-control', 's-maxage=1'], LIFE, 1000],
    [['cache-control', 'max-age=3600'], LIFE, LIFE],
    [['cache-control', 'max-age=soon'], 0, 0],
    [['expires', 'Thu, 01 Jan 2026 00:00:03 GMT', ...DATE], 3000, 3000],
    [['expires', 'Thu, 01 Jan 2026 00:00:00 GMT', ...DATE], 0, 0],
    [['expires', 'Wed, 31 Dec 2025 00:00:00 GMT', ...DATE], 0, 0],
    [['expires', '0', ...DATE], 0, 0],
    [['expires', '0', 'cache-control', 'max-age=4'], 4000, 4000],
  ];
  for (const [headers, own, common] of cases) {
    it(`${JSON.stringify(headers)}: ${own} and ${common} ms`, () => {
      assert.equal(storableLife(answerOf(headers), LIFE, false), own);
      assert.equal(storableLife(answerOf(headers), LIFE, true), common);
    });
  }

  it('is nothing for any status but 200', () => {
    for (const status of [201, 203, 204, 206, 301, 304, 404, 410, 500, 503]) {
      assert.equal(storableLife(answerOf([], status), LIFE, false), 0);
    }
  });

  it('is never longer than configured, and never negative', () => {
    const field = fc.constantFrom('max-age=', 's-maxage=', 'private', 'public', 'must-revalidate', 'x=');
    const value = fc.oneof(
      fc.nat().map(String),
      fc.constantFrom('', '"1"', '-1', 'NaN', '1e9', '99999999999999999999'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(field, value)), fc.boolean(), (parts, common) => {
        const control = parts.map(([name, text]) => name + (name.endsWith('=') ? text : '')).join(', ');
        const life = storableLife(answerOf(['cache-control', control]), LIFE, common);
        assert.ok(life >= 0 && life <= LIFE, `${control}: ${life}`);
      }),
    );
  });
});

describe('Vary', () => {
  const cases: readonly (readonly [readonly string[], boolean])[] = [
    [[], true],
    [['vary', ''], true],
    [['vary', 'Accept, ACCEPT-language ,prefer'], true],
    [['vary', 'accept-encoding'], true],
    [['vary', 'cookie, origin, authorization'], true],
    [['vary', '*'], false],
    [['vary', 'accept, user-agent'], false],
    [['vary', 'x-custom'], false],
  ];
  for (const [headers, equal] of cases) {
    it(`${JSON.stringify(headers)} ${equal ? 'fits' : 'does not fit'} the key`, () => {
      assert.equal(isForEqualReads(headers), equal);
    });
  }
});
