import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Secret } from '../../src/kernel/index.ts';
import { createSealer } from '../../src/platform/index.ts';

const key = (fill: number): Secret => new Secret(Buffer.alloc(32, fill).toString('base64'));
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';

test('opens what it sealed, for any text and any additional data', () => {
  const sealer = createSealer({ current: key(1) });
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(fc.property(text, text, (plain, aad) => assert.equal(sealer.open(sealer.seal(plain, aad), aad), plain)));
});

test('opens under no other additional data', () => {
  const sealer = createSealer({ current: key(1) });
  const text = fc.string();
  fc.assert(
    fc.property(text, text, text, (plain, aad, other) => {
      fc.pre(aad !== other);
      assert.equal(sealer.open(sealer.seal(plain, aad), other), null);
    }),
  );
});

test('values swapped between two owners do not open', () => {
  const sealer = createSealer({ current: key(1) });
  const [alice, bob] = [sealer.seal('jwt of alice', 'jwt:q:alice'), sealer.seal('jwt of bob', 'jwt:q:bob')];
  assert.equal(sealer.open(bob, 'jwt:q:alice'), null);
  assert.equal(sealer.open(alice, 'jwt:q:bob'), null);
  assert.equal(sealer.open(alice, 'session:q:alice'), null);
});

test('a change of any one character, anywhere, does not open', () => {
  const sealer = createSealer({ current: key(1), previous: key(2) });
  for (const plain of ['', 'a', 'ab', 'abc', 'a longer text']) {
    const sealed = sealer.seal(plain, 'aad');
    for (let position = 0; position < sealed.length; position += 1) {
      for (const character of ALPHABET) {
        if (character === sealed[position]) continue;
        const changed = sealed.slice(0, position) + character + sealed.slice(position + 1);
        assert.equal(sealer.open(changed, 'aad'), null, `${position} ${character}`);
      }
    }
  }
});

test('a character left out, doubled or added does not open', () => {
  const sealer = createSealer({ current: key(1) });
  const sealed = sealer.seal('text', 'aad');
  for (let position = 0; position < sealed.length; position += 1) {
    assert.equal(sealer.open(sealed.slice(0, position) + sealed.slice(position + 1), 'aad'), null);
    assert.equal(sealer.open(sealed.slice(0, position), 'aad'), null);
    assert.equal(sealer.open(sealed.slice(0, position) + sealed[position] + sealed.slice(position), 'aad'), null);
  }
  for (const tail of ['=', ' ', '\n', '.', '.x', 'A', 'AAAA', '\u0000'])
    assert.equal(sealer.open(sealed + tail, 'aad'), null);
});

test('nonsense does not open and does not throw', () => {
  const sealer = createSealer({ current: key(1) });
  const [, id] = sealer.seal('x', '').split('.');
  for (const text of ['', '.', '..', '...', 's1', 's1.', `s1.${id}`, `s1.${id}.`, `s1.${id}.AAAA`, `s2.${id}.AAAA`]) {
    assert.equal(sealer.open(text, ''), null);
  }
  fc.assert(fc.property(fc.string(), (text) => assert.equal(sealer.open(`s1.${id}.${text}`, ''), null)));
});

test('keys rotate: the previous one still opens, never seals, and ends', () => {
  const before = createSealer({ current: key(1) });
  const during = createSealer({ current: key(2), previous: key(1) });
  const after = createSealer({ current: key(3), previous: key(2) });
  const old = before.seal('text', 'aad');
  assert.equal(during.open(old, 'aad'), 'text');
  assert.equal(after.open(old, 'aad'), null);
  const renewed = during.seal('text', 'aad');
  assert.deepEqual(
    [before, during, after].map((sealer) => sealer.isCurrent(old)),
    [true, false, false],
  );
  assert.deepEqual(
    [before, during, after].map((sealer) => sealer.isCurrent(renewed)),
    [false, true, false],
  );
  assert.equal(before.open(renewed, 'aad'), null);
  assert.equal(after.open(renewed, 'aad'), 'text');
});

test('the envelope names its key, the same for the same key, and holds no part of key or text', () => {
  const secret = new Secret(randomBytes(32).toString('base64'));
  const sealer = createSealer({ current: secret });
  const [version, id, body] = sealer.seal('very secret text', 'aad').split('.');
  assert.equal(version, 's1');
  assert.equal(createSealer({ current: secret }).seal('other', '').split('.')[1], id);
  assert.notEqual(
    createSealer({ current: key(9) })
      .seal('other', '')
      .split('.')[1],
    id,
  );
  const bytes = Buffer.concat([Buffer.from(id ?? '', 'base64url'), Buffer.from(body ?? '', 'base64url')]);
  const keyBytes = Buffer.from(secret.reveal(), 'base64');
  for (let start = 0; start + 4 <= keyBytes.length; start += 1) {
    assert.equal(bytes.indexOf(keyBytes.subarray(start, start + 4)), -1);
  }
  assert.equal(bytes.indexOf('secret'), -1);
});

test('an envelope under one key id is not tried with another key', () => {
  const sealer = createSealer({ current: key(1), previous: key(2) });
  const [, currentId] = sealer.seal('x', 'aad').split('.');
  const [version, , body] = createSealer({ current: key(2) })
    .seal('x', 'aad')
    .split('.');
  assert.equal(sealer.open([version, currentId, body].join('.'), 'aad'), null);
});

test('every seal has a nonce of its own, of 96 bits', () => {
  const asked: number[] = [];
  const sealer = createSealer({ current: key(1) }, (bytes) => {
    asked.push(bytes);
    return randomBytes(bytes);
  });
  const sealed = new Set(Array.from({ length: 500 }, () => sealer.seal('same', 'same')));
  assert.equal(sealed.size, 500);
  assert.deepEqual(new Set(asked), new Set([12]));
});

test('a key of another length is refused, without being shown', () => {
  for (const text of ['', 'short', Buffer.alloc(31).toString('base64'), Buffer.alloc(33, 7).toString('base64')]) {
    const refused = (error: unknown): boolean =>
      error instanceof RangeError &&
      /32 bytes in base64/.test(error.message) &&
      (text === '' || !error.message.includes(text));
    assert.throws(() => createSealer({ current: new Secret(text) }), refused);
    assert.throws(() => createSealer({ current: key(1), previous: new Secret(text) }), /previous/);
  }
});
