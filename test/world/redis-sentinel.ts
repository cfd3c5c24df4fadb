import type { RedisConfig } from '../../src/config/index.ts';
import { Secret } from '../../src/kernel/index.ts';
import { eventually } from './eventually.ts';
import { type RedisProcess, redisConfig, sendTo, startRedis } from './redis.ts';
import { type ServerProcess, startServer } from './redis-process.ts';

/** A master with one replica, watched by Sentinels. */
export interface SentinelWorld extends AsyncDisposable {
  /** The master at the start. */
  readonly master: RedisProcess;
  /** The replica at the start. */
  readonly replica: RedisProcess;
  readonly sentinels: readonly ServerProcess[];
  config(changes?: Partial<RedisConfig>): RedisConfig;
  /** Port of the master as the first Sentinel names it. */
  masterPort(): Promise<number>;
  /** Makes the replica the master, the old master staying alive. */
  failover(): Promise<void>;
}

export interface SentinelSettings {
  readonly password?: string;
  readonly sentinelPassword?: string;
  readonly count?: number;
}

const NAME = 'vovgw-master';

function sentinelLines(port: number, masterPort: number, quorum: number, settings: SentinelSettings): string[] {
  const { password, sentinelPassword } = settings;
  return [
    `port ${port}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} ${quorum}`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 2000`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${NAME} ${password}`]),
    ...(sentinelPassword === undefined
      ? []
      : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
  ];
}

/** Starts a master, its replica and `count` Sentinels (1); ready when the Sentinels know the replica. */
export async function startSentinel(settings: SentinelSettings = {}): Promise<SentinelWorld> {
  const { password, sentinelPassword, count = 1 } = settings;
  const access = password === undefined ? {} : { password };
  await using stack = new AsyncDisposableStack();
  const master = stack.use(await startRedis(access));
  const replica = stack.use(await startRedis({ ...access, lines: [`replicaof 127.0.0.1 ${master.port}`] }));
  await eventually('the replica follows', async () =>
    String(await replica.command('info', 'replication')).includes('master_link_status:up'),
  );
  const quorum = Math.floor(count / 2) + 1;
  const sentinels: ServerProcess[] = [];
  for (let index = 0; index < count; index += 1) {
    const lines = (port: number): string[] => sentinelLines(port, master.port, quorum, settings);
    sentinels.push(stack.use(await startServer({ sentinel: true, lines })));
  }
  const ask = (sentinel: ServerProcess, ...args: string[]): Promise<unknown> =>
    sendTo(sentinel.port, sentinelPassword === undefined ? {} : { password: sentinelPassword }, 'sentinel', ...args);
  for (const sentinel of sentinels) {
    await eventually('the Sentinel knows the replica', async () => {
      const replicas = await ask(sentinel, 'replicas', NAME);
      const others = await ask(sentinel, 'sentinels', NAME);
      return Array.isArray(replicas) && replicas.length === 1 && Array.isArray(others) && others.length === count - 1;
    });
  }
  const [first] = sentinels;
  if (first === undefined) throw new Error('needs at least one Sentinel');
  const owned = stack.move();
  return {
    master,
    replica,
    sentinels,
    config: (changes) =>
      redisConfig({
        mode: 'sentinel',
        masterName: NAME,
        nodes: sentinels.map(({ port }) => `127.0.0.1:${port}`),
        ...(password !== undefined && { password: new Secret(password) }),
        ...(sentinelPassword !== undefined && { sentinelPassword: new Secret(sentinelPassword) }),
        ...changes,
      }),
    async masterPort() {
      const address = await ask(first, 'get-master-addr-by-name', NAME);
      return Array.isArray(address) ? Number(address[1]) : 0;
    },
    async failover() {
      await eventually('the Sentinel starts a failover', async () => (await ask(first, 'failover', NAME)) === 'OK');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
