import type { QueueConfig } from '../config/index.ts';
import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import { Forwarder } from './forward.ts';
import { createHints, type Hint } from './hints.ts';
import { login } from './login.ts';
import type { QueueAgent, Upstream } from './ports.ts';
import { agentFor } from './queue-agent.ts';
import { createQueueLink, type QueueLink } from './queue-link.ts';
import { createRetryBudget, type RetryBudget } from './retry-budget.ts';

/** The upstream with what only the room that wires it needs. */
export interface UpstreamHandle extends Upstream {
  /** Bounds all repeats of calls, so that a failing vovserver is not hit twice by everything. */
  readonly retries: RetryBudget;
  /** Milliseconds that a caller may wait, whatever it wants: for a server and for a turn together. */
  longestWait(): number;
  /**
   * Takes a new configuration of the queues. A changed queue gets new pools; its connections whose key is no longer
   * accepted are cut, the others finish their answer. Throws, before anything changed, when TLS files cannot be read.
   */
  updateQueues(queues: readonly QueueConfig[]): void;
  /** For requests that carry no credential, over Node's own client; ask again for each. Throws GatewayError. */
  agentFor(queue: string): Promise<QueueAgent>;
}

export interface UpstreamOptions {
  readonly queues: readonly QueueConfig[];
  readonly report: Report;
  readonly clock: Clock;
  /** 0 ≤ x < 1; Math.random without it. */
  readonly random?: () => number;
  /** Where replicas tell each other which candidate works; without it each finds out by itself. */
  readonly kv?: KeyValue;
  /** Milliseconds of the longest `Prefer: wait` that is granted, asked for each; a minute without it. */
  longestWait?(): number;
}

/** Milliseconds between two looks for calls that are over their time. */
const SWEEP = 100;

/** What of a queue decides about its connections; other keys change nothing here. */
function decisive(queue: QueueConfig): string {
  const { urls, tls, checkName, authorization, connections, timeouts, failover } = queue;
  return JSON.stringify([urls, tls, checkName, authorization, connections, timeouts, failover]);
}

/** Creates the way to the vovservers. Throws when TLS files of a queue cannot be read. Dispose ends every call. */
export function createUpstream(options: UpstreamOptions): UpstreamHandle {
  const { queues, report, clock, random = Math.random, kv, longestWait = () => 60_000 } = options;
  const links = new Map<string, QueueLink>();
  const hear = (hint: Hint): void => links.get(hint.queue)?.hear(hint);
  const hints = kv === undefined ? null : createHints({ kv, clock, report, hear });
  const ended = new Set<QueueLink>();
  // Counted, not read from the clock: a clock that jumps must end no call.
  let elapsed = 0;
  const retries = createRetryBudget({ clock, report });
  const forwarder = new Forwarder(clock, report, () => elapsed, retries);

  const linkOf = (queue: string): QueueLink => {
    const link = links.get(queue);
    if (link === undefined) throw new GatewayError('GW_INTERNAL', 'This queue is not configured.');
    return link;
  };

  const updateQueues = (next: readonly QueueConfig[]): void => {
    const kept = (config: QueueConfig): QueueLink | undefined => {
      const link = links.get(config.name);
      return link !== undefined && decisive(link.config) === decisive(config) ? link : undefined;
    };
    const tell = (hint: Hint): void => hints?.tell(hint);
    const now = next.map((config) => {
      const former = links.get(config.name);
      return kept(config) ?? createQueueLink({ config, clock, report, random, former, longestWait, tell });
    });
    const before = [...links.values()];
    links.clear();
    for (const link of now) links.set(link.config.name, link);
    for (const link of before) {
      if (now.includes(link)) continue;
      link.retire(links.get(link.config.name)?.config ?? null);
      ended.add(link);
    }
  };

  const sweep = clock.every(SWEEP, () => {
    elapsed += SWEEP;
    for (const link of links.values()) for (const exchange of link.running.all()) exchange.sweep(elapsed);
    for (const link of ended) {
      if (link.running.size === 0) ended.delete(link);
      for (const exchange of link.running.all()) exchange.sweep(elapsed);
    }
  });

  updateQueues(queues);
  return {
    retries,
    longestWait,
    forward: (call, credential, response) =>
      forwarder.carry(() => linkOf(call.queue), call, credential, response, call.head),
    ask: (call, credential, maxBytes) => forwarder.ask(() => linkOf(call.queue), call, credential, maxBytes),
    admit(call) {
      const link = linkOf(call.queue);
      return link.steady ? undefined : link.admit(call);
    },
    async login(queue, account, password, signal) {
      try {
        return await login(() => linkOf(queue), clock, { account, password, signal });
      } catch (error) {
        if (error instanceof GatewayError) return { kind: 'failed', error };
        throw error;
      }
    },
    epoch: (queue) => linkOf(queue).epoch,
    switchTo: async (queue, url) => await linkOf(queue).switchTo(url),
    status: () => [...links.values()].map((link) => link.status()),
    updateQueues,
    agentFor: async (queue) => await agentFor(linkOf(queue)),
    async [Symbol.asyncDispose]() {
      sweep[Symbol.dispose]();
      await hints?.[Symbol.asyncDispose]();
      for (const link of [...links.values(), ...ended]) {
        link.retire(null);
        for (const exchange of link.running.all()) exchange.end();
      }
    },
  };
}
