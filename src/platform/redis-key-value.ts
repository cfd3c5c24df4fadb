import type { RedisConfig } from '../config/index.ts';
import type { Clock } from '../kernel/index.ts';
import { checkScriptCall, checkWhole, wholeSummand, wholeTtl } from './call-checks.ts';
import {
  type KeyValue,
  type Script,
  type ScriptValue,
  type StoreEvents,
  type StoreState,
  StoreUnavailable,
} from './key-value.ts';
import { refusalOf } from './redis-away.ts';
import { createRedisCalls, type RedisCalls } from './redis-calls.ts';
import { doubtsOf, hasReplicas, readSettings } from './redis-doubts.ts';
import { evaluate } from './redis-evaluate.ts';
import { COMPARE_AND_SET, INCREMENT } from './redis-scripts.ts';
import { createRedisSubscriber, type RedisSubscriber } from './redis-subscriber.ts';

export interface RedisKeyValueOptions {
  readonly clock: Clock;
  readonly events?: StoreEvents;
  /** From 0 to 1; spreads reconnections. */
  readonly random?: () => number;
}

const strings = (reply: unknown): string[] => (Array.isArray(reply) ? reply.map(String) : []);

class RedisKeyValue implements KeyValue {
  readonly kind = 'redis';
  readonly #calls: RedisCalls;
  readonly #prefix: string;
  readonly #mayFailOver: boolean;
  readonly #openSubscriber: () => RedisSubscriber;
  #subscriber: RedisSubscriber | null = null;
  #closed = false;

  constructor(config: RedisConfig, { clock, events, random = Math.random }: RedisKeyValueOptions) {
    this.#prefix = `${config.keyPrefix}:`;
    this.#mayFailOver = config.mode !== 'standalone';
    this.#calls = createRedisCalls(config, { clock, events, random });
    this.#openSubscriber = () => createRedisSubscriber(config, clock, random);
  }

  state(): StoreState {
    return this.#calls.state();
  }

  async get(key: string): Promise<string | null> {
    const reply = await this.#send('get', 'get', key);
    return reply === null ? null : String(reply);
  }

  async set(key: string, value: string, ttlMs: number | null, options?: { onlyIfAbsent?: boolean }): Promise<boolean> {
    const ttl = wholeTtl(ttlMs);
    const life = ttl === null ? [] : ['PX', ttl];
    const condition = options?.onlyIfAbsent ? ['NX'] : [];
    return (await this.#send('set', 'set', key, value, ...life, ...condition)) !== null;
  }

  async compareAndSet(
    key: string,
    expected: string | null,
    next: string | null,
    ttlMs: number | null,
  ): Promise<boolean> {
    const flagged = (value: string | null): string[] => (value === null ? ['0', ''] : ['1', value]);
    const args = [...flagged(expected), ...flagged(next), wholeTtl(ttlMs) ?? ''];
    return (await this.#evaluate('compare-and-set', COMPARE_AND_SET, [key], args)) === 1;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#send('delete', 'del', key)) === 1;
  }

  async increment(key: string, by: number, ttlMs: number): Promise<number> {
    const args = [wholeSummand(by), wholeTtl(ttlMs) ?? ''];
    return Number(await this.#evaluate('increment', INCREMENT, [key], args));
  }

  async addToSet(key: string, member: string): Promise<void> {
    await this.#send('add-to-set', 'sadd', key, member);
  }

  async removeFromSet(key: string, member: string): Promise<void> {
    await this.#send('remove-from-set', 'srem', key, member);
  }

  async members(key: string): Promise<string[]> {
    return strings(await this.#send('members', 'smembers', key));
  }

  async run(script: Script, keys: readonly string[], args: readonly ScriptValue[]): Promise<ScriptValue[]> {
    checkScriptCall(script, keys, args);
    const reply = await this.#evaluate(script.name, script.lua, keys, args);
    return checkWhole(script, Array.isArray(reply) ? reply : [reply], 'result');
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#send('publish', 'publish', channel, message);
  }

  async subscribe(channel: string, onMessage: (message: string) => void, onGap?: () => void): Promise<AsyncDisposable> {
    if (this.#closed) throw new StoreUnavailable('it has been closed');
    this.#subscriber ??= this.#openSubscriber();
    return this.#subscriber.subscribe(this.#prefix + channel, onMessage, onGap);
  }

  async ping(): Promise<void> {
    await this.#calls.ping();
    const refusal = this.#subscriber?.refusal();
    if (refusal) throw new StoreUnavailable(`messages are not heard: ${refusal}`);
  }

  async doubts(): Promise<readonly string[]> {
    let refused: string | null = null;
    const ask = (name: string, ...args: string[]) =>
      this.#calls.call(name, async (client) => {
        try {
          return await client.send(name, args);
        } catch (error) {
          // Many a site forbids CONFIG; nothing else is wrong with such a Redis.
          refused = refusalOf(error);
          if (refused === null) throw error;
          return [];
        }
      });
    const patterns = ['append*', 'maxmemory*', 'min-replicas*'];
    const replies = await Promise.all(patterns.map((pattern) => ask('config', 'GET', pattern)));
    if (refused !== null) throw new Error(`Redis refused config: ${refused}`);
    const replicated = this.#mayFailOver || hasReplicas(await ask('info', 'replication'));
    return doubtsOf(new Map(replies.flatMap((reply) => [...readSettings(reply)])), replicated);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#subscriber?.[Symbol.asyncDispose](), this.#calls[Symbol.asyncDispose]()]);
  }

  #send(name: string, command: string, key: string, ...args: (string | number)[]): Promise<unknown> {
    return this.#calls.call(name, (client) => client.send(command, [this.#prefix + key, ...args]));
  }

  #evaluate(name: string, lua: string, keys: readonly string[], args: readonly ScriptValue[]): Promise<unknown> {
    const prefixed = keys.map((key) => this.#prefix + key);
    return this.#calls.call(name, (client) => evaluate(client, lua, prefixed, args));
  }
}

/**
 * Creates the store on Redis (standalone, Sentinel or Cluster). It never throws: while Redis is away, also at start,
 * `state()` is down and calls reject at once with StoreUnavailable until it is back; only calls before the outcome of
 * the first connection wait for it, no longer than a command may take.
 */
export function createRedisKeyValue(config: RedisConfig, options: RedisKeyValueOptions): KeyValue {
  return new RedisKeyValue(config, options);
}
