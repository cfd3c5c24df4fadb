import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { redisConfig, startRedis } from '../world/redis.ts';
import { freePort } from '../world/redis-process.ts';
import { appendScript } from './conformance.ts';
import { watchedRedis } from './store-world.ts';

/** Every method that asks the store. */
function everyCall(kv: KeyValue): Promise<unknown>[] {
  return [
    kv.get('k'),
    kv.set('k', 'v', 1000),
    kv.compareAndSet('k', null, 'v', 1000),
    kv.delete('k'),
    kv.increment('n', 1, 1000),
    kv.addToSet('s', 'm'),
    kv.removeFromSet('s', 'm'),
    kv.members('s'),
    kv.run(appendScript, ['a:{t}', 'b:{t}'], ['x', 1]),
    kv.publish('c', 'm'),
    kv.ping(),
  ];
}

async function assertAllUnavailable(calls: Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(calls)) {
    assert.equal(result.status, 'rejected');
    assert.ok(result.reason instanceof StoreUnavailable, String(result.reason));
  }
}

test('a first call waits for the connection', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config()).kv;
  assert.equal(kv.state(), 'down');
  assert.equal(await kv.set('early', 'bird', null), true);
  assert.equal(kv.state(), 'up');
});

test('Redis away at start: calls are refused, and it works as soon as Redis is there', async () => {
  await using redis = await startRedis();
  await redis.stop();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await assertAllUnavailable(everyCall(kv));
  assert.equal(kv.state(), 'down');
  await redis.start();
  await world.reaches('up');
  assert.equal(await kv.set('k', 'v', null), true);
  assert.deepEqual(
    world.states.map(({ state }) => state),
    ['down', 'up'],
  );
  assert.match(world.states[0]?.reason ?? '', /ECONNREFUSED/);
});

test('a host name that does not resolve and a port where nobody listens are only reasons', async () => {
  for (const node of ['no-such-host.invalid:6379', `127.0.0.1:${await freePort()}`, `[::1]:${await freePort()}`]) {
    const world = watchedRedis(redisConfig({ nodes: [node] }));
    await using kv = world.kv;
    await assert.rejects(kv.get('k'), StoreUnavailable);
    await eventually('it is reported', () => world.states.length > 0);
    assert.equal(world.states[0]?.state, 'down');
  }
});

test('frozen: the running call ends while Redis is still frozen, all others at once, and it recovers', async () => {
  await using redis = await startRedis();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await kv.set('kept', 'kept', null);
  redis.freeze();
  await assertAllUnavailable(everyCall(kv));
  assert.equal(kv.state(), 'down');
  const asked = world.commands.length;
  await assertAllUnavailable(everyCall(kv));
  assert.equal(world.commands.length, asked, 'nothing is sent while the store is down');
  redis.thaw();
  await world.reaches('up');
  assert.equal(await kv.get('kept'), 'kept');
});

test('frozen for longer than a socket may be silent: a new connection is made, and it recovers', async () => {
  await using redis = await startRedis();
  const world = watchedRedis(redis.config({ commandTimeout: 50 }));
  await using kv = world.kv;
  await kv.set('k', 'kept', null);
  const before = String(await redis.command('client', 'LIST')).match(/id=\d+ addr=\S+ .*name=test/g);
  redis.freeze();
  await assert.rejects(kv.get('k'), StoreUnavailable);
  // The socket is given up after three times the command timeout; then connections are tried.
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(kv.state(), 'down');
  redis.thaw();
  await world.reaches('up');
  const after = String(await redis.command('client', 'LIST')).match(/id=\d+ addr=\S+ .*name=test/g);
  assert.notDeepEqual(after, before);
  assert.equal(await kv.get('k'), 'kept');
});

test('closing does not wait for a frozen Redis', async () => {
  await using redis = await startRedis();
  const { kv } = watchedRedis(redis.config());
  await kv.ping();
  redis.freeze();
  const running = kv.get('k');
  const refused = assert.rejects(running, StoreUnavailable);
  await kv[Symbol.asyncDispose]();
  await refused;
});

test('killed: running calls fail, and a Redis that comes back empty is used', async () => {
  await using redis = await startRedis();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await kv.set('k', 'lost', null);
  await kv.run(appendScript, ['a:{t}', 'b:{t}'], ['x', 1]);
  await redis.kill();
  await world.reaches('down');
  await assertAllUnavailable(everyCall(kv));
  await redis.start();
  await world.reaches('up');
  assert.equal(await kv.get('k'), null);
  assert.deepEqual(await kv.run(appendScript, ['a:{t}', 'b:{t}'], ['y', 2]), ['y', 2]);
});

