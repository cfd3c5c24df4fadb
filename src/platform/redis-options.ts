import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { RedisConfig } from '../config/index.ts';
import { messageOf } from '../kernel/index.ts';
import { AwayError } from './redis-away.ts';

/** No command may take longer, whatever the configuration says; in milliseconds. */
const COMMAND_TIMEOUT_CEILING_MS = 500;
/** A socket that owes an answer this many times longer than a command may take is dead. */
const SOCKET_TIMEOUT_FACTOR = 3;
/** A closed socket whose peer does not close too is destroyed after this. */
const DISCONNECT_TIMEOUT_MS = 200;
/** Only for the connections that hear of a failover; ioredis complains on standard error at each failure. */
const SENTINEL_RECONNECT_MS = 30_000;
const MAX_REDIRECTIONS = 5;

/** Options with the one mapping of replies that RESP2 knows; ioredis types its replies by it. */
export type FitRedisOptions = RedisOptions & { replyMapping: 'legacy' };
export type FitClusterOptions = ClusterOptions & { redisOptions: { replyMapping: 'legacy' } };

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Time limit of a command in milliseconds. */
export function commandTimeoutOf(config: RedisConfig): number {
  return Math.min(config.commandTimeout, COMMAND_TIMEOUT_CEILING_MS);
}

/** Host and port of `host:port`; an IPv6 address may stand in brackets. */
export function toAddress(node: string): Address {
  const colon = node.lastIndexOf(':');
  return { host: node.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(node.slice(colon + 1)) };
}

/** The nodes, beginning with another one at each attempt, so that one bad node cannot block. */
export function addressesFrom(config: RedisConfig, attempt: number): Address[] {
  const addresses = config.nodes.map(toAddress);
  const start = attempt % addresses.length;
  return [...addresses.slice(start), ...addresses.slice(0, start)];
}

function read(path: string, key: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new AwayError({ code: 'TLSFILE', reason: `redis.tls.${key} cannot be read: ${messageOf(error)}` });
  }
}

/** TLS options, read anew at each connection, so that renewed files are used without a restart. */
function tlsOptions(config: RedisConfig): ConnectionOptions | undefined {
  const { tls } = config;
  if (tls === undefined) return undefined;
  return {
    minVersion: 'TLSv1.2',
    ...(tls.caFile !== undefined && { ca: read(tls.caFile, 'caFile') }),
    ...(tls.certFile !== undefined && { cert: read(tls.certFile, 'certFile') }),
    ...(tls.keyFile !== undefined && { key: read(tls.keyFile, 'keyFile') }),
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
  };
}

/**
 * What all connections share. ioredis never reconnects or resends by itself here: a lost connection fails its commands
 * at once, a write is never sent twice, and the link opens a new client. RESP2, because a password that the server
 * does not want leaves ioredis in a mixed state under RESP3.
 */
function commonOptions(config: RedisConfig): FitRedisOptions {
  const commandTimeout = commandTimeoutOf(config);
  return {
    protocol: 2,
    replyMapping: 'legacy',
    username: config.username,
    password: config.password?.reveal(),
    connectionName: config.keyPrefix,
    disableClientInfo: true,
    connectTimeout: config.connectTimeout,
    commandTimeout,
    socketTimeout: commandTimeout * SOCKET_TIMEOUT_FACTOR,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    retryStrategy: () => null,
    tls: tlsOptions(config),
  };
}

/** Options of one connection to one server. */
export function standaloneOptions(config: RedisConfig, address: Address): FitRedisOptions {
  return { ...commonOptions(config), ...address, db: config.mode === 'cluster' ? 0 : config.db };
}

/** Options of one connection to the master that the Sentinels name; the role is checked after connecting. */
export function sentinelOptions(config: RedisConfig, attempt: number): FitRedisOptions {
  const common = commonOptions(config);
  return {
    ...common,
    db: config.db,
    sentinels: addressesFrom(config, attempt).map((address) => ({ ...address })),
    name: config.masterName,
    role: 'master',
    enableReadyCheck: true,
    sentinelPassword: config.sentinelPassword?.reveal(),
    sentinelCommandTimeout: commandTimeoutOf(config),
    sentinelRetryStrategy: () => null,
    sentinelReconnectStrategy: () => SENTINEL_RECONNECT_MS,
    failoverDetector: true,
    enableTLSForSentinelMode: common.tls !== undefined,
    sentinelTLS: common.tls,
  };
}

/** Options of a Cluster client. Host names go to TLS unresolved, so that certificates can be verified by name. */
export function clusterOptions(config: RedisConfig): FitClusterOptions {
  return {
    enableOfflineQueue: false,
    clusterRetryStrategy: () => null,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    maxRedirections: MAX_REDIRECTIONS,
    slotsRefreshTimeout: config.connectTimeout,
    slotsRefreshInterval: 5000,
    dnsLookup: (host, callback) => callback(null, host),
    redisOptions: { ...commonOptions(config), db: 0 },
  };
}
