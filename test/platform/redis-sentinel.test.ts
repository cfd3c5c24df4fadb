import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { StoreUnavailable } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { startSentinel } from '../world/redis-sentinel.ts';
import { conformance } from './conformance.ts';
import { openRedisWorld, watchedRedis } from './store-world.ts';

const sentinel = await startSentinel({ password: 'redis-password', sentinelPassword: 'sentinel-password' });
test.after(() => sentinel[Symbol.asyncDispose]());

conformance('sentinel', () => openRedisWorld(sentinel.config()));

test('sentinel: wrong passwords are reasons, of Redis and of the Sentinel', async () => {
  const wrong = new Secret('wrong');
  for (const changes of [{ password: wrong }, { sentinelPassword: wrong }]) {
    const world = watchedRedis(sentinel.config(changes));
    await using kv = world.kv;
    await assert.rejects(kv.ping(), StoreUnavailable);
    assert.match(world.states[0]?.reason ?? '', /WRONGPASS/);
  }
});

test('sentinel: an unknown master name is a reason', async () => {
  const world = watchedRedis(sentinel.config({ masterName: 'other' }));
  await using kv = world.kv;
  await assert.rejects(kv.ping(), StoreUnavailable);
  await eventually('it is reported', () => world.states.length > 0);
});

test('sentinel: an unreachable Sentinel beside a good one does not matter', async () => {
  const { nodes } = sentinel.config();
  await using kv = watchedRedis(sentinel.config({ nodes: ['127.0.0.1:1', ...nodes] })).kv;
  await eventually('it is up', () => kv.state() === 'up');
});

test('sentinel: an ordered failover is followed, by calls and by messages', async () => {
  await using world = await startSentinel();
  const { kv, reaches } = watchedRedis(world.config());
  await using _kv = kv;
  await reaches('up');
  const heard: string[] = [];
  await using _ = await kv.subscribe(
    'c',
    (text) => heard.push(text),
    () => heard.push('(gap)'),
  );
  await kv.set('k', 'kept', null);
  await eventually('the replica has it', async () => (await world.replica.command('get', 'test:k')) === 'kept');
  await world.failover();
  await eventually('a write reaches the new master', async () => {
    await kv.set('after', 'x', null);
    return (await world.replica.command('get', 'test:after')) === 'x';
  });
  assert.equal(await kv.get('k'), 'kept');
  await eventually('messages are heard', async () => {
    await kv.publish('c', 'hello');
    return heard.includes('(gap)') && heard.includes('hello');
  });
});

test('sentinel: a frozen master is left for the new one, and its return changes nothing', async () => {
  await using world = await startSentinel();
  const { kv, reaches } = watchedRedis(world.config());
  await using _kv = kv;
  await reaches('up');
  await kv.set('k', 'kept', null);
  await eventually('the replica has it', async () => (await world.replica.command('get', 'test:k')) === 'kept');
  world.master.freeze();
  await assert.rejects(kv.get('k'), StoreUnavailable);
  assert.equal(kv.state(), 'down');
  await eventually('the new master answers', () => kv.get('k'));
  assert.equal(await world.masterPort(), world.replica.port);
  // It believes to be a master until the Sentinel tells it otherwise, and must not be asked meanwhile.
  world.master.thaw();
  await eventually('writes go to the new one', () => kv.set('after', 'x', null));
  assert.equal(await world.replica.command('get', 'test:after'), 'x');
});

test('sentinel: all Sentinels away at start, then back', async () => {
  await using world = await startSentinel();
  const [only] = world.sentinels;
  await only?.stop();
  const { kv, states, reaches } = watchedRedis(world.config());
  await using _kv = kv;
  await assert.rejects(kv.get('k'), StoreUnavailable);
  assert.equal(states[0]?.state, 'down');
  await only?.start();
  await reaches('up');
  await kv.ping();
});

test('sentinel: a Sentinel that goes away later takes nothing with it', async () => {
  await using world = await startSentinel();
  const { kv, states, reaches } = watchedRedis(world.config());
  await using _kv = kv;
  await reaches('up');
  await world.sentinels[0]?.kill();
  await kv.set('k', 'x', null);
  assert.equal(await kv.get('k'), 'x');
  assert.deepEqual(
    states.map(({ state }) => state),
    ['up'],
  );
});
