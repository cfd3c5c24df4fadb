import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashTag, wholeTtl } from '../../src/platform/call-checks.ts';
import { addressesFrom, commandTimeoutOf, toAddress } from '../../src/platform/redis-options.ts';
import { redisConfig } from '../world/redis.ts';

/** What ioredis sends keys by. */
const slotOf = createRequire(createRequire(import.meta.url).resolve('ioredis'))('cluster-key-slot') as (
  key: string,
) => number;

test('a hash tag is what Redis Cluster takes for one', () => {
  const cases: [string, string][] = [
    ['plain', 'plain'],
    ['', ''],
    ['a{b}c', 'b'],
    ['a{}c', 'a{}c'],
    ['a{}{b}', 'a{}{b}'],
    ['a{{b}}c', '{b'],
    ['a{b}{c}', 'b'],
    ['a}b{c}', 'c'],
    ['a{b', 'a{b'],
  ];
  for (const [key, tag] of cases) assert.equal(hashTag(key), tag);
});

test('keys of one hash tag are in one slot, under any prefix', () => {
  const key = fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b', ':') });
  fc.assert(
    fc.property(key, (text) => {
      assert.equal(slotOf(text), slotOf(hashTag(text)));
      if (hashTag(text) !== text) assert.equal(slotOf(`vovgw:${text}`), slotOf(hashTag(text)));
    }),
  );
});

test('a time to live is whole, and never shorter than asked', () => {
  assert.equal(wholeTtl(null), null);
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e12, noNaN: true }), (ttl) => {
      const whole = wholeTtl(ttl) ?? 0;
      assert.ok(Number.isInteger(whole) && whole >= ttl && whole < ttl + 1);
    }),
  );
});

test('nodes are read as host and port', () => {
  assert.deepEqual(toAddress('redis.example:6379'), { host: 'redis.example', port: 6379 });
  assert.deepEqual(toAddress('10.0.0.1:1'), { host: '10.0.0.1', port: 1 });
  assert.deepEqual(toAddress('[2001:db8::1]:6380'), { host: '2001:db8::1', port: 6380 });
  assert.deepEqual(toAddress('2001:db8::1:6380'), { host: '2001:db8::1', port: 6380 });
});

test('each attempt begins with the next node and knows all of them', () => {
  const config = redisConfig({ nodes: ['a:1', 'b:2', 'c:3'] });
  const firsts = [0, 1, 2, 3, 4].map((attempt) => addressesFrom(config, attempt)[0]?.host);
  assert.deepEqual(firsts, ['a', 'b', 'c', 'a', 'b']);
  for (const attempt of [0, 1, 2, 3]) {
    assert.deepEqual(
      addressesFrom(config, attempt)
        .map(({ host }) => host)
        .toSorted(),
      ['a', 'b', 'c'],
    );
  }
});

test('no configuration makes a command take longer than 500 ms', () => {
  assert.equal(commandTimeoutOf(redisConfig({ nodes: ['a:1'], commandTimeout: 300 })), 300);
  assert.equal(commandTimeoutOf(redisConfig({ nodes: ['a:1'], commandTimeout: 60_000 })), 500);
});
