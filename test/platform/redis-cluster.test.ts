import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { StoreUnavailable } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { type ClusterWorld, startCluster } from '../world/redis-cluster.ts';
import { conformance } from './conformance.ts';
import { openRedisWorld, watchedRedis } from './store-world.ts';

let cluster: ClusterWorld;

before(async () => {
  cluster = await startCluster({ password: 'cluster-password' });
});
after(() => cluster[Symbol.asyncDispose]());

conformance('cluster', () => openRedisWorld(cluster.config()));

const keys = Array.from({ length: 60 }, (_, index) => `spread:${index}`);

test('cluster: keys live on every node', async () => {
  await using world = await openRedisWorld(cluster.config());
  await Promise.all(keys.map((key) => world.one.set(key, key, 60_000)));
  assert.deepEqual(await Promise.all(keys.map((key) => world.two.get(key))), keys);
  for (const node of cluster.nodes) assert.notEqual(await node.command('dbsize'), 0);
});

test('cluster: one known node is enough, even beside one that is gone', async () => {
  const [first] = cluster.nodes;
  await using world = await openRedisWorld(cluster.config({ nodes: ['127.0.0.1:1', `127.0.0.1:${first?.port}`] }));
  await Promise.all(keys.map((key) => world.one.set(key, key, 60_000)));
  assert.deepEqual(await Promise.all(keys.map((key) => world.two.get(key))), keys);
});

test('cluster: a slot that moved is found', async () => {
  const world = watchedRedis(cluster.config());
  await using kv = world.kv;
  await world.reaches('up');
  const [first, second] = cluster.nodes;
  assert.ok(first && second);
  const key = 'moving:{b}';
  const slot = Number(await first.command('cluster', 'KEYSLOT', `test:${key}`));
  assert.equal(await kv.get(key), null);
  const [from, to] = slot < 5462 ? [first, second] : [second, first];
  const id = String(await to.command('cluster', 'MYID'));
  for (const node of [to, from]) await node.command('cluster', 'SETSLOT', slot, 'NODE', id);
  assert.equal(await kv.set(key, 'moved', 60_000), true);
  assert.equal(await kv.get(key), 'moved');
  assert.equal(kv.state(), 'up');
});

test('cluster: a frozen master takes the store down until it is back, and nothing hangs', async () => {
  const world = watchedRedis(cluster.config());
  await using kv = world.kv;
  await world.reaches('up');
  const [victim] = cluster.nodes;
  assert.ok(victim);
  victim.freeze();
  try {
    const results = await Promise.allSettled(keys.map((key) => kv.get(key)));
    const failed = results.filter((result) => result.status === 'rejected');
    assert.ok(failed.length > 0);
    for (const { reason } of failed) assert.ok(reason instanceof StoreUnavailable);
    assert.equal(kv.state(), 'down');
    await assert.rejects(kv.ping(), StoreUnavailable);
  } finally {
    victim.thaw();
  }
  await world.reaches('up');
  await eventually('every key answers', async () => {
    await Promise.all(keys.map((key) => kv.get(key)));
    return true;
  });
});

test('cluster: a killed master takes the store down, and it comes back with it', async () => {
  const world = watchedRedis(cluster.config());
  await using kv = world.kv;
  await world.reaches('up');
  let gaps = 0;
  const heard: string[] = [];
  await using _ = await kv.subscribe(
    'news',
    (text) => heard.push(text),
    () => {
      gaps += 1;
    },
  );
  // A first attempt begins with the second address, so this is where the messages come from.
  const victim = cluster.nodes[1];
  assert.ok(victim);
  await victim.kill();
  await eventually('it is noticed', async () => {
    await Promise.allSettled(keys.map((key) => kv.get(key)));
    return kv.state() === 'down';
  });
  await victim.start();
  await world.reaches('up');
  await eventually('messages are heard', async () => {
    await kv.publish('news', 'again');
    return heard.includes('again');
  });
  assert.ok(gaps > 0);
  await Promise.all(keys.map((key) => kv.get(key)));
});