test('a Redis that keeps its data comes back with it', async () => {
  await using redis = await startRedis({ appendOnly: true });
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await kv.set('k', 'kept', null);
  await redis.kill();
  await world.reaches('down');
  await redis.start();
  await world.reaches('up');
  assert.equal(await kv.get('k'), 'kept');
});

test('a forgotten script is sent again', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config()).kv;
  for (const text of ['a', 'ab', 'abc']) {
    const [found] = await kv.run(appendScript, ['a:{t}', 'b:{t}'], [text.slice(-1), 1]);
    assert.equal(found, text);
    await redis.command('script', 'FLUSH');
  }
});

test('keys and channels carry the prefix, and two prefixes do not meet', async () => {
  await using redis = await startRedis();
  await using a = watchedRedis(redis.config({ keyPrefix: 'a' })).kv;
  await using b = watchedRedis(redis.config({ keyPrefix: 'b' })).kv;
  const heard: string[] = [];
  await using _a = await a.subscribe('c', (text) => heard.push(`a ${text}`));
  await using _b = await b.subscribe('c', (text) => heard.push(`b ${text}`));
  await a.set('k', 'of a', 60_000);
  await a.run(appendScript, ['t:{x}', 'n:{x}'], ['x', 1]);
  assert.equal(await b.get('k'), null);
  await b.publish('c', 'hello');
  await eventually('heard', () => heard.length > 0);
  await b.ping();
  assert.deepEqual(heard, ['b hello']);
  assert.deepEqual(((await redis.command('keys', '*')) as string[]).toSorted(), ['a:k', 'a:n:{x}', 'a:t:{x}']);
});

test('lives are set in milliseconds, on every command that takes one', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config()).kv;
  await kv.set('set', 'x', 90_000);
  await kv.compareAndSet('cas', null, 'x', 90_000);
  await kv.increment('count', 1, 90_000);
  await kv.set('for-ever', 'x', null);
  await kv.compareAndSet('cas-for-ever', null, 'x', null);
  for (const key of ['set', 'cas', 'count']) {
    const left = Number(await redis.command('pttl', `test:${key}`));
    assert.ok(left > 60_000 && left <= 90_000, `${key} ${left}`);
  }
  for (const key of ['for-ever', 'cas-for-ever']) assert.equal(await redis.command('pttl', `test:${key}`), -1);
});

test('every command is reported once, with its outcome', async () => {
  await using redis = await startRedis();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  await Promise.allSettled(everyCall(kv));
  await kv.set('text', 'x', null);
  await assert.rejects(kv.members('text'));
  assert.deepEqual(
    world.commands.map(({ name }) => name).toSorted(),
    ['add-to-set', 'append', 'compare-and-set', 'delete', 'get', 'increment', 'members', 'members', 'ping']
      .concat(['publish', 'remove-from-set', 'set', 'set'])
      .toSorted(),
  );
  assert.deepEqual(
    world.commands.filter(({ ok }) => !ok).map(({ name }) => name),
    ['members'],
  );
  assert.ok(world.commands.every(({ seconds }) => seconds >= 0));
});

test('another database is used when configured, and one that does not exist is a reason', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config({ db: 3 })).kv;
  await kv.set('k', 'x', null);
  assert.match(String(await redis.command('info', 'keyspace')), /db3:keys=1/);
  const world = watchedRedis(redis.config({ db: 99 }));
  await using wrong = world.kv;
  await assert.rejects(wrong.set('k', 'x', null), StoreUnavailable);
  assert.match(world.states[0]?.reason ?? '', /^ERR DB index is out of range/);
});

test('the password is shown nowhere', async () => {
  await using redis = await startRedis({ password: 'right-password' });
  const world = watchedRedis(redis.config({ password: new Secret('s3cret-wrong') }));
  await using kv = world.kv;
  const error = await kv.ping().catch((reason: unknown) => reason);
  assert.ok(error instanceof StoreUnavailable);
  const { inspect } = await import('node:util');
  const shown = inspect([error, error.cause, world], { depth: 20, showHidden: true });
  assert.doesNotMatch(shown, /s3cret-wrong/);
});
