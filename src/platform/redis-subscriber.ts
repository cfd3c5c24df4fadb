import type { RedisConfig } from '../config/index.ts';
import type { Clock } from '../kernel/index.ts';
import { StoreUnavailable } from './key-value.ts';
import { connectionAway, replyCode } from './redis-away.ts';
import { openRedisClient, type RedisClient } from './redis-client.ts';
import { createLink, type Link } from './redis-link.ts';

interface Subscription {
  readonly channel: string;
  readonly onMessage: (message: string) => void;
  readonly onGap: (() => void) | undefined;
  /** False while the caller still waits for it: nothing can have been missed then, and it can still be refused. */
  handedOut: boolean;
}

/** Hears channels over a connection of its own. */
export interface RedisSubscriber extends AsyncDisposable {
  /**
   * Rejects with StoreUnavailable only when Redis refuses the channel. While Redis is away it resolves all the same,
   * and `onGap` tells when the channel is heard.
   */
  subscribe(channel: string, onMessage: (message: string) => void, onGap?: () => void): Promise<AsyncDisposable>;
  /** Why Redis refuses a channel that was handed out while it was away; null when it does not. */
  refusal(): string | null;
}

/** A subscribed connection sends nothing by itself, so only a question shows that its peer still lives. */
const HEARTBEAT_MS = 500;

class Subscriptions implements RedisSubscriber {
  readonly #byChannel = new Map<string, Set<Subscription>>();
  readonly #clock: Clock;
  readonly #link: Link;
  #heartbeat: Disposable | null = null;
  /** Channels that the present client heard of while it was made fit. */
  #settled: readonly string[] = [];

  constructor(config: RedisConfig, clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#link = createLink({
      clock,
      random,
      keepDoubtful: false,
      open: (attempt) =>
        openRedisClient(config, { clock, attempt, onMessage: (channel, text) => this.#deliver(channel, text) }),
      settle: (client) => this.#resubscribe(client),
      onUp: (client) => this.#resume(client),
      onDown: () => this.#stopHeartbeat(),
    });
  }

  async subscribe(channel: string, onMessage: (message: string) => void, onGap?: () => void): Promise<AsyncDisposable> {
    const subscription: Subscription = { channel, onMessage, onGap, handedOut: false };
    const members = this.#byChannel.get(channel) ?? new Set();
    this.#byChannel.set(channel, members.add(subscription));
    await this.#link.started;
    await this.#hear(subscription);
    return { [Symbol.asyncDispose]: () => this.#remove(subscription) };
  }

  refusal(): string | null {
    const { code, reason } = this.#link.away();
    return this.#link.client() === null && code === 'NOPERM' ? reason : null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopHeartbeat();
    this.#byChannel.clear();
    await this.#link[Symbol.asyncDispose]();
  }

  async #hear(subscription: Subscription): Promise<void> {
    const client = this.#link.client();
    if (client !== null) {
      try {
        await client.send('subscribe', [subscription.channel]);
      } catch (error) {
        const away = connectionAway(error);
        if (replyCode(error) !== null) {
          await this.#remove(subscription);
          throw new StoreUnavailable(away.reason);
        }
        this.#link.doubt(client, away);
      }
    }
    subscription.handedOut = true;
  }

  async #remove(subscription: Subscription): Promise<void> {
    const members = this.#byChannel.get(subscription.channel);
    if (members?.delete(subscription) !== true || members.size > 0) return;
    this.#byChannel.delete(subscription.channel);
    await this.#link
      .client()
      ?.send('unsubscribe', [subscription.channel])
      .catch(() => undefined);
  }

  #handedOut(): Subscription[] {
    return [...this.#byChannel.values()].flatMap((members) => [...members].filter(({ handedOut }) => handedOut));
  }

  /** Ahead of `onGap`: whoever drops a cache then must not miss what follows. */
  async #resubscribe(client: RedisClient): Promise<void> {
    const channels = [...new Set(this.#handedOut().map(({ channel }) => channel))];
    if (channels.length > 0) await client.send('subscribe', channels);
    else await client.probe();
    this.#settled = channels;
  }

  #resume(client: RedisClient): void {
    this.#heartbeat = this.#clock.every(HEARTBEAT_MS, () => {
      client.probe().catch((error) => this.#link.doubt(client, connectionAway(error)));
    });
    for (const subscription of this.#handedOut()) {
      if (this.#settled.includes(subscription.channel)) subscription.onGap?.();
      else void this.#catchUp(client, subscription);
    }
  }

  /** For a channel that was handed out while the client was on its way to be fit. */
  async #catchUp(client: RedisClient, { channel, onGap }: Subscription): Promise<void> {
    try {
      await client.send('subscribe', [channel]);
      onGap?.();
    } catch (error) {
      this.#link.doubt(client, connectionAway(error));
    }
  }

  #stopHeartbeat(): void {
    this.#heartbeat?.[Symbol.dispose]();
    this.#heartbeat = null;
  }

  #deliver(channel: string, text: string): void {
    for (const subscription of this.#byChannel.get(channel) ?? []) subscription.onMessage(text);
  }
}

/** Creates a subscriber; it connects at once. */
export function createRedisSubscriber(config: RedisConfig, clock: Clock, random: () => number): RedisSubscriber {
  return new Subscriptions(config, clock, random);
}
