import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toReturnTarget } from '../../src/auth/index.ts';

/** One JSON string on each line: what an attacker may write behind `?return=` or into a RelayState. */
const BAD: string[] = readFileSync(new URL('bad-return-targets.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const GOOD = [
  '/',
  '/ui/',
  '/ui',
  '/ui/tokens',
  '/ui/device?code=WDJB-MJHT',
  '/ui/tokens?label=ci&scope=read&scope=submit',
  '/html/vovrest.html',
  '/ui/file.name.html',
  '/ui/~a/b_c-d;v=1,2(3)*!$+@x',
  '/ui/a%2Bb',
  '/loginx',
  '/ui/login',
  '/samlx',
  `/${'a'.repeat(2047)}`,
];

const ORIGIN = 'https://gateway.example';

describe('the place to return to', () => {
  it('is never one of the known open redirects', () => {
    assert.ok(BAD.length >= 200 && new Set(BAD).size === BAD.length);
    for (const target of BAD) assert.equal(toReturnTarget(target), '/ui/', JSON.stringify(target));
  });

  it('is the start page when none is named', () => {
    for (const none of [null, undefined, '']) assert.equal(toReturnTarget(none), '/ui/');
  });

  it('stays as it was when it is a plain path of the gateway', () => {
    for (const target of GOOD) assert.equal(toReturnTarget(target), target);
  });

  it('leads, for any text, to the gateway itself and by no second reading to another place', () => {
    const pieces = [
      '/',
      '\\',
      '.',
      '..',
      '%',
      '%2f',
      '%5c',
      '%25',
      ':',
      '@',
      '?',
      '#',
      '\t',
      '\n',
      'ui',
      'evil.example',
      'https',
    ];
    const glued = fc
      .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3, unit: 'binary' })))
      .map((a) => a.join(''));
    const text = fc.oneof(
      fc.webUrl(),
      glued,
      glued.map((rest) => `/${rest}`),
    );
    fc.assert(
      fc.property(text, (target) => {
        const place = toReturnTarget(target);
        assert.ok(place === target || place === '/ui/');
        for (let layer = 0, read = place; layer < 4; layer++, read = decodeURIComponent(read)) {
          const url = new URL(read, `${ORIGIN}/saml/corp/acs`);
          assert.equal(url.origin, ORIGIN);
          assert.match(read, /^\/(?!\/)[!-~]*$/);
          assert.ok(!read.includes('\\') && !read.includes('//'), read);
          if (!read.includes('%')) break;
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('is the start page for a text of any great length', () => {
    for (const target of [`/${'a/'.repeat(50_000)}`, `/${'%25'.repeat(50_000)}`, `/${'../'.repeat(600)}`]) {
      assert.equal(toReturnTarget(target), '/ui/');
    }
  });
});
