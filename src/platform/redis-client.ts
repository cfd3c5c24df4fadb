import { Cluster, Redis } from 'ioredis';
import type { RedisConfig } from '../config/index.ts';
import type { Clock } from '../kernel/index.ts';
import { type Away, AwayError, connectionAway } from './redis-away.ts';
import { addressesFrom, clusterOptions, sentinelOptions, standaloneOptions } from './redis-options.ts';

/** One client that connects once: it becomes ready or not, and once it ended it stays ended. */
export interface RedisClient {
  /** Rejects when the connection could not be set up completely. */
  readonly ready: Promise<void>;
  /** Resolves with the reason when the connection is lost or closed. */
  readonly ended: Promise<Away>;
  /** `command` in lower case: ioredis knows what SUBSCRIBE and the like do by that spelling only. */
  send(command: string, args: readonly (string | number)[]): Promise<unknown>;
  /** Rejects unless every master answers that it can serve. */
  probe(): Promise<void>;
  /** Resolves when the sockets are closed. */
  close(): Promise<void>;
}

export interface ClientOptions {
  readonly clock: Clock;
  /** Counted from 1 since the last success; another node begins each time. */
  readonly attempt: number;
  /** Called for each message on a subscribed channel. */
  readonly onMessage?: (channel: string, message: string) => void;
}

type IoRedis = Redis | Cluster;

/** Within this time a client must have closed its sockets; after it nobody waits for them any more. */
const CLOSE_PATIENCE_MS = 500;

function openIoRedis(config: RedisConfig, attempt: number, forMessages: boolean): IoRedis {
  const [first, ...others] = addressesFrom(config, attempt);
  if (first === undefined) throw new AwayError({ code: 'NONODES', reason: 'redis.nodes is empty' });
  if (config.mode === 'sentinel') return new Redis(sentinelOptions(config, attempt));
  // Every Cluster node hears every message, so one plain connection does for subscriptions.
  if (config.mode === 'standalone' || forMessages) return new Redis(standaloneOptions(config, first));
  return new Cluster(
    [first, ...others].map((address) => ({ ...address })),
    clusterOptions(config),
  );
}

async function probeCluster(cluster: Cluster): Promise<void> {
  const masters = cluster.nodes('master');
  if (masters.length === 0) throw new AwayError({ code: 'CLUSTERDOWN', reason: 'the Cluster has no known master' });
  const states = await Promise.all(masters.map((node) => node.cluster('INFO')));
  if (!states.every((state) => String(state).includes('cluster_state:ok'))) {
    throw new AwayError({ code: 'CLUSTERDOWN', reason: 'CLUSTERDOWN: the Cluster does not serve all slots' });
  }
}

/** A Cluster would publish through a node by chance each time, and messages would overtake each other. */
function publisherOr(client: IoRedis, command: string): IoRedis {
  if (command !== 'publish' || !(client instanceof Cluster)) return client;
  return client.nodes('master')[0] ?? client;
}

const CLOSED: Away = { code: 'CLOSED', reason: 'the connection was closed' };

/** What becomes of the client, as promises. An error before `ready` (a refused SELECT, say) makes it unfit. */
function watch(client: IoRedis): Pick<RedisClient, 'ready' | 'ended'> & { fail(away: Away): void } {
  let last: Away | null = null;
  const note = (error: unknown): void => {
    last = connectionAway(error);
  };
  client.on('error', note);
  client.on('node error', note);
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Away>();
  // Whoever awaits it later still sees the rejection.
  ready.promise.catch(() => undefined);
  const fail = (away: Away): void => ready.reject(new AwayError(away));
  client.once('ready', () => {
    if (last === null || client instanceof Cluster) ready.resolve();
    else fail(last);
  });
  client.once('end', () => {
    fail(last ?? CLOSED);
    ended.resolve(last ?? CLOSED);
  });
  return { ready: ready.promise, ended: ended.promise, fail };
}

/** Opens a client for `config`. Throws AwayError when a TLS file cannot be read; everything else shows in `ready`. */
export function openRedisClient(config: RedisConfig, options: ClientOptions): RedisClient {
  const { clock, attempt, onMessage } = options;
  const client = openIoRedis(config, attempt, onMessage !== undefined);
  const { ready, ended, fail } = watch(client);
  const patience = config.connectTimeout * 2;
  const watchdog = clock.after(patience, () => fail({ code: 'TIMEOUT', reason: `not connected in ${patience} ms` }));
  void ended.then(() => watchdog[Symbol.dispose]());
  if (onMessage !== undefined) client.on('message', onMessage);
  // The failover detector may be born while the connection closes; only a second call ends it.
  if (config.mode === 'sentinel') void ended.then(() => client.disconnect());
  return {
    ready,
    ended,
    send: (command, args) => publisherOr(client, command).call(command, ...args),
    async probe() {
      if (client instanceof Cluster) await probeCluster(client);
      else await client.ping();
    },
    async close() {
      client.disconnect();
      const given = Promise.withResolvers<void>();
      using _ = clock.after(CLOSE_PATIENCE_MS, given.resolve);
      await Promise.race([ended, given.promise]);
    },
  };
}
