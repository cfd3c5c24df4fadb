import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { type RedisProcess, redisConfig, startRedis } from '../world/redis.ts';
import { startFakeRedis } from './fake-redis.ts';
import { watchedRedis } from './store-world.ts';

/** A listener that writes down what happens, in order. */
function listener() {
  const heard: string[] = [];
  return { heard, onMessage: (text: string) => void heard.push(text), onGap: () => void heard.push('(gap)') };
}

const gapsIn = (heard: readonly string[]): number => heard.filter((text) => text === '(gap)').length;

/** Ends the connections that hear messages, and no others. */
const cutSubscribers = (redis: RedisProcess): Promise<unknown> => redis.command('client', 'KILL', 'TYPE', 'pubsub');

test('after a cut connection the gap is told once, and only when the channel is heard again', async () => {
  await using redis = await startRedis();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  const { heard, onMessage, onGap } = listener();
  await using _ = await kv.subscribe('c', onMessage, () => {
    onGap();
    // Whoever is told of the gap must hear what is sent from now on.
    void kv.publish('c', 'sent at the gap');
  });
  await kv.publish('c', 'before');
  await eventually('heard', () => heard.length === 1);
  assert.equal(await cutSubscribers(redis), 1);
  await eventually('the gap and what follows', () => heard.length === 3);
  assert.deepEqual(heard, ['before', '(gap)', 'sent at the gap']);
  assert.ok(
    world.states.every(({ state }) => state === 'up'),
    'the store itself stayed up',
  );
});

test('every channel comes back, and each of its subscribers is told', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config()).kv;
  const listeners = Array.from({ length: 6 }, listener);
  for (const [index, { onMessage, onGap }] of listeners.entries())
    await kv.subscribe(`c${index % 3}`, onMessage, onGap);
  for (const round of [1, 2]) {
    await cutSubscribers(redis);
    await eventually('all are told', () => listeners.every(({ heard }) => gapsIn(heard) === round));
  }
  for (const index of [0, 1, 2]) await kv.publish(`c${index}`, `to ${index}`);
  await eventually('all hear', () => listeners.every(({ heard }) => heard.length === 3));
  assert.deepEqual(
    listeners.map(({ heard }) => heard.at(-1)),
    ['to 0', 'to 1', 'to 2', 'to 0', 'to 1', 'to 2'],
  );
});

test('who has left is neither told nor called', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config()).kv;
  const [gone, here] = [listener(), listener()];
  const subscription = await kv.subscribe('gone', gone.onMessage, gone.onGap);
  await using _ = await kv.subscribe('here', here.onMessage, here.onGap);
  await subscription[Symbol.asyncDispose]();
  await cutSubscribers(redis);
  await eventually('the other one is told', () => here.heard.length === 1);
  await kv.publish('gone', 'x');
  await kv.ping();
  assert.deepEqual(gone.heard, []);
  const channels = await redis.command('pubsub', 'CHANNELS');
  assert.deepEqual(channels, ['test:here']);
});

test('a subscription made while Redis is away starts with a gap as soon as it is there', async () => {
  await using redis = await startRedis();
  await redis.stop();
  const world = watchedRedis(redis.config());
  await using kv = world.kv;
  const { heard, onMessage, onGap } = listener();
  await using _ = await kv.subscribe('c', onMessage, onGap);
  await using _second = await kv.subscribe('d', onMessage, onGap);
  assert.deepEqual(heard, []);
  await redis.start();
  await eventually('it is told', () => heard.length === 2);
  await world.reaches('up');
  await kv.publish('d', 'hello');
  await eventually('it hears', () => heard.length === 3);
  assert.deepEqual(heard, ['(gap)', '(gap)', 'hello']);
});

test('a frozen Redis is noticed without traffic, and the gap is told', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config()).kv;
  const { heard, onMessage, onGap } = listener();
  await using _ = await kv.subscribe('c', onMessage, onGap);
  const before = String(await redis.command('client', 'LIST', 'TYPE', 'pubsub'));
  redis.freeze();
  // Longer than a heartbeat and its answer may take.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  redis.thaw();
  await eventually('the gap is told', () => gapsIn(heard) > 0);
  assert.notEqual(String(await redis.command('client', 'LIST', 'TYPE', 'pubsub')).slice(0, 8), before.slice(0, 8));
});

test('subscriptions that come while a connection is in the making are not lost', async () => {
  await using redis = await startRedis();
  await using kv = watchedRedis(redis.config()).kv;
  const first = listener();
  await kv.subscribe('first', first.onMessage, first.onGap);
  for (let round = 0; round < 5; round += 1) {
    await cutSubscribers(redis);
    const many = Array.from({ length: 30 }, listener);
    for (const [index, { onMessage, onGap }] of many.entries()) {
      await kv.subscribe(`r${round}-${index}`, onMessage, onGap);
      if (index % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await eventually('every channel is heard', async () => {
      const channels = await redis.command('pubsub', 'CHANNELS', `test:r${round}-*`);
      return Array.isArray(channels) && channels.length === many.length;
    });
  }
});

test('a subscription whose answer is lost is made again', async () => {
  let answers = 0;
  await using redis = await startFakeRedis((name, args) => {
    if (name !== 'subscribe') return '+OK';
    answers += 1;
    if (answers === 1) return null;
    return args
      .map((channel, index) => `*3\r\n$9\r\nsubscribe\r\n$${channel.length}\r\n${channel}\r\n:${index + 1}`)
      .join('\r\n');
  });
  await using kv = createRedisKeyValue(redisConfig({ nodes: [`127.0.0.1:${redis.port}`], commandTimeout: 50 }), {
    clock: systemClock,
  });
  const { heard, onMessage, onGap } = listener();
  await using _ = await kv.subscribe('c', onMessage, onGap);
  await eventually('it is told', () => heard.length > 0);
  assert.equal(answers, 2);
});
