import { createAdminApp, type Readiness } from '../admin/index.ts';
import type { AccessTokens } from '../auth/index.ts';
import type { Config } from '../config/index.ts';
import { type Clock, systemClock } from '../kernel/index.ts';
import { createReport, type ReportHandle } from '../observe/index.ts';
import type { KeyValue } from '../platform/index.ts';
import { createApp } from './app.ts';
import { type Doors, openDoors } from './doors.ts';
import { readinessOf } from './readiness.ts';
import { type Decided, decide, type Parts, wire } from './wire.ts';

/** A running gateway. Disposing it drains without the wait for balancers. */
export interface Gateway extends AsyncDisposable {
  /** Port of the main listener. */
  readonly port: number;
  /** Port of a queue's own listener, by queue name. */
  readonly queuePorts: ReadonlyMap<string, number>;
  readonly adminPort: number;
  readonly tokens: AccessTokens;
  readonly report: ReportHandle;
  /** Takes a new configuration that was validated; what needs a restart keeps its old value. */
  reload(config: Config): void;
  /** Tells the operators that the configuration file has faults now; the last good one stays in use. */
  configFaults(count: number): void;
  /**
   * Not ready → wait → stop accepting → finish what runs, up to the configured limit → flush. Resolves when all is
   * closed. `wait` false skips the time that balancers get to notice.
   */
  drain(options?: { wait: boolean }): Promise<void>;
}

/** What a gateway may be given instead of making it: for tests, the demo and the command line. */
export interface GatewayOptions {
  readonly clock?: Clock;
  readonly report?: ReportHandle;
  readonly kv?: KeyValue;
  readonly version: string;
  readonly revision?: string;
  readonly random?: () => number;
}

/** What changes while a gateway runs. */
interface Life {
  decided: Decided;
  state: Readiness['life'];
  faults: number;
  /** Ports that lead to one queue, as opened at start. */
  queuePorts: ReadonlyMap<string, number>;
}

/** A new configuration with the sections that are bound at start as they were. */
function withStarted(next: Config, started: Config): Config {
  const { mode, replicas, server, admin, redis, secrets } = started;
  return { ...next, mode, replicas, server, admin, secrets, redis };
}

/** Says at start what an operator must know of this deployment. */
function announce(config: Config, report: ReportHandle): void {
  if (config.redis === undefined) {
    report.log.warn({ event: 'memory_store' }, 'no redis is configured: tokens and limits end with this process');
  }
  for (const queue of config.queues) {
    const plain = queue.urls.some((url) => url.startsWith('http://'));
    if (!plain && queue.tls.verify !== 'none') continue;
    report.log.warn(
      { event: 'insecure_upstream', queue: queue.name, level_tls: plain ? 1 : 2 },
      plain
        ? 'this queue is reached over plain HTTP: passwords and jobs are open to the network'
        : 'the certificate of this queue is not verified: anybody on the path can pose as vovserver',
    );
  }
}

/** Ends the parts in the order that lets each still use what it needs. */
async function disposeParts(parts: Parts): Promise<void> {
  parts.storeDoubts[Symbol.dispose]();
  const { maintenance, plannedFailover, jobWatch, broker, sources, limiter, turns } = parts;
  const { tokens, sessions, bearers, providers, upstream, kv } = parts;
  const inOrder = [plannedFailover, maintenance, jobWatch, broker, sources, limiter, turns, tokens, sessions, bearers];
  for (const part of [...inOrder, providers, upstream, kv]) await part[Symbol.asyncDispose]();
}

/** Time that the shared store gets to answer before the replica starts without it. */
const STORE_WAIT_MS = 3000;
/** Time to switch to a server that a planned failover chose before, at a start. */
const FOLLOW_MS = 3000;

/** Waits for the first answer of the store, so that a healthy start does not begin with decisions of its own. */
async function awaitStore({ kv }: Parts, clock: Clock): Promise<void> {
  const end = clock.now() + STORE_WAIT_MS;
  while (clock.now() < end) {
    try {
      return await kv.ping();
    } catch {
      await clock.sleep(50);
    }
  }
}

