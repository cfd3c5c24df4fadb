import type { RedisConfig } from '../config/index.ts';
import { type Clock, messageOf } from '../kernel/index.ts';
import { type StoreEvents, type StoreState, StoreUnavailable } from './key-value.ts';
import { type Away, AwayError, commandAway, connectionAway, opensCircuit } from './redis-away.ts';
import { openRedisClient, type RedisClient } from './redis-client.ts';
import { createLink, type Link } from './redis-link.ts';
import { commandTimeoutOf } from './redis-options.ts';

export interface RedisCallsOptions {
  readonly clock: Clock;
  readonly events: StoreEvents | undefined;
  readonly random: () => number;
}

/** Calls with a time limit and a circuit: while the store is away they reject at once. */
export interface RedisCalls extends AsyncDisposable {
  state(): StoreState;
  /** `name` is the label of the metric. Rejects with StoreUnavailable, or with an Error when the command was wrong. */
  call<T>(name: string, act: (client: RedisClient) => Promise<T>): Promise<T>;
  ping(): Promise<void>;
}

/** A replica answers PING too, so after READONLY only a write shows that the master is back. */
async function probe(client: RedisClient, last: Away, config: RedisConfig): Promise<void> {
  if (last.code === 'READONLY') await client.send('set', [`${config.keyPrefix}:probe`, '1', 'PX', 1000]);
  await client.probe();
}

class Calls implements RedisCalls {
  readonly #clock: Clock;
  readonly #events: StoreEvents | undefined;
  readonly #timeoutMs: number;
  readonly #link: Link;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(config: RedisConfig, { clock, events, random }: RedisCallsOptions) {
    this.#clock = clock;
    this.#events = events;
    this.#timeoutMs = commandTimeoutOf(config);
    this.#link = createLink({
      clock,
      random,
      // A Cluster client may have lost one of its nodes; only a new one knows all of them again.
      keepDoubtful: config.mode !== 'cluster',
      open: (attempt) => openRedisClient(config, { clock, attempt }),
      settle: (client, last) => probe(client, last, config),
      onUp: () => events?.state('up', `connected to Redis (${config.mode})`),
      onDown: (away) => events?.state('down', away.reason),
    });
  }

  state(): StoreState {
    return this.#link.client() === null ? 'down' : 'up';
  }

  async call<T>(name: string, act: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreUnavailable('it has been closed');
    const client = this.#link.client() ?? (await this.#first());
    const startedAt = this.#clock.now();
    let ok = false;
    try {
      const reply = await this.#bounded(act(client));
      ok = true;
      return reply;
    } catch (error) {
      throw this.#judge(name, client, error);
    } finally {
      this.#events?.command(name, (this.#clock.now() - startedAt) / 1000, ok);
    }
  }

  async ping(): Promise<void> {
    try {
      await this.call('ping', (client) => client.probe());
    } catch (error) {
      throw error instanceof StoreUnavailable ? error : new StoreUnavailable(messageOf(error));
    }
  }

  /** Gives running calls their time, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
    await this.#link[Symbol.asyncDispose]();
  }

  /** The client once the first attempt has ended. Later on it does not wait: the attempt has ended already. */
  async #first(): Promise<RedisClient> {
    await this.#bounded(this.#link.started).catch(() => undefined);
    const client = this.#link.client();
    if (client === null) throw new StoreUnavailable(this.#link.away().reason);
    return client;
  }

  /** ioredis bounds a command on one connection; this bounds redirections and start as well. */
  async #bounded<T>(work: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const reason = `no answer within ${this.#timeoutMs} ms`;
    using _ = this.#clock.after(this.#timeoutMs, () => late.reject(new AwayError({ code: 'TIMEOUT', reason })));
    const running = Promise.race([work, late.promise]);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** The error for the caller. The one of ioredis is not passed on: it holds the arguments of the command. */
  #judge(name: string, client: RedisClient, error: unknown): Error {
    const away = error instanceof AwayError ? connectionAway(error) : commandAway(error);
    if (away === null) return new Error(`Redis refused ${name}: ${messageOf(error)}`);
    if (opensCircuit(away)) this.#link.doubt(client, away);
    return new StoreUnavailable(away.reason);
  }
}

/** Connects to Redis and keeps connected; never throws. */
export function createRedisCalls(config: RedisConfig, options: RedisCallsOptions): RedisCalls {
  return new Calls(config, options);
}
