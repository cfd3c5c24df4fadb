import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkTarget } from '../../src/access/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';

const LIMITS = { urlBytes: 8192 };

/** The corpus of bad targets: target and, where given, what the refusal must name. */
const corpus = readFileSync(join(import.meta.dirname, 'bad-targets.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('# ') && line !== '#')
  .map((line) => {
    const [target = '', sequence] = line.split('\t');
    return {
      target: target.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      sequence,
    };
  });

function refusal(target: string, limits = LIMITS): GatewayError | null {
  try {
    checkTarget(target, limits);
    return null;
  } catch (error) {
    assert.ok(error instanceof GatewayError, `${JSON.stringify(target)} threw something else: ${error}`);
    return error;
  }
}

/** Decodes as a lenient program would: single escapes, in bytes, as long as something changes. */
function decodeFully(text: string): string[] {
  const rounds = [text];
  for (let round = 0; round < 6; round++) {
    const last = rounds.at(-1) ?? '';
    const next = last.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    if (next === last) break;
    rounds.push(next);
  }
  return rounds;
}

const hasDotSegment = (path: string): boolean =>
  path.split(/[/\\]/).some((segment) => /^\.+$/.test((segment.split(';', 1)[0] ?? '').trim()));

/** Pieces of which traversals are made, and plain ones to hide them between. */
const piece = fc.constantFrom(
  ...['/', '.', '..', '%2e', '%2E', '%2f', '%5c', '\\', ';', '%', '%25', '%252e', '%00', '%20', ' ', '?', '#', '*'],
  ...['api', 'v3', 'jobs', '45080', 'a', '2e', '2f', '5c', '%61', '%c0%ae', 'é', '\u0000', '~', '%7e', ':', '@'],
);
const target = fc.oneof(
  fc.array(piece, { maxLength: 14 }).map((pieces) => `/api/v3/${pieces.join('')}`),
  fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 30 }).map((text) => `/${text}`),
);

describe('checkTarget: what is refused', () => {
  it('reads a corpus worth the name', () => assert.ok(corpus.length > 110, `${corpus.length} lines`));

  for (const { target: bad, sequence } of corpus) {
    it(`refuses ${JSON.stringify(bad)}`, () => {
      const error = refusal(bad);
      assert.equal(error?.code, 'GW_BAD_PATH');
      assert.equal(error?.status, 400);
      if (sequence !== undefined) assert.ok(error?.detail.includes(sequence), `${error?.detail} lacks ${sequence}`);
    });
  }

  it('refuses an empty target', () => assert.match(refusal('')?.detail ?? '', /is empty/));

  it('names the sequence and its position', () => {
    assert.equal(refusal('/api/v3/jobs%2F1')?.detail, 'The path holds "%2F" at position 12, which is refused.');
    assert.equal(refusal('/api//v3')?.detail, 'The path holds "//" at position 4, which is refused.');
    assert.equal(refusal('/api/v3/..')?.detail, 'The path holds ".." at position 8, which is refused.');
    assert.match(refusal('/a?b=c d')?.detail ?? '', /query holds "\\x20" at position 6; write it percent-encoded/);
  });

  it('never repeats control or non-ASCII characters of the target in its text', () => {
    fc.assert(
      fc.property(target, (text) => {
        const error = refusal(text);
        if (error !== null) assert.match(error.detail, /^[\x20-\x7e…]+$/);
      }),
    );
  });

  it('cuts a long foreign target in its text', () => {
    const detail = refusal(`http://${'x'.repeat(500)}/`)?.detail ?? '';
    assert.ok(detail.length < 200, detail);
  });

  it('refuses a target above the limit with 414, before anything else', () => {
    assert.equal(refusal(`/${'a'.repeat(99)}`, { urlBytes: 100 }), null);
    assert.equal(refusal(`/${'a'.repeat(100)}`, { urlBytes: 100 })?.status, 414);
    assert.equal(refusal(`//${'a'.repeat(100)}`, { urlBytes: 100 })?.code, 'GW_URI_TOO_LONG');
  });
});

describe('checkTarget: what passes', () => {
  const passes: readonly [string, string, string][] = [
    ['/', '/', ''],
    ['/api/v3/jobs', '/api/v3/jobs', ''],
    ['/api/v3/jobs/000045080/*', '/api/v3/jobs/000045080/*', ''],
    ['/api/v3/jobs/45080/', '/api/v3/jobs/45080/', ''],
    ['/api/v3/jobs?', '/api/v3/jobs', ''],
    ['/api/v3/query?select=id,statusnc&from=jobs', '/api/v3/query', 'select=id,statusnc&from=jobs'],
    ['/api/v3/query?where=a%20b%2F..%2f&x=../..//;%00', '/api/v3/query', 'where=a%20b%2F..%2f&x=../..//;%00'],
    ['/api/v3/query?a=?b', '/api/v3/query', 'a=?b'],
    ['/api/v3/%6aobs', '/api/v3/jobs', ''],
    ['/api/v3/sets/System%3AUser%3aalice', '/api/v3/sets/System:User:alice', ''],
    ['/api/v3/sets/a%20b', '/api/v3/sets/a b', ''],
    ['/api/v3/x.y/.hidden/a..b/c.', '/api/v3/x.y/.hidden/a..b/c.', ''],
    ['/html/vovrest.html', '/html/vovrest.html', ''],
  ];
  for (const [given, path, query] of passes) {
    it(`takes ${given}`, () => assert.deepEqual(checkTarget(given, LIMITS), { path, query }));
  }

  it('holds no dot segment, separator trick or control character after any number of decodings', () => {
    let passed = 0;
    fc.assert(
      fc.property(target, (text) => {
        if (refusal(text) !== null) return;
        passed++;
        for (const round of decodeFully(text.split('?', 1)[0] ?? '')) {
          assert.ok(!hasDotSegment(round), `dot segment in ${JSON.stringify(round)} of ${JSON.stringify(text)}`);
          assert.ok(!round.includes('//'), round);
          assert.match(round, /^\/[^\\;#\x00-\x1f\x7f-\uffff]*$/);
        }
      }),
      { numRuns: 20_000 },
    );
    assert.ok(passed > 500, `only ${passed} targets passed: the property says little`);
  });

  it('keeps segments where they are: decoding neither adds nor removes a slash', () => {
    fc.assert(
      fc.property(target, (text) => {
        if (refusal(text) !== null) return;
        const raw = text.split('?', 1)[0] ?? '';
        assert.equal(checkTarget(text, LIMITS).path.split('/').length, raw.split('/').length);
      }),
      { numRuns: 5000 },
    );
  });

  it('checked all bytes: path (decoded once) and query together are the target again', () => {
    fc.assert(
      fc.property(target, (text) => {
        if (refusal(text) !== null) return;
        const { path, query } = checkTarget(text, LIMITS);
        const at = text.indexOf('?');
        const raw = at === -1 ? text : text.slice(0, at);
        assert.equal(decodeURIComponent(raw), path);
        assert.equal(query, at === -1 ? '' : text.slice(at + 1));
        if (!raw.includes('%')) assert.equal(path, raw);
      }),
      { numRuns: 5000 },
    );
  });

  it('gives a path that passes again and stays as it is', () => {
    fc.assert(
      fc.property(target, (text) => {
        if (refusal(text) !== null) return;
        const { path } = checkTarget(text, LIMITS);
        // A decoded space is the one character that must be encoded on the wire.
        const again = checkTarget(path.replaceAll(' ', '%20'), LIMITS);
        assert.equal(again.path, path);
      }),
      { numRuns: 5000 },
    );
  });
});
