import type { MetricDescription } from './series.ts';

const PREFIX = 'vovgw_';
/** Seconds; few, because every bucket is one more series for each route and method. */
const CALL_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30] as const;
const STORE_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.3, 0.5] as const;

type Row = Omit<MetricDescription, 'name'>;

const counter = (labels: readonly string[], help: string): Row => ({ type: 'counter', labels, help });
const gauge = (labels: readonly string[], help: string): Row => ({ type: 'gauge', labels, help });
const histogram = (labels: readonly string[], buckets: readonly number[], help: string): Row => ({
  type: 'histogram',
  labels,
  buckets,
  help,
});

const ROWS = {
  requests_total: counter(
    ['door', 'route', 'method', 'code'],
    'Finished requests by door, route template, method and HTTP status (0: connection cut before any answer).',
  ),
  request_duration_seconds: histogram(['route', 'method'], CALL_BUCKETS, 'From the request line to the last byte.'),
  requests_in_flight: gauge(['door'], 'Requests under way.'),
  requests_aborted_total: counter(['door'], 'Requests whose caller went away or whose connection was cut.'),
  response_bytes_total: counter(['door'], 'Bytes of response bodies sent.'),
  errors_total: counter(['code'], 'Answers that the gateway itself gave as an error, by GW_… code.'),
  upstream_request_duration_seconds: histogram(
    ['queue', 'route', 'method'],
    CALL_BUCKETS,
    'Calls to vovserver, from sending to the last byte.',
  ),
  upstream_requests_total: counter(
    ['queue', 'route', 'method', 'result'],
    'Calls to vovserver by HTTP status, or by why there was none (connect, tls, timeout, reset, invalid, …).',
  ),
  upstream_connections: gauge(['queue'], 'Open connections to vovserver.'),
  upstream_circuit_open: gauge(
    ['queue'],
    '1 while all calls to the queue are stopped because vovserver does not answer, else 0.',
  ),
  upstream_tls_level: gauge(['queue'], 'Towards vovserver: 1 plain HTTP, 2 TLS without verified identity, 3 verified.'),
  upstream_certificate_expiry_timestamp_seconds: gauge(
    ['queue'],
    'When the certificate of vovserver ends, seconds since the epoch.',
  ),
  upstream_certificate_remaining_seconds: gauge(
    ['queue'],
    'Seconds until the certificate of vovserver ends; divide by 86400 for days.',
  ),
  jwt_logins_total: counter(['queue', 'reason', 'result'], 'Logins at vovserver by the broker.'),
  jwt_login_duration_seconds: histogram(['queue'], CALL_BUCKETS, 'Logins at vovserver.'),
  jwt_lookups_total: counter(['queue', 'found'], 'Where a JWT came from when a call needed one: memory, store, login.'),
  jwt_min_seconds_to_expiry: gauge(['queue'], 'Smallest rest of life of a cached JWT of an active account.'),
  jwt_cached: gauge(['queue'], 'JWTs in the memory of this replica.'),
  limit_decisions_total: counter(
    ['policy', 'class', 'decision', 'source'],
    'Decisions of the rate limits; source: store, lease, or local while the store is away.',
  ),
  turn_wait_seconds: histogram(['queue', 'lane'], CALL_BUCKETS, 'Time that calls waited for their turn.'),
  turns_total: counter(
    ['queue', 'lane', 'result'],
    'Turns: given, full (queue), late (no turn in time), gone (caller).',
  ),
  lane_limit: gauge(['queue', 'lane'], 'Calls to vovserver that may be under way at once, over all replicas.'),
  lane_in_flight: gauge(['queue', 'lane'], 'Calls under way.'),
  lane_waiting: gauge(['queue', 'lane'], 'Calls that wait for their turn.'),
  coalesced_total: counter(
    ['queue', 'route', 'how'],
    'Reads answered: own (a call each), shared or cached (saved a call), too_large.',
  ),
  upstream_retries_total: counter(
    ['queue', 'result'],
    'Calls that were to be sent again to vovserver: sent, or refused by the retry budget.',
  ),
  submissions_total: counter(
    ['queue', 'what'],
    'Submissions with a key or an unknown outcome, by what became of them.',
  ),
  policy_decisions_total: counter(
    ['queue', 'rule', 'decision'],
    'Submissions, changes and orders that broke a rule of jobs.policy: deny, or would_deny (mode: observe); no dry runs.',
  ),
  maintenance: gauge(['queue'], '1 while submissions to the queue are frozen, else 0.'),
  job_watchers: gauge(['queue', 'how'], 'Clients that wait for jobs: wait (a call with ?wait=) or stream (events).'),
  job_watch_calls_total: counter(
    ['queue', 'what', 'result'],
    'Calls to vovserver for those who wait: all (jobs of an account) or job (single ones); ok or failed.',
  ),
  auth_attempts_total: counter(['door', 'result'], 'Presented credentials: ok, failed, blocked.'),
  sign_ins_total: counter(
    ['provider', 'method', 'result'],
    'Sign-ins: ok, failed (protocol), denied (rules), conflict.',
  ),
  credential_events_total: counter(['what'], 'What happened to sessions, access tokens and enrolled passwords.'),
  provider_ready: gauge(['provider'], '1 while what an identity provider needs (metadata, keys) is at hand, else 0.'),
  store_up: gauge([], '1 while the shared store answers, else 0.'),
  store_command_duration_seconds: histogram(['command'], STORE_BUCKETS, 'Commands to the shared store.'),
  store_errors_total: counter(['command'], 'Commands to the shared store that failed or timed out.'),
  config_last_reload_successful: gauge([], '1 when the last reading of the configuration was accepted, else 0.'),
  config_last_reload_success_timestamp_seconds: gauge(
    [],
    'When a configuration was last accepted, seconds since the epoch.',
  ),
  event_loop_delay_seconds: {
    type: 'summary',
    labels: [],
    help: 'How late the event loop was since the last scrape; quantile 1 is the maximum.',
  },
  log_lines_lost_total: counter([], 'Log lines that could not be written to standard output.'),
  build_info: gauge(['version', 'revision', 'node'], 'Always 1; the labels say what runs.'),
} satisfies Record<string, Row>;

/** Name of a metric without its prefix. */
export type MetricKey = keyof typeof ROWS;

/** The description of one metric with its full name. */
export function describe(key: MetricKey): MetricDescription {
  return { name: `${PREFIX}${key}`, ...ROWS[key] };
}

/** The gateway's own metrics in the order in which they are exposed. */
export function describeMetrics(): MetricDescription[] {
  return (Object.keys(ROWS) as MetricKey[]).map(describe);
}
