import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { doubtsOf, hasReplicas, readSettings } from '../../src/platform/redis-doubts.ts';
import { eventually } from '../world/eventually.ts';
import { startRedis } from '../world/redis.ts';

const SAFE = { appendonly: 'yes', appendfsync: 'always', maxmemory: '0', 'maxmemory-policy': 'noeviction' };
const doubts = (changes: Readonly<Record<string, string>>): string =>
  doubtsOf(new Map(Object.entries({ ...SAFE, ...changes }))).join('; ');

describe('what a Redis may lose', () => {
  it('is told by its settings', () => {
    assert.equal(doubts({}), '');
    assert.match(doubts({ appendonly: 'no' }), /^appendonly is no, so what was written since its last snapshot/);
    assert.match(doubts({ appendfsync: 'everysec' }), /^appendfsync is everysec, so a power cut takes the last two/);
    assert.match(doubts({ appendfsync: 'no' }), /^appendfsync is no,/);
    assert.equal(doubts({ 'maxmemory-policy': 'allkeys-lru' }), '', 'without a limit nothing is evicted');
    assert.match(doubts({ 'maxmemory-policy': 'allkeys-lru', maxmemory: '1024' }), /^maxmemory-policy is allkeys-lru/);
    assert.equal(doubts({ maxmemory: '1024' }), '');
    assert.equal(
      doubts({ appendfsync: 'no', maxmemory: '1', 'maxmemory-policy': 'volatile-ttl' }).split('; ').length,
      2,
    );
    assert.deepEqual(doubtsOf(new Map()), [], 'what is not said is not doubted');
  });

  it('is told of a failover where there can be one', () => {
    const settings = (least: string) => new Map(Object.entries({ ...SAFE, 'min-replicas-to-write': least }));
    assert.deepEqual(doubtsOf(settings('0')), []);
    assert.match(doubtsOf(settings('0'), true).join('; '), /^min-replicas-to-write is 0, so a failover takes/);
    assert.deepEqual(doubtsOf(settings('1'), true), []);
    assert.deepEqual(
      [hasReplicas('# Replication\r\nrole:master\r\nconnected_slaves:0\r\n'), hasReplicas([])],
      [false, false],
    );
    assert.equal(hasReplicas('# Replication\r\nrole:master\r\nconnected_slaves:2\r\n'), true);
  });

  it('is asked of one that has a replica', async () => {
    await using redis = await startRedis({ appendOnly: true });
    await using _replica = await startRedis({ lines: [`replicaof 127.0.0.1 ${redis.port}`] });
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('its replica is there', async () => ((await kv.doubts?.()) ?? []).length > 0);
    assert.match((await kv.doubts?.())?.join('; ') ?? '', /^min-replicas-to-write is 0,/);
    await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1');
    assert.deepEqual(await kv.doubts?.(), []);
  });

  it('is read from every shape of an answer', () => {
    for (const reply of [
      ['a', '1', 'b', '2'],
      new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
      { a: '1', b: '2' },
    ]) {
      assert.deepEqual(
        [...readSettings(reply)],
        [
          ['a', '1'],
          ['b', '2'],
        ],
      );
    }
    assert.equal(readSettings(null).size, 0);
  });

  it('is asked of a real one, and follows its changes', async () => {
    await using redis = await startRedis({ appendOnly: true });
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    assert.deepEqual(await kv.doubts?.(), []);
    await redis.command('CONFIG', 'SET', 'appendfsync', 'everysec');
    await redis.command('CONFIG', 'SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru');
    assert.equal((await kv.doubts?.())?.length, 2);
    await redis.stop();
    await assert.rejects(kv.doubts?.() ?? Promise.resolve(), StoreUnavailable);
  });

  it('may be kept secret; the store stays in use', async () => {
    await using redis = await startRedis({
      aclUser: 'gateway',
      aclRules: '~* &* +@all -config',
      password: 'secret-of-redis',
    });
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await assert.rejects(kv.doubts?.() ?? Promise.resolve(), /Redis refused config: NOPERM/);
    assert.equal(kv.state(), 'up');
    assert.equal(await kv.set('a', 'b', 1000), true);
  });
});
