import type { QueueConfig } from '../config/index.ts';
import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { Forwarder } from './forward.ts';
import { login } from './login.ts';
import type { QueueAgent, Upstream } from './ports.ts';
import { agentFor } from './queue-agent.ts';
import { createQueueLink, type QueueLink } from './queue-link.ts';

/** The upstream with what only the room that wires it needs. */
export interface UpstreamHandle extends Upstream {
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
}

/** Milliseconds between two looks for calls that are over their time. */
const SWEEP = 100;

/** What of a queue decides about its connections; other keys change nothing here. */
function decisive(queue: QueueConfig): string {
  const { urls, tls, checkName, authorization, connections, timeouts } = queue;
  return JSON.stringify([urls, tls, checkName, authorization, connections, timeouts]);
}

/** Creates the way to the vovservers. Throws when TLS files of a queue cannot be read. Dispose ends every call. */
export function createUpstream({ queues, report, clock }: UpstreamOptions): UpstreamHandle {
  const links = new Map<string, QueueLink>();
  const ended = new Set<QueueLink>();
  // Counted, not read from the clock: a clock that jumps must end no call.
  let elapsed = 0;
  const forwarder = new Forwarder(clock, report, () => elapsed);

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
    const now = next.map((config) => kept(config) ?? createQueueLink({ config, clock, report }));
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
    forward: (call, credential, response) =>
      forwarder.carry(() => linkOf(call.queue), call, credential, response, call.head),
    ask: (call, credential, maxBytes) => forwarder.ask(() => linkOf(call.queue), call, credential, maxBytes),
    async login(queue, account, password, signal) {
      try {
        return await login(linkOf(queue), clock, account, password, signal);
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
      for (const link of [...links.values(), ...ended]) {
        link.retire(null);
        for (const exchange of link.running.all()) exchange.handleEvent();
      }
    },
  };
}
