import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { tokenIdOf } from '../../src/auth/index.ts';
import { isTokenId, mintToken, parseToken } from '../../src/auth/token-format.ts';
import { seededBytes, withTypo } from './auth-world.ts';

const SHAPE = /^vgw_[0-9a-z]{12}_[0-9A-Za-z]{34}$/;

describe('the text of a token', () => {
  it('is vgw_<id>_<secret><checksum> and reads back into its parts', () => {
    for (let round = 0; round < 200; round++) {
      const { token, parts } = mintToken(randomBytes);
      assert.match(token.reveal(), SHAPE);
      assert.deepEqual(parseToken(token.reveal()), parts);
      assert.equal(tokenIdOf(token.reveal()), parts.id);
      assert.ok(isTokenId(parts.id));
    }
  });

  it('cannot be printed by accident', () => {
    const { token } = mintToken(randomBytes);
    assert.equal(`${token} ${JSON.stringify({ token })}`, '[redacted] {"token":"[redacted]"}');
  });

  it('carries at least 160 bits of secret', () => {
    const { parts } = mintToken(randomBytes);
    assert.ok(parts.secret.length * Math.log2(62) >= 160);
  });

  it('uses every character of its alphabets, none with a bias that counts', () => {
    const random = seededBytes('alphabet');
    const counts = new Map<string, number>();
    const rounds = 4000;
    for (let round = 0; round < rounds; round++) {
      for (const character of mintToken(random).parts.secret) counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    assert.equal(counts.size, 62);
    const mean = (rounds * 28) / 62;
    for (const [character, count] of counts) {
      assert.ok(Math.abs(count - mean) < mean * 0.15, `${character}: ${count} of about ${mean}`);
    }
  });

  it('throws away bytes that would bend the distribution', () => {
    const bytes = [Buffer.alloc(12, 255), Buffer.alloc(12, 0), Buffer.alloc(28, 248), Buffer.alloc(28, 61)];
    const { parts } = mintToken(() => bytes.shift() ?? Buffer.alloc(0));
    assert.deepEqual(parts, { id: '0'.repeat(12), secret: 'Z'.repeat(28) });
  });

  it('stays what it is: tokens that are out there must stay readable', () => {
    const known = 'vgw_000000000000_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZ';
    const bytes = [Buffer.alloc(12, 0), Buffer.alloc(28, 61)];
    const token = mintToken(() => bytes.shift() ?? Buffer.alloc(0)).token.reveal();
    assert.equal(token.slice(0, -6), known);
    assert.equal(token.slice(-6), KNOWN_CHECKSUM);
  });

  it('knows every single wrong character', () => {
    const token = mintToken(seededBytes('typo')).token.reveal();
    for (let at = 0; at < token.length; at++) assert.equal(parseToken(withTypo(token, at)), null, `position ${at}`);
  });

  it('knows swapped neighbours, cuts and additions', () => {
    const token = mintToken(seededBytes('swap')).token.reveal();
    for (let at = 0; at + 1 < token.length; at++) {
      const swapped = token.slice(0, at) + token[at + 1] + token[at] + token.slice(at + 2);
      if (swapped !== token) assert.equal(parseToken(swapped), null);
      assert.equal(parseToken(token.slice(0, at)), null);
    }
    for (const bad of [`${token}a`, ` ${token}`, `${token} `, `${token}\n`, token.toUpperCase(), token.slice(4)]) {
      assert.equal(parseToken(bad), null);
      assert.equal(tokenIdOf(bad), null);
    }
  });

  it('takes nothing else for a token', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => parseToken(text) === null && tokenIdOf(text) === null),
    );
    fc.assert(
      fc.property(fc.stringMatching(SHAPE), (text) => parseToken(text) === null),
      { numRuns: 500 },
    );
  });

  it('tells ids from other texts', () => {
    for (const id of ['', 'abc', 'ABCDEFGHIJKL', 'abcdefghijkl ', 'abcdefghijk/', 'abcdefghijklm', 'abcdefghijkl\n']) {
      assert.equal(isTokenId(id), false, id);
    }
  });
});

/** CRC-32 (IEEE) of the token before it, in base 62 with six digits. */
const KNOWN_CHECKSUM = checksum('vgw_000000000000_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZ');

/** An own, slow CRC-32, so that the format is pinned down by something else than itself. */
function checksum(text: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  let rest = BigInt((crc ^ 0xffffffff) >>> 0);
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  let out = '';
  for (let place = 0; place < 6; place++, rest /= 62n) out = `${digits[Number(rest % 62n)]}${out}`;
  return out;
}
