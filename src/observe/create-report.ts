import type { Writable } from 'node:stream';
import type { Registry } from 'prom-client';
import type { Clock } from '../kernel/index.ts';
import { createEventLog } from './event-log.ts';
import { createEventMetrics } from './event-metrics.ts';
import { createLog, type LogLevel } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { Report } from './report.ts';

/** What a report needs; `log` is the section of the configuration. */
export interface ReportOptions {
  readonly log: { readonly level: LogLevel; readonly requests: boolean };
  readonly clock: Clock;
  readonly version: string;
  /** Revision of the source that was built. */
  readonly revision?: string;
  /** Where log lines go; standard output without it. */
  readonly output?: Writable;
}

/** A {@link Report} with what its owner needs: exposition, level, end. */
export interface ReportHandle extends Report, AsyncDisposable {
  readonly registry: Registry;
  /** The metrics in Prometheus's text format. */
  metrics(): Promise<string>;
  /** Content-Type of {@link metrics}. */
  readonly contentType: string;
  setLogLevel(level: LogLevel): void;
  /** Resolves when all log lines were handed to the system, or after 2 s. */
  flush(): Promise<void>;
}

/** Starts log and metrics of one gateway. Nothing in it throws; nothing is global to the process. */
export function createReport(options: ReportOptions): ReportHandle {
  const { clock, version, revision = 'unknown', output } = options;
  const metrics = createMetrics();
  const lost = metrics.cells('log_lines_lost_total').at();
  const onLost = (lines: number): void => {
    lost.value += lines;
  };
  const log = createLog({ level: options.log.level, clock, version, output, onLost });
  const counted = createEventMetrics(metrics, clock);
  const written = createEventLog(log, options.log.requests);
  metrics.cells('build_info').at(version, revision, process.version).value = 1;
  // A report is made from a configuration that was accepted.
  counted.configReload(true);

  // An event that cannot be told is lost like a line that cannot be written: the request it tells of goes on.
  const tell =
    <A extends unknown[]>(...receivers: ((...event: A) => void)[]) =>
    (...event: A): void => {
      for (const receive of receivers) {
        try {
          receive(...event);
        } catch {
          onLost(1);
        }
      }
    };

  return {
    log: log.logger,
    requestStarted: tell(counted.requestStarted),
    requestEnded: tell(counted.requestEnded, written.requestEnded),
    upstream: tell(counted.upstream, written.upstream),
    upstreamConnections: tell(counted.upstreamConnections),
    upstreamCircuit: tell(counted.upstreamCircuit),
    certificate: tell(counted.certificate, written.certificate),
    jwtLookup: tell(counted.jwtLookup),
    login: tell(counted.login, written.login),
    jwtExpiry: tell(counted.jwtExpiry),
    limit: tell(counted.limit),
    turn: tell(counted.turn),
    lane: tell(counted.lane),
    coalesced: tell(counted.coalesced),
    retry: tell(counted.retry),
    submission: tell(counted.submission),
    policyDecision: tell(counted.policyDecision),
    jobWatchers: tell(counted.jobWatchers),
    jobWatchCall: tell(counted.jobWatchCall),
    maintenance: tell(counted.maintenance),
    attempt: tell(counted.attempt),
    signIn: tell(counted.signIn, written.signIn),
    credential: tell(counted.credential, written.credential),
    providerReady: tell(counted.providerReady),
    store: tell(counted.store, written.store),
    storeCommand: tell(counted.storeCommand),
    configReload: tell(counted.configReload, written.configReload),
    registry: metrics.registry,
    metrics: () => metrics.registry.metrics(),
    contentType: metrics.registry.contentType,
    setLogLevel: log.setLevel,
    flush: log.flush,
    async [Symbol.asyncDispose]() {
      metrics[Symbol.dispose]();
      await log[Symbol.asyncDispose]();
    },
  };
}
