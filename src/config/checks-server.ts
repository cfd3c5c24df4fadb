import type { Check, CheckFinding } from './checks.ts';
import type { Draft } from './draft.ts';

const LONGEST_COMMAND_MS = 500;

/** True for a host that never leaves this machine; IPv6 with or without brackets. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

const redisRule = (name: string, rule: (redis: NonNullable<Draft['redis']>) => CheckFinding | null): Check => ({
  name,
  *run({ redis }) {
    const finding = redis === undefined ? null : rule(redis);
    if (finding !== null) yield finding;
  },
});

function* ports(draft: Draft): Generator<readonly [path: string, port: number]> {
  if (draft.server?.port) yield ['server.port', draft.server.port];
  if (draft.admin?.port) yield ['admin.port', draft.admin.port];
  for (const [index, queue] of (draft.queues ?? []).entries()) {
    if (queue?.port) yield [`queues[${index}].port`, queue.port];
  }
}

const redisNodes: Check = {
  name: 'redis nodes have a possible port',
  *run({ redis }) {
    for (const [index, node] of (redis?.nodes ?? []).entries()) {
      const port = Number(node?.slice(node.lastIndexOf(':') + 1) ?? 1);
      if (port >= 1 && port <= 65_535) continue;
      yield {
        path: `redis.nodes[${index}]`,
        reason: 'has an impossible port',
        mend: 'Write host:port, port 1 to 65535.',
      };
    }
  },
};

/** Rules of the listeners, the store and the secrets. */
export const SERVER_CHECKS: readonly Check[] = [
  {
    name: 'plain HTTP towards callers only on loopback or on purpose',
    *run({ server }) {
      const { host, tls, allowInsecure } = server ?? {};
      if (host === undefined || tls !== undefined || allowInsecure !== false || isLoopback(host)) return;
      yield {
        path: 'server.tls',
        reason: `is missing, so that access tokens would cross the network in clear (server.host is ${host})`,
        mend: 'Give server.tls.certFile and keyFile; or server.allowInsecure: true when TLS ends in front of the gateway.',
      };
    },
  },
  {
    name: 'headers in time before the whole request',
    *run({ server }) {
      const { headersTimeout, requestTimeout } = server?.limits ?? {};
      if (headersTimeout === undefined || requestTimeout === undefined || headersTimeout <= requestTimeout) return;
      yield {
        path: 'server.limits.headersTimeout',
        reason: 'is longer than server.limits.requestTimeout, which includes it',
        mend: 'Make it shorter or the other longer.',
      };
    },
  },
  {
    name: 'each port once',
    *run(draft) {
      const seen = new Map<number, string>();
      for (const [path, port] of ports(draft)) {
        const first = seen.get(port);
        if (first === undefined) seen.set(port, path);
        else
          yield {
            path,
            reason: `${port} is also the port of ${first}`,
            mend: 'Choose another port, or 0 for a free one.',
          };
      }
    },
  },
  {
    name: 'several replicas share a Redis',
    *run({ redis, replicas }) {
      if (redis !== undefined || (replicas ?? 1) <= 1) return;
      const mend = 'Add a redis section, or run one replica.';
      yield { path: 'redis', reason: `is missing, but replicas is ${replicas}`, mend };
    },
  },
  {
    name: 'production has a Redis',
    *run({ redis, mode }) {
      if (redis !== undefined || mode !== 'production') return;
      const mend = 'Add a redis section with nodes: [host:port]; or mode: development for a trial.';
      yield { path: 'redis', reason: 'is missing, but mode is production', mend };
    },
  },
  {
    name: 'production has its secrets',
    *run({ secrets, mode }) {
      if (secrets !== undefined || mode !== 'production') return;
      const mend = 'Add secrets.sealingKeyFile and secrets.tokenKeyFile; or mode: development for a trial.';
      yield { path: 'secrets', reason: 'is missing, but mode is production', mend };
    },
  },
  {
    name: 'a rotation changes the key',
    *run({ secrets }) {
      const { sealingKey, previousSealingKey } = secrets ?? {};
      if (sealingKey === undefined || sealingKey.reveal() !== previousSealingKey?.reveal()) return;
      const mend = 'Make a new sealingKey, or remove previousSealingKey.';
      yield { path: 'secrets.previousSealingKey', reason: 'is the same as secrets.sealingKey', mend, level: 'warning' };
    },
  },
  redisRule('a Redis command is bounded', ({ commandTimeout }) => {
    if (commandTimeout === undefined || commandTimeout <= LONGEST_COMMAND_MS) return null;
    const mend = 'Write at most 500ms: every call waits this long when Redis hangs.';
    return { path: 'redis.commandTimeout', reason: 'is longer than 500ms', mend };
  }),
  redisRule('Sentinel knows the master', ({ mode, masterName }) => {
    if (mode !== 'sentinel' || masterName !== undefined) return null;
    const mend = 'Write the name that the Sentinels monitor, for example mymaster.';
    return { path: 'redis.masterName', reason: 'is missing, but redis.mode is sentinel', mend };
  }),
  redisRule('a master name belongs to Sentinel', ({ mode, masterName }) => {
    if (mode === undefined || mode === 'sentinel' || masterName === undefined) return null;
    const mend = 'Write redis.mode: sentinel, or remove it.';
    return { path: 'redis.masterName', reason: `means nothing, since redis.mode is ${mode}`, mend };
  }),
  redisRule('Cluster has one database', ({ mode, db }) => {
    if (mode !== 'cluster' || db === undefined || db === 0) return null;
    return {
      path: 'redis.db',
      reason: 'cannot be chosen with Cluster',
      mend: 'Remove it; redis.keyPrefix keeps deployments apart.',
    };
  }),
  redisRule('standalone is one server', ({ mode, nodes }) => {
    if (mode !== 'standalone' || nodes === undefined || nodes.length <= 1) return null;
    const mend = 'Name one server, or write redis.mode: sentinel or cluster.';
    return { path: 'redis.nodes', reason: `names ${nodes.length} servers, but redis.mode is standalone`, mend };
  }),
  redisNodes,
  redisRule('certificate and key of the Redis client', ({ tls }) => {
    if (tls === undefined || (tls.certFile === undefined) === (tls.keyFile === undefined)) return null;
    const missing = tls.certFile === undefined ? 'certFile' : 'keyFile';
    return {
      path: `redis.tls.${missing}`,
      reason: 'is missing beside its twin',
      mend: 'Give both certFile and keyFile, or none.',
    };
  }),
];
