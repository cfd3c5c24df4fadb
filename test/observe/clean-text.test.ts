import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cleanText, FIELD_LIMIT } from '../../src/observe/clean-text.ts';

const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

/** Any text, with a bent for what terminals and log readers stumble over. */
const nastyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        '\r\n',
        '\u001b[2J',
        '\u009b31m',
        '\u0000',
        '\u202e',
        '\u2028',
        '\ud800',
        '\udc00',
        '%s',
        '"',
        '\\',
      ),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => pieces.join(''));

describe('clean text', () => {
  it('leaves ordinary text as it is', () => {
    for (const text of ['', 'main', '/api/v3/jobs/45080', '10.0.0.1', 'Grüße, 東京', 'CI of team "a"', '2001:db8::1']) {
      assert.equal(cleanText(text), text);
    }
  });

  it('writes control characters and direction marks out', () => {
    assert.equal(cleanText('a\r\nb'), 'a\\u000d\\u000ab');
    assert.equal(cleanText('\u001b[31mred'), '\\u001b[31mred');
    assert.equal(cleanText('user\u202etxt.exe'), 'user\\u202etxt.exe');
  });

  it('cuts at the limit, inside no surrogate pair', () => {
    assert.equal(cleanText('x'.repeat(256)).length, 256);
    assert.equal(cleanText('x'.repeat(257)), `${'x'.repeat(255)}…`);
    assert.equal(cleanText(`${'x'.repeat(254)}😀😀`), `${'x'.repeat(254)}\ufffd…`);
  });

  it('gives only printable, well-formed, bounded text, whatever comes', () => {
    fc.assert(
      fc.property(nastyText, fc.integer({ min: 1, max: 300 }), (text, limit) => {
        const clean = cleanText(text, limit);
        assert.ok(clean.length <= limit, `${clean.length} > ${limit}`);
        assert.doesNotMatch(clean, UNPRINTABLE);
        assert.ok(clean.isWellFormed());
      }),
    );
  });

  it('is done after one pass', () => {
    fc.assert(fc.property(nastyText, (text) => assert.equal(cleanText(cleanText(text)), cleanText(text))));
  });

  it('takes no longer than it should on a megabyte', () => {
    assert.equal(cleanText('password='.repeat(120_000)).length <= FIELD_LIMIT, true);
    assert.equal(cleanText(`-----BEGIN PRIVATE KEY-----${'A'.repeat(1_000_000)}`), '[masked]');
  });
});

const body = fc.string({
  unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'),
  minLength: 24,
  maxLength: 60,
});

const SHAPES: Readonly<Record<string, (secret: string) => string>> = {
  'an access token': (s) => `vgw_k3v9_${s}`,
  'a JWT': (s) => `eyJhbGciOiJIUzI1NiJ9.${s}.${s}`,
  'a Bearer header': (s) => `Authorization: Bearer ${s}`,
  'the colon form': (s) => `Bearer:${s}`,
  'Basic credentials': (s) => `authorization: basic ${s}==`,
  'a form field': (s) => `username=alice&password=${s}&x=1`,
  'a JSON field': (s) => `{"password": "${s}", "x": 1}`,
  'a quoted pass phrase': (s) => `passphrase='${s} ${s}'`,
  'a URL with a password': (s) => `redis://gateway:${s}@redis:6379/0`,
  'a private key': (s) => `-----BEGIN RSA PRIVATE KEY-----\n${s}\n-----END RSA PRIVATE KEY-----`,
};

describe('secrets in text', () => {
  for (const [name, shape] of Object.entries(SHAPES)) {
    it(`are masked: ${name}`, () => {
      fc.assert(
        fc.property(body, fc.string({ maxLength: 30 }), (secret, around) => {
          const clean = cleanText(`${around} ${shape(secret)} ${around}`, 2000);
          assert.ok(!clean.includes(secret), clean);
          assert.match(clean, /\[masked\]/);
        }),
      );
    });
  }

  it('are masked although the cut goes through them', () => {
    fc.assert(
      fc.property(body, fc.integer({ min: 0, max: 260 }), (secret, offset) => {
        const clean = cleanText(`${'x'.repeat(offset)} vgw_k3v9_${secret}`);
        assert.ok(!clean.includes(secret.slice(0, 8)), clean);
      }),
    );
  });

  it('do not take the words around them along', () => {
    assert.equal(
      cleanText('login of alice failed: password=hunter2, HTTP 401'),
      'login of alice failed: password=[masked], HTTP 401',
    );
    assert.equal(cleanText('the password was rejected'), 'the password was rejected');
    assert.equal(cleanText('Unexpected token < in JSON'), 'Unexpected token < in JSON');
    assert.equal(cleanText('https://vov.example:9999/api'), 'https://vov.example:9999/api');
  });
});
