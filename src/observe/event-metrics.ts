import { type Clock, ERROR_CODES } from '../kernel/index.ts';
import type { Metrics } from './metrics.ts';
import type { CertificateRecord, LoginRecord, Report, RequestRecord, UpstreamRecord } from './report.ts';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const STATUS_TEXTS: readonly string[] = Array.from({ length: 600 }, (_, status) => String(status));
const OTHER = 'other';

/** The part of {@link Report} that ends in metrics. */
export type EventMetrics = Omit<Report, 'log'>;

const methodLabel = (method: string): string => (METHODS.has(method) ? method : OTHER);
const statusLabel = (status: number): string =>
  Number.isInteger(status) && (status === 0 || status >= 100) ? (STATUS_TEXTS[status] ?? OTHER) : OTHER;
/** A rule may be named in any words. */
const ruleLabel = (name: string): string => name.replace(/[^A-Za-z0-9_.:+*-]/g, '_');
const isErrorCode = (code: string): boolean => Object.hasOwn(ERROR_CODES, code);

function requestMetrics(metrics: Metrics): Pick<EventMetrics, 'requestStarted' | 'requestEnded'> {
  const total = metrics.cells('requests_total');
  const duration = metrics.durations('request_duration_seconds');
  const inFlight = metrics.cells('requests_in_flight');
  const aborted = metrics.cells('requests_aborted_total');
  const bytes = metrics.cells('response_bytes_total');
  const errors = metrics.cells('errors_total');
  return {
    requestStarted(door) {
      inFlight.at(door).value += 1;
    },
    requestEnded(record: RequestRecord) {
      const { door, route } = record;
      const method = methodLabel(record.method);
      inFlight.at(door).value -= 1;
      total.at(door, route, method, statusLabel(record.status)).value += 1;
      duration.observe(duration.at(route, method), record.seconds);
      if (record.bytesOut > 0) bytes.at(door).value += record.bytesOut;
      if (record.aborted) aborted.at(door).value += 1;
      if (record.code !== undefined) errors.at(isErrorCode(record.code) ? record.code : OTHER).value += 1;
    },
  };
}

function upstreamMetrics(
  metrics: Metrics,
  clock: Clock,
): Pick<EventMetrics, 'upstream' | 'upstreamConnections' | 'upstreamCircuit' | 'certificate'> {
  const total = metrics.cells('upstream_requests_total');
  const duration = metrics.durations('upstream_request_duration_seconds');
  const connections = metrics.cells('upstream_connections');
  const circuits = metrics.cells('upstream_circuit_open');
  const level = metrics.cells('upstream_tls_level');
  const expiry = metrics.cells('upstream_certificate_expiry_timestamp_seconds');
  metrics.atScrape('upstream_certificate_remaining_seconds', () =>
    expiry.entries().map(([labels, cell]) => ({ labels, value: cell.value - clock.now() / 1000 })),
  );
  return {
    upstream({ queue, route, method, result, seconds }: UpstreamRecord) {
      const verb = methodLabel(method);
      total.at(queue, route, verb, typeof result === 'number' ? statusLabel(result) : result).value += 1;
      duration.observe(duration.at(queue, route, verb), seconds);
    },
    upstreamConnections(queue, open) {
      connections.at(queue).value = open;
    },
    upstreamCircuit(queue, open) {
      circuits.at(queue).value = open ? 1 : 0;
    },
    certificate(record: CertificateRecord) {
      level.at(record.queue).value = record.level;
      if (record.notAfter === null) expiry.remove(record.queue);
      else expiry.at(record.queue).value = record.notAfter / 1000;
    },
  };
}

function brokerMetrics(metrics: Metrics, clock: Clock): Pick<EventMetrics, 'jwtLookup' | 'login' | 'jwtExpiry'> {
  const lookups = metrics.cells('jwt_lookups_total');
  const logins = metrics.cells('jwt_logins_total');
  const duration = metrics.durations('jwt_login_duration_seconds');
  const cached = metrics.cells('jwt_cached');
  // The moment of the end is kept and the rest computed at the scrape, so that a silent broker is seen as such.
  const ends = metrics.cells('jwt_min_seconds_to_expiry');
  metrics.atScrape('jwt_min_seconds_to_expiry', () =>
    ends.entries().map(([labels, cell]) => ({ labels, value: (cell.value - clock.now()) / 1000 })),
  );
  return {
    jwtLookup(queue, found) {
      lookups.at(queue, found).value += 1;
    },
    login({ queue, reason, result, seconds }: LoginRecord) {
      logins.at(queue, reason, result).value += 1;
      if (result !== 'no_password') duration.observe(duration.at(queue), seconds);
    },
    jwtExpiry(queue, seconds, count) {
      cached.at(queue).value = count;
      if (seconds === null) ends.remove(queue);
      else ends.at(queue).value = clock.now() + seconds * 1000;
    },
  };
}

