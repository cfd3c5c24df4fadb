import { after, before } from 'node:test';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { conformance } from './conformance.ts';
import { openRedisWorld } from './store-world.ts';

let redis: RedisProcess;

before(async () => {
  redis = await startRedis();
});
after(() => redis[Symbol.asyncDispose]());

conformance('redis', () => openRedisWorld(redis.config()));
