import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { attributesOf } from '../../src/auth/oidc/claims.ts';

describe('claims as attributes', () => {
  it('takes texts, numbers, booleans and lists of them, nested ones by path', () => {
    assert.deepEqual(
      attributesOf({
        sub: 's',
        n: 7,
        yes: true,
        groups: ['a', 'b'],
        none: [],
        gone: null,
        mixed: ['a', { b: 1 }],
        realm_access: { roles: ['x'], deep: { er: 'y' } },
      }),
      {
        sub: ['s'],
        n: ['7'],
        yes: ['true'],
        groups: ['a', 'b'],
        none: [],
        'realm_access.roles': ['x'],
        'realm_access.deep.er': ['y'],
      },
    );
  });

  it('a claim with dots in its own name wins over a nested one, in either order', () => {
    assert.deepEqual(attributesOf({ 'a.b': 'own', a: { b: 'nested' } })['a.b'], ['own']);
    assert.deepEqual(attributesOf({ a: { b: 'nested' }, 'a.b': 'own' })['a.b'], ['own']);
  });

  it('names of the object prototype are plain names', () => {
    const attributes = attributesOf(JSON.parse('{"__proto__": {"x": "1"}, "constructor": "c"}'));
    assert.deepEqual(Object.getOwnPropertyNames(attributes).sort(), ['__proto__.x', 'constructor']);
    assert.equal(Object.getPrototypeOf(attributes), Object.prototype);
    assert.deepEqual(Object.keys(attributesOf(JSON.parse('{"__proto__": "p"}'))), ['__proto__']);
  });

  it('gives a bounded number of lists of texts for any JSON', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 8 })), (claims) => {
        const attributes = Object.entries(attributesOf(claims));
        assert.ok(attributes.length <= 500);
        for (const [, values] of attributes) assert.ok(values.every((value) => typeof value === 'string'));
      }),
    );
    const many = Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [`c${at}`, 'x']));
    assert.equal(Object.keys(attributesOf(many)).length, 500);
  });

  it('keeps every claim that is a text, as it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string(), { maxKeys: 50 }), (claims) => {
        const attributes = new Map(Object.entries(attributesOf(claims)));
        for (const [name, value] of Object.entries(claims)) assert.deepEqual(attributes.get(name), [value]);
      }),
    );
  });
});