function gateMetrics(metrics: Metrics): Pick<EventMetrics, 'limit' | 'attempt'> {
  const decisions = metrics.cells('limit_decisions_total');
  const attempts = metrics.cells('auth_attempts_total');
  return {
    limit(policy, cls, decision, source) {
      decisions.at(policy, cls, decision, source).value += 1;
    },
    attempt(result, door) {
      attempts.at(door, result).value += 1;
    },
  };
}

function turnMetrics(
  metrics: Metrics,
): Pick<EventMetrics, 'turn' | 'lane' | 'coalesced' | 'retry' | 'submission' | 'policyDecision' | 'maintenance'> {
  const wait = metrics.durations('turn_wait_seconds');
  const turns = metrics.cells('turns_total');
  const limits = metrics.cells('lane_limit');
  const inFlight = metrics.cells('lane_in_flight');
  const waiting = metrics.cells('lane_waiting');
  const coalesced = metrics.cells('coalesced_total');
  const retries = metrics.cells('upstream_retries_total');
  const submissions = metrics.cells('submissions_total');
  const policy = metrics.cells('policy_decisions_total');
  const frozenQueues = metrics.cells('maintenance');
  return {
    maintenance(queue, frozen) {
      frozenQueues.at(queue).value = frozen ? 1 : 0;
    },
    turn(queue, lane, result, seconds) {
      turns.at(queue, lane, result).value += 1;
      wait.observe(wait.at(queue, lane), seconds);
    },
    lane(queue, lane, limit, busy, queued) {
      limits.at(queue, lane).value = limit;
      inFlight.at(queue, lane).value = busy;
      waiting.at(queue, lane).value = queued;
    },
    coalesced(queue, route, how) {
      coalesced.at(queue, route, how).value += 1;
    },
    retry(queue, result) {
      retries.at(queue, result).value += 1;
    },
    submission(queue, what) {
      submissions.at(queue, what).value += 1;
    },
    policyDecision(queue, rule, decision) {
      policy.at(queue, ruleLabel(rule), decision).value += 1;
    },
  };
}

function watchMetrics(metrics: Metrics): Pick<EventMetrics, 'jobWatchers' | 'jobWatchCall'> {
  const watchers = metrics.cells('job_watchers');
  const calls = metrics.cells('job_watch_calls_total');
  return {
    jobWatchers(queue, how, count) {
      watchers.at(queue, how).value = count;
    },
    jobWatchCall(queue, what, ok) {
      calls.at(queue, what, ok ? 'ok' : 'failed').value += 1;
    },
  };
}

function signInMetrics(metrics: Metrics): Pick<EventMetrics, 'signIn' | 'credential' | 'providerReady'> {
  const signIns = metrics.cells('sign_ins_total');
  const credentials = metrics.cells('credential_events_total');
  const ready = metrics.cells('provider_ready');
  return {
    signIn({ provider, method, result }) {
      signIns.at(provider, method, result).value += 1;
    },
    credential({ what }) {
      credentials.at(what).value += 1;
    },
    providerReady(provider, isReady) {
      ready.at(provider).value = isReady ? 1 : 0;
    },
  };
}

function stateMetrics(metrics: Metrics, clock: Clock): Pick<EventMetrics, 'store' | 'storeCommand' | 'configReload'> {
  const up = metrics.cells('store_up');
  const duration = metrics.durations('store_command_duration_seconds');
  const errors = metrics.cells('store_errors_total');
  const reloaded = metrics.cells('config_last_reload_successful');
  const reloadedAt = metrics.cells('config_last_reload_success_timestamp_seconds');
  return {
    store(state) {
      up.at().value = state === 'up' ? 1 : 0;
    },
    storeCommand(command, seconds, ok) {
      duration.observe(duration.at(command), seconds);
      if (!ok) errors.at(command).value += 1;
    },
    configReload(ok) {
      reloaded.at().value = ok ? 1 : 0;
      if (ok) reloadedAt.at().value = clock.now() / 1000;
    },
  };
}

/** Counts every event of the gateway in `metrics`. */
export function createEventMetrics(metrics: Metrics, clock: Clock): EventMetrics {
  return {
    ...requestMetrics(metrics),
    ...upstreamMetrics(metrics, clock),
    ...brokerMetrics(metrics, clock),
    ...gateMetrics(metrics),
    ...turnMetrics(metrics),
    ...watchMetrics(metrics),
    ...signInMetrics(metrics),
    ...stateMetrics(metrics, clock),
  };
}