/** What was frozen or moved before this process began is so from its first request on. */
async function recall({ maintenance, plannedFailover }: Parts, clock: Clock): Promise<void> {
  await maintenance.refresh();
  await Promise.race([plannedFailover.follow(), clock.sleep(FOLLOW_MS)]);
}

function open(config: Config, life: Life, parts: Parts, report: ReportHandle, clock: Clock, options: GatewayOptions) {
  const { storeDoubts: doubts } = parts;
  const app = createApp({
    steps: parts.steps,
    clock,
    addresses: () => life.decided.addresses,
    ...parts.pages,
    onInternal: (error, requestId) =>
      report.log.error({ event: 'internal', request_id: requestId, error: error.cause ?? error }, 'a request failed'),
  });
  const admin = createAdminApp({
    report,
    readiness: () =>
      readinessOf(
        life.state,
        parts.kv,
        parts.upstream.status(),
        life.faults,
        parts.providers.list(),
        life.decided.config.queues.flatMap(({ name }) => parts.maintenance.frozen(name) ?? []),
        doubts.list(),
      ),
    version: options.version,
    ...(options.revision === undefined ? {} : { revision: options.revision }),
  });
  return openDoors(config, { app, admin, report, clock });
}

async function drain(life: Life, doors: Doors, parts: Parts, report: ReportHandle, waitMs: number, clock: Clock) {
  life.state = 'draining';
  parts.jobWatch.drain();
  report.log.info({ event: 'draining' }, 'no new work is taken');
  if (waitMs > 0) await clock.sleep(waitMs);
  await doors.closeCallers(life.decided.config.server.drain.timeout);
  await disposeParts(parts);
  await doors.closeAdmin();
  report.log.info({ event: 'stopped' }, 'the gateway has stopped');
  await report.flush();
}

/** Starts a gateway from a decided configuration; resolves when it listens. Rejects when a port cannot be had. */
export async function createGateway(config: Config, options: GatewayOptions): Promise<Gateway> {
  const { version, clock = systemClock, random = Math.random } = options;
  const revision = options.revision === undefined ? {} : { revision: options.revision };
  const report = options.report ?? createReport({ log: config.log, clock, version, ...revision });
  const life: Life = { decided: decide(config), state: 'starting', faults: 0, queuePorts: new Map() };
  const kv = options.kv === undefined ? {} : { kv: options.kv };
  const draining = (): boolean => life.state === 'draining';
  const queueOfPort = (port: number | undefined): string | undefined =>
    [...life.queuePorts].find(([, bound]) => bound === port)?.[0];
  const parts = wire({ decided: () => life.decided, queueOfPort, report, clock, draining, random, version, ...kv });
  announce(config, report);
  await awaitStore(parts, clock);
  void parts.storeDoubts.look();
  await recall(parts, clock);
  const doors = await open(config, life, parts, report, clock, options).catch(async (error: unknown) => {
    await disposeParts(parts);
    throw error;
  });
  life.queuePorts = doors.queuePorts;
  life.state = 'serving';
  report.log.info({ event: 'started', version, host: config.server.host, port: doors.port }, 'the gateway listens');

  let drained: Promise<void> | null = null;
  const drainOnce = ({ wait } = { wait: true }): Promise<void> => {
    drained ??= drain(life, doors, parts, report, wait ? life.decided.config.server.drain.wait : 0, clock);
    return drained;
  };
  return {
    port: doors.port,
    queuePorts: doors.queuePorts,
    adminPort: doors.adminPort,
    tokens: parts.tokens,
    report,
    reload(next) {
      const decided = decide(withStarted(next, config));
      // First what may fail: nothing of a configuration that cannot be put into effect is used.
      parts.upstream.updateQueues(next.queues);
      life.decided = decided;
      life.faults = 0;
      parts.sources.update();
      report.setLogLevel(next.log.level);
      report.configReload(true);
    },
    configFaults(count) {
      life.faults = count;
      report.configReload(false);
    },
    drain: drainOnce,
    [Symbol.asyncDispose]: () => drainOnce({ wait: false }),
  };
}
