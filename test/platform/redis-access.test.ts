import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { StoreUnavailable } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { redisConfig, startRedis } from '../world/redis.ts';
import { startFakeRedis } from './fake-redis.ts';
import { watchedRedis } from './store-world.ts';

test('the right password of the default user', async () => {
  await using redis = await startRedis({ password: 'p€ss-wörd' });
  await using kv = watchedRedis(redis.config()).kv;
  await kv.ping();
});

test('a wrong password is said clearly, by event and by ping, and a corrected one is taken up', async () => {
  await using redis = await startRedis({ password: 'right' });
  const world = watchedRedis(redis.config({ password: new Secret('wrong') }));
  await using kv = world.kv;
  await assert.rejects(kv.ping(), (error) => error instanceof StoreUnavailable && /WRONGPASS/.test(error.message));
  assert.equal(kv.state(), 'down');
  assert.deepEqual(
    world.states.map(({ state }) => state),
    ['down'],
  );
  assert.match(world.states[0]?.reason ?? '', /redis\.username and redis\.password/);
  await redis.command('config', 'set', 'requirepass', 'wrong');
  await world.reaches('up');
  await kv.ping();
});

test('a missing password is said clearly', async () => {
  await using redis = await startRedis({ password: 'right' });
  const { password: _, ...config } = redis.config();
  const world = watchedRedis(config);
  await using kv = world.kv;
  await assert.rejects(kv.ping(), StoreUnavailable);
  assert.match(world.states[0]?.reason ?? '', /^NOAUTH: .*redis\.password/);
});

test('a password that Redis does not want does not stop it', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config({ password: new Secret('not needed') })).kv;
  const heard: string[] = [];
  await using _ = await kv.subscribe('c', (text) => heard.push(text));
  await kv.publish('c', 'hello');
  await eventually('heard', () => heard.length === 1);
});

test('an ACL user with the rights that the documentation names can do everything', async () => {
  await using redis = await startRedis({
    aclUser: 'gateway',
    password: 'gateway-password',
    aclRules: '~test:* &test:* -@all +@read +@write +@scripting +@pubsub +@connection +time',
  });
  await using kv = watchedRedis(redis.config()).kv;
  await using _ = await kv.subscribe('c', () => undefined);
  await kv.increment('n', 1, 1000);
  await kv.compareAndSet('k', null, 'x', 1000);
  await kv.addToSet('s', 'x');
  await kv.publish('c', 'x');
  await kv.ping();
});

test('a missing right fails that call only', async () => {
  await using redis = await startRedis({
    aclUser: 'reader',
    password: 'reader-password',
    aclRules: '~test:* resetchannels +@all -set',
  });
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  assert.equal(await kv.get('k'), null);
  await assert.rejects(
    kv.set('k', 'x', null),
    (error) => error instanceof StoreUnavailable && /NOPERM/.test(error.message),
  );
  await assert.rejects(
    kv.subscribe('c', () => undefined),
    (error) => error instanceof StoreUnavailable && /NOPERM/.test(error.message),
  );
  assert.equal(kv.state(), 'up');
  assert.equal(await kv.get('k'), null);
});

test('a channel that is refused when Redis is there at last makes ping say so', async () => {
  await using redis = await startRedis({
    aclUser: 'deaf',
    password: 'deaf-password',
    aclRules: '~test:* resetchannels +@all',
  });
  await redis.stop();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await using _ = await kv.subscribe('c', () => undefined);
  await redis.start();
  await world.reaches('up');
  await eventually('ping says so', () =>
    kv.ping().then(
      () => false,
      (error) => error instanceof StoreUnavailable && /messages are not heard: NOPERM/.test(error.message),
    ),
  );
  assert.equal(kv.state(), 'up');
});

test('full memory refuses writes and still answers reads', async () => {
  await using redis = await startRedis();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await kv.set('k', 'kept', null);
  await redis.command('config', 'set', 'maxmemory', 1);
  await assert.rejects(
    kv.set('k', 'x', null),
    (error) => error instanceof StoreUnavailable && /OOM/.test(error.message),
  );
  await assert.rejects(kv.increment('n', 1, 1000), StoreUnavailable);
  assert.equal(await kv.get('k'), 'kept');
  assert.equal(kv.state(), 'up');
});

test('a replica takes the store down until it is the master', async () => {
  await using master = await startRedis();
  await using redis = await startRedis();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await kv.ping();
  await redis.command('replicaof', '127.0.0.1', master.port);
  await assert.rejects(
    kv.set('k', 'x', null),
    (error) => error instanceof StoreUnavailable && /READONLY/.test(error.message),
  );
  assert.equal(kv.state(), 'down');
  await redis.command('replicaof', 'no', 'one');
  await world.reaches('up');
  assert.equal(await kv.set('k', 'x', null), true);
  assert.deepEqual(
    world.states.map(({ state }) => state),
    ['up', 'down', 'up'],
  );
});

test('a Cluster node under mode standalone says what to set', async () => {
  await using redis = await startFakeRedis((name) => (name === 'get' ? '-MOVED 1 10.0.0.1:6379' : '+OK'));
  await using kv = watchedRedis(redisConfig({ nodes: [`127.0.0.1:${redis.port}`] })).kv;
  await assert.rejects(kv.get('k'), (error) => error instanceof StoreUnavailable && /redis\.mode/.test(error.message));
});

for (const code of ['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'BUSY']) {
  test(`${code} opens the circuit until Redis has recovered`, async () => {
    let sick = false;
    await using redis = await startFakeRedis((name) => {
      if (name === 'client') return '+OK';
      if (sick) return `-${code} some explanation`;
      return name === 'ping' ? '+PONG' : '$1\r\nx';
    });
    const world = watchedRedis(redisConfig({ nodes: [`127.0.0.1:${redis.port}`] }));
    await using kv = world.kv;
    assert.equal(await kv.get('k'), 'x');
    sick = true;
    await assert.rejects(kv.get('k'), StoreUnavailable);
    assert.equal(kv.state(), 'down');
    assert.match(world.states.at(-1)?.reason ?? '', new RegExp(`^${code}: `));
    const asked = redis.seen.filter((name) => name === 'get').length;
    await assert.rejects(kv.get('k'), StoreUnavailable);
    assert.equal(redis.seen.filter((name) => name === 'get').length, asked);
    sick = false;
    await world.reaches('up');
    assert.equal(await kv.get('k'), 'x');
  });
}

for (const code of ['MISCONF', 'NOREPLICAS', 'TRYAGAIN', 'ASK']) {
  test(`${code} fails the call and leaves the circuit closed`, async () => {
    await using redis = await startFakeRedis((name) => (name === 'set' ? `-${code} some explanation` : '+OK'));
    const world = watchedRedis(redisConfig({ nodes: [`127.0.0.1:${redis.port}`] }));
    await using kv = world.kv;
    await assert.rejects(kv.set('k', 'x', null), StoreUnavailable);
    assert.equal(kv.state(), 'up');
    await kv.get('k');
  });
}

test('a write whose answer is lost is not sent again', async () => {
  await using redis = await startFakeRedis((name) => (name === 'evalsha' ? null : '+OK'));
  const world = watchedRedis(redisConfig({ nodes: [`127.0.0.1:${redis.port}`], commandTimeout: 50 }));
  await using kv = world.kv;
  await assert.rejects(kv.increment('n', 1, 1000), StoreUnavailable);
  await world.reaches('up');
  await kv.ping();
  assert.equal(redis.seen.filter((name) => name === 'evalsha').length, 1);
});
