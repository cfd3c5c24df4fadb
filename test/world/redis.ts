import { Redis, type RedisOptions } from 'ioredis';
import type { RedisConfig } from '../../src/config/index.ts';
import { Secret } from '../../src/kernel/index.ts';
import { type ServerProcess, startServer } from './redis-process.ts';

/** TLS of a test server: files in PEM. */
export interface RedisTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** True: only callers with a certificate of the authority get in. */
  readonly askClient?: boolean;
}

export interface RedisSettings {
  /** With it the default user is off and this one takes `password`. */
  readonly aclUser?: string;
  /** What `aclUser` may do; everything when not given. */
  readonly aclRules?: string;
  readonly password?: string;
  readonly tls?: RedisTls;
  /** Keep the data over `stop` and `start`. */
  readonly appendOnly?: boolean;
  /** Folder for the data; without it a temporary one. */
  readonly dir?: string;
  /** Further lines of redis.conf. */
  readonly lines?: readonly string[];
}

/** A redis-server of its own on a free port. */
export interface RedisProcess extends ServerProcess {
  /** What the gateway's configuration says to reach it. */
  config(changes?: Partial<RedisConfig>): RedisConfig;
  /** Sends one command over a connection of its own. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
}

/** Configuration of a store with the defaults of the schema. */
export function redisConfig(changes: Partial<RedisConfig> & { nodes: string[] }): RedisConfig {
  return { mode: 'standalone', db: 0, keyPrefix: 'test', connectTimeout: 2000, commandTimeout: 300, ...changes };
}

function accessLines({ aclUser, aclRules = '~* &* +@all', password = '' }: RedisSettings): string[] {
  if (aclUser !== undefined) return [`user ${aclUser} on >${password} ${aclRules}`, 'user default off'];
  return password === '' ? [] : [`requirepass ${password}`, `masterauth ${password}`];
}

function portLines(port: number, tls: RedisTls | undefined): string[] {
  if (tls === undefined) return [`port ${port}`];
  return [
    'port 0',
    `tls-port ${port}`,
    `tls-cert-file ${tls.certFile}`,
    `tls-key-file ${tls.keyFile}`,
    `tls-ca-cert-file ${tls.caFile}`,
    `tls-auth-clients ${tls.askClient ? 'yes' : 'no'}`,
  ];
}

/** Sends one command to the server on `port`. */
export async function sendTo(
  port: number,
  options: RedisOptions,
  name: string,
  ...args: (string | number)[]
): Promise<unknown> {
  const client = new Redis({ ...options, host: '127.0.0.1', port, protocol: 2, replyMapping: 'legacy' });
  client.on('error', () => undefined);
  try {
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}

/** Starts a redis-server; it ends with the scope that holds it. */
export async function startRedis(settings: RedisSettings = {}): Promise<RedisProcess> {
  const { aclUser, password, tls, appendOnly, dir, lines = [] } = settings;
  const server = await startServer({
    ...(dir !== undefined && { dir }),
    lines: (port) => [
      ...portLines(port, tls),
      ...accessLines(settings),
      ...(appendOnly ? ['appendonly yes', 'appendfsync always'] : []),
      'repl-diskless-sync-delay 0',
      ...lines,
    ],
  });
  const credentials = {
    ...(aclUser !== undefined && { username: aclUser }),
    ...(password !== undefined && { password }),
  };
  return {
    ...server,
    config: (changes) =>
      redisConfig({
        nodes: [`127.0.0.1:${server.port}`],
        ...(aclUser !== undefined && { username: aclUser }),
        ...(password !== undefined && { password: new Secret(password) }),
        ...(tls !== undefined && { tls: { caFile: tls.caFile } }),
        ...changes,
      }),
    command: (name, ...args) => sendTo(server.port, credentials, name, ...args),
  };
}
