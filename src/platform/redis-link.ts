import type { Clock } from '../kernel/index.ts';
import { type Away, connectionAway } from './redis-away.ts';
import type { RedisClient } from './redis-client.ts';

export interface LinkOptions {
  readonly clock: Clock;
  /** From 0 to 1; spreads the reconnections of many replicas. */
  readonly random: () => number;
  /** Opens a new client; may throw. `attempt` counts from 1 since the link was last up. */
  open(attempt: number): RedisClient;
  /** Makes the client fit for use, or rejects; `last` is why the link was down. */
  settle(client: RedisClient, last: Away): Promise<void>;
  onUp(client: RedisClient): void;
  /** Called when the link goes down, and again when the reason becomes another one. */
  onDown(away: Away): void;
  /** True: a doubtful client is probed as long as its connection stands. False: it is replaced at once. */
  readonly keepDoubtful: boolean;
}

/** A connection that is always wanted: it comes back by itself, and says at once when it is away. */
export interface Link extends AsyncDisposable {
  /** The client while the link is up, else null. */
  client(): RedisClient | null;
  away(): Away;
  /** Resolves as soon as the first attempt has come to an end, good or bad. */
  readonly started: Promise<void>;
  /** Takes the link down because `client` failed a call; does nothing for a client that is out of use already. */
  doubt(client: RedisClient, away: Away): void;
}

const PROBE_EVERY_MS = 250;
const BACKOFF_FROM_MS = 50;
const BACKOFF_TO_MS = 1000;

/** Milliseconds before attempt number `attempt`: doubling up to one second, the upper half of it by chance. */
export function backoff(attempt: number, random: () => number): number {
  const full = Math.min(BACKOFF_TO_MS, BACKOFF_FROM_MS * 2 ** Math.min(attempt, 10));
  return full * (0.5 + random() / 2);
}

class ReconnectingLink implements Link {
  readonly #options: LinkOptions;
  readonly #started = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  /** The client in use or in the making. */
  #client: RedisClient | null = null;
  #up = false;
  #attempt = 0;
  #away: Away = { code: 'STARTING', reason: 'not connected yet' };
  #retry: Disposable | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#connect();
  }

  get started(): Promise<void> {
    return this.#started.promise;
  }

  client(): RedisClient | null {
    return this.#up ? this.#client : null;
  }

  away(): Away {
    return this.#away;
  }

  doubt(client: RedisClient, away: Away): void {
    if (client !== this.#client || !this.#up) return;
    // A new connection may reach the new master, behind the same name.
    if (!this.#options.keepDoubtful || away.code === 'READONLY') this.#drop(client, away);
    else {
      this.#fall(away);
      void this.#probeUntilClear(client);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#retry?.[Symbol.dispose]();
    const client = this.#client;
    this.#client = null;
    this.#up = false;
    this.#away = { code: 'CLOSED', reason: 'it has been closed' };
    this.#started.resolve();
    await client?.close();
  }

  #connect(): void {
    this.#attempt += 1;
    let client: RedisClient;
    try {
      client = this.#options.open(this.#attempt);
    } catch (error) {
      this.#fall(connectionAway(error));
      this.#retryLater();
      return;
    }
    this.#client = client;
    void client.ended.then((away) => this.#drop(client, away));
    void this.#settleFirst(client);
  }

  async #settleFirst(client: RedisClient): Promise<void> {
    try {
      await client.ready;
      await this.#options.settle(client, this.#away);
      this.#rise(client);
    } catch (error) {
      this.#drop(client, connectionAway(error));
    }
  }

  async #probeUntilClear(client: RedisClient): Promise<void> {
    const { clock, settle } = this.#options;
    while (client === this.#client && !this.#closing.signal.aborted) {
      try {
        await settle(client, this.#away);
        return this.#rise(client);
      } catch (error) {
        if (client === this.#client) this.#fall(connectionAway(error));
      }
      await clock.sleep(PROBE_EVERY_MS, this.#closing.signal).catch(() => undefined);
    }
  }

  #rise(client: RedisClient): void {
    if (client !== this.#client || this.#up) return;
    this.#up = true;
    this.#attempt = 0;
    this.#started.resolve();
    this.#options.onUp(client);
  }

  #fall(away: Away): void {
    const news = this.#up || away.code !== this.#away.code;
    this.#up = false;
    this.#away = away;
    this.#started.resolve();
    if (news) this.#options.onDown(away);
  }

  #drop(client: RedisClient, away: Away): void {
    if (client !== this.#client) return;
    this.#client = null;
    void client.close();
    this.#fall(away);
    this.#retryLater();
  }

  #retryLater(): void {
    const { clock, random } = this.#options;
    this.#retry = clock.after(backoff(this.#attempt, random), () => this.#connect());
  }
}

/** Opens a {@link Link}; it starts connecting at once and never throws. */
export function createLink(options: LinkOptions): Link {
  return new ReconnectingLink(options);
}
