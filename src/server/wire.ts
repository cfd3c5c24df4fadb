import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createRouteTable, type RouteTable } from '../access/index.ts';
import { type AccessTokens, createAccessTokens, createTokenEndpoint } from '../auth/index.ts';
import type { Config } from '../config/index.ts';
import { type AccountRules, createAccountRules } from '../identity/index.ts';
import { type Clock, GatewayError, type Identity } from '../kernel/index.ts';
import { createLimiter, type Limiter } from '../limits/index.ts';
import type { ReportHandle } from '../observe/index.ts';
import {
  createLeases,
  createMemoryKeyValue,
  createRedisKeyValue,
  createSealer,
  type KeyValue,
} from '../platform/index.ts';
import { type Broker, createBroker, createSources, type Sources } from '../tokens/index.ts';
import { createUpstream, type UpstreamHandle } from '../upstream/index.ts';
import { type CallerAddress, createCallerAddress } from './caller-address.ts';
import { createPassthrough } from './passthrough.ts';
import type { Steps } from './pipeline.ts';
import { createAttemptGuard, createAuthenticate } from './steps/authenticate.ts';
import { createBeginRecord } from './steps/begin-record.ts';
import { createCheckMessage } from './steps/check-message.ts';
import { createChooseAccount } from './steps/choose-account.ts';
import { createCollectBody } from './steps/collect-body.ts';
import { createDecideRoute } from './steps/decide-route.ts';
import { createExchangeToken } from './steps/exchange-token.ts';
import { createForward } from './steps/forward.ts';
import { createLimitAddress } from './steps/limit-address.ts';
import { createLimitIdentity } from './steps/limit-identity.ts';
import { refuse } from './steps/refuse.ts';
import { createSecureHeaders } from './steps/secure-headers.ts';

/** What is derived from the configuration and replaced as a whole when the configuration is. */
export interface Decided {
  readonly config: Config;
  readonly rules: AccountRules;
  readonly routes: RouteTable;
  readonly addresses: CallerAddress;
}

/** Derives the pure parts from a configuration. */
export function decide(config: Config): Decided {
  return {
    config,
    rules: createAccountRules(config.identity),
    routes: createRouteTable(config.access.extraRoutes),
    addresses: createCallerAddress(config.server.trustedProxies),
  };
}

/** Every part of one gateway by name. */
export interface Parts {
  readonly kv: KeyValue;
  readonly upstream: UpstreamHandle;
  readonly sources: Sources;
  readonly broker: Broker;
  readonly tokens: AccessTokens;
  readonly limiter: Limiter;
  readonly steps: Steps;
}

/** What the parts need from outside. `decided` is asked anew for each use, so that a reload reaches everyone. */
export interface WireOptions {
  readonly decided: () => Decided;
  readonly report: ReportHandle;
  readonly clock: Clock;
  readonly draining: () => boolean;
  /** The queue that a port of its own was opened for at start. */
  readonly queueOfPort: (port: number | undefined) => string | undefined;
  /** A store to use instead of the one that the configuration names. */
  readonly kv?: KeyValue;
  readonly random: () => number;
}

/** Access tokens over a store: the server's, and the command line's that makes them. */
export function wireAccessTokens(
  kv: KeyValue,
  decided: () => Decided,
  options: Pick<WireOptions, 'clock'> & { report?: ReportHandle },
): AccessTokens {
  const { secrets } = decided().config;
  return createAccessTokens({
    ...(options.report === undefined ? {} : { report: options.report }),
    kv,
    config: () => decided().config,
    sealer: createSealer({
      current: secrets.sealingKey,
      ...(secrets.previousSealingKey === undefined ? {} : { previous: secrets.previousSealingKey }),
    }),
    identityOf: (user) => decided().rules.identityOf(user),
    clock: options.clock,
  });
}

/**
 * Which queue a request means: the port it came to, else its host name, else the first queue. A port keeps its queue until
 * the process ends: when a reload took that queue away, nothing is behind the port any more.
 */
function queueOf(queues: Config['queues'], bound: string | undefined, host: string | undefined): string {
  if (bound !== undefined) {
    if (queues.some(({ name }) => name === bound)) return bound;
    throw new GatewayError('GW_NOT_FOUND', 'The queue of this port is no longer configured.');
  }
  const name = host?.replace(/\.?(:\d+)?$/, '').toLowerCase() ?? '';
  const queue = queues.find(({ hosts }) => hosts.includes(name)) ?? queues[0];
  if (queue === undefined) throw new GatewayError('GW_INTERNAL', 'No queue is configured.');
  return queue.name;
}

function wireStore(options: WireOptions): KeyValue {
  const { redis } = options.decided().config;
  const { clock, report } = options;
  if (options.kv !== undefined) return options.kv;
  if (redis === undefined) return createMemoryKeyValue({ clock });
  const events = {
    command: report.storeCommand.bind(report),
    state: report.store.bind(report),
  };
  return createRedisKeyValue(redis, { clock, events });
}

/** Puts the rooms together: the one place where parts meet. */
export function wire(options: WireOptions): Parts {
  const { decided, report, clock, random } = options;
  const config = (): Config => decided().config;
  const kv = wireStore(options);
  const { secrets } = config();
  const sealer = createSealer({
    current: secrets.sealingKey,
    ...(secrets.previousSealingKey === undefined ? {} : { previous: secrets.previousSealingKey }),
  });
  // Two containers may share a host name and a process id.
  const replicaId = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const leases = createLeases(kv, { clock, ownerId: replicaId });
  const upstream = createUpstream({ queues: config().queues, report, clock });
  const sources = createSources({ config: () => config().credentials, clock, report, versionKey: secrets.tokenKey });
  const broker = createBroker({ config, kv, leases, sealer, upstream, sources, report, clock, random });
  const tokens = wireAccessTokens(kv, decided, { clock, report });
  const limiter = createLimiter({
    config: () => config().limits,
    kv,
    replicas: () => config().replicas,
    report,
    clock,
    replicaId,
  });
  const guard = createAttemptGuard(limiter, report);
  const accountOf = (identity: Identity, queue: string): string | null => {
    const decision = decided().rules.accountFor(identity, queue);
    return decision.kind === 'account' && !decision.account.shared ? decision.account.name : null;
  };
  const endpoint = createTokenEndpoint({
    tokens,
    config,
    now: clock.now,
    // A script posts the Unix user name that vovserver knows, which a rule may map the token's owner to.
    isOwner: (identity, username, queue) => username === identity.user || username === accountOf(identity, queue),
    passthrough: createPassthrough({ decided, upstream, broker, clock }),
  });
  const limits = () => config().server.limits;
  const steps: Steps = {
    beginRecord: createBeginRecord(report, clock),
    secureHeaders: createSecureHeaders(config().server.tls !== undefined, options.draining),
    limitAddress: createLimitAddress(limiter),
    checkMessage: createCheckMessage(limits, (port, host) => queueOf(config().queues, options.queueOfPort(port), host)),
    authenticate: createAuthenticate(tokens, guard),
    decideRoute: createDecideRoute(() => decided().routes),
    limitIdentity: createLimitIdentity(limiter),
    collectBody: createCollectBody(() => limits().bodyBytes),
    chooseAccount: createChooseAccount(() => decided().rules),
    exchangeToken: createExchangeToken(endpoint, guard),
    refuse,
    forward: createForward(upstream, broker),
  };
  return { kv, upstream, sources, broker, tokens, limiter, steps };
}
