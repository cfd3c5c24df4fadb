import type { RedisConfig } from '../../src/config/index.ts';
import { Secret } from '../../src/kernel/index.ts';
import { eventually } from './eventually.ts';
import { type RedisProcess, redisConfig, startRedis } from './redis.ts';
import { freePort } from './redis-process.ts';

/** A Cluster of masters without replicas. */
export interface ClusterWorld extends AsyncDisposable {
  readonly nodes: readonly RedisProcess[];
  config(changes?: Partial<RedisConfig>): RedisConfig;
}

const SLOTS = 16_384;

async function startNode(password: string | undefined): Promise<RedisProcess & { busPort: number }> {
  const busPort = await freePort();
  const node = await startRedis({
    ...(password !== undefined && { password }),
    lines: ['cluster-enabled yes', `cluster-port ${busPort}`, 'cluster-node-timeout 1000'],
  });
  return { ...node, busPort };
}

/** Starts `masters` (3) nodes that share all slots; ready when every one says so. */
export async function startCluster(settings: { password?: string; masters?: number } = {}): Promise<ClusterWorld> {
  const { password, masters = 3 } = settings;
  await using stack = new AsyncDisposableStack();
  const nodes = await Promise.all(Array.from({ length: masters }, () => startNode(password)));
  for (const node of nodes) stack.use(node);
  const share = Math.ceil(SLOTS / masters);
  for (const [index, node] of nodes.entries()) {
    await node.command('cluster', 'SET-CONFIG-EPOCH', index + 1);
    await node.command('cluster', 'ADDSLOTSRANGE', index * share, Math.min(SLOTS, (index + 1) * share) - 1);
    for (const other of nodes.slice(0, index)) {
      await node.command('cluster', 'MEET', '127.0.0.1', other.port, other.busPort);
    }
  }
  for (const node of nodes) {
    await eventually('the node knows the Cluster', async () => {
      const info = String(await node.command('cluster', 'INFO'));
      return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${masters}`);
    });
  }
  const owned = stack.move();
  return {
    nodes,
    config: (changes) =>
      redisConfig({
        mode: 'cluster',
        nodes: nodes.map(({ port }) => `127.0.0.1:${port}`),
        ...(password !== undefined && { password: new Secret(password) }),
        ...changes,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
