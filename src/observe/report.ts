import type { RouteClass } from '../kernel/index.ts';

/** Which door of the gateway a request came through; a bounded metric label. */
export type Door = 'api' | 'token' | 'login' | 'callback' | 'portal' | 'oauth' | 'vendor' | 'admin' | 'other';

/** One finished request, as log line and metrics need it. Optional fields are absent when not known. */
export interface RequestRecord {
  readonly door: Door;
  readonly requestId: string;
  readonly traceparent: string;
  readonly method: string;
  /** Template of the route, `other` or `none`; never the path itself. */
  readonly route: string;
  /** Path without query, cut and with control characters neutralised, for the log only. */
  readonly path: string;
  readonly status: number;
  /** `GW_…` when the gateway itself answered with an error. */
  readonly code?: string | undefined;
  readonly internal?: string | undefined;
  readonly seconds: number;
  readonly upstreamSeconds?: number | undefined;
  readonly bytesOut: number;
  readonly address: string;
  readonly queue?: string | undefined;
  readonly user?: string | undefined;
  readonly account?: string | undefined;
  readonly tokenId?: string | undefined;
  readonly tokenLabel?: string | undefined;
  /** True when the caller went away or its connection was cut before the answer was complete. */
  readonly aborted: boolean;
}

/** One call to vovserver. */
export interface UpstreamRecord {
  readonly queue: string;
  readonly route: string;
  readonly method: string;
  /** Status of vovserver, or why there was none. */
  readonly result: number | 'connect' | 'tls' | 'timeout' | 'reset' | 'invalid' | 'aborted' | 'wrong_queue';
  readonly seconds: number;
}

/** One login at vovserver by the broker. */
export interface LoginRecord {
  readonly queue: string;
  readonly account: string;
  readonly reason: 'first' | 'renewal' | 'rejected_jwt';
  readonly result: 'ok' | 'rejected' | 'failed' | 'no_password';
  readonly seconds: number;
  /** Why it failed, for the log. */
  readonly detail?: string;
}

/** One sign-in of a person at an identity provider, or a bearer token that was checked for the first time. */
export interface SignInRecord {
  /** Name of the provider in the configuration. */
  readonly provider: string;
  readonly method: 'saml' | 'oidc' | 'bearer' | 'device';
  /** `failed`: the protocol's checks; `denied`: the rules; `conflict`: the name is another's. */
  readonly result: 'ok' | 'failed' | 'denied' | 'conflict';
  /** Why not, for the log only. */
  readonly reason?: string;
  readonly user?: string;
  readonly subject?: string;
  readonly address: string;
  readonly requestId: string;
}

/** Something that happened to a credential of a person. */
export interface CredentialEvent {
  readonly what:
    | 'session_opened'
    | 'session_ended'
    | 'token_created'
    | 'token_revoked'
    | 'device_approved'
    | 'device_denied'
    | 'password_enrolled'
    | 'password_rejected'
    | 'password_removed';
  readonly user: string;
  readonly subject: string;
  /** Public id of the session or token; the vovserver account of a password. */
  readonly id: string;
  readonly reason?: string;
  readonly address?: string;
  readonly requestId?: string;
}

/** Certificate of a vovserver as last seen. */
export interface CertificateRecord {
  readonly queue: string;
  readonly host: string;
  /** 1 plain HTTP, 2 TLS without verified identity, 3 verified (authority or pin). */
  readonly level: 1 | 2 | 3;
  /** Milliseconds since the epoch; null for plain HTTP. */
  readonly notAfter: number | null;
  readonly pin: string | null;
}

/**
 * Everything that the rooms tell: one call for each event feeds log and metrics together. No call throws.
 * Identities go into the log only, never into a metric label.
 */
export interface Report {
  readonly log: Logger;
  requestStarted(door: Door): void;
  requestEnded(record: RequestRecord): void;
  upstream(record: UpstreamRecord): void;
  upstreamConnections(queue: string, open: number): void;
  /** Whether calls to a queue are stopped because vovserver does not answer. */
  upstreamCircuit(queue: string, open: boolean): void;
  certificate(record: CertificateRecord): void;
  /** Where a JWT came from when a call needed one. */
  jwtLookup(queue: string, found: 'memory' | 'store' | 'login'): void;
  login(record: LoginRecord): void;
  /** Smallest seconds until a cached JWT of an active account ends; null when there is none. */
  jwtExpiry(queue: string, seconds: number | null, cached: number): void;
  limit(
    policy: string,
    cls: RouteClass | 'any',
    decision: 'allowed' | 'denied' | 'would_deny',
    source: 'store' | 'lease' | 'local',
  ): void;
  /** A turn that was given, or why not; seconds that it was waited for. */
  turn(queue: string, lane: string, result: 'given' | 'full' | 'late' | 'gone', seconds: number): void;
  /** How a lane stands. */
  lane(queue: string, lane: string, limit: number, inFlight: number, waiting: number): void;
  /** One read answered: by a call of its own, or by an answer that others got too, or by a stored one. */
  coalesced(queue: string, route: string, how: 'own' | 'shared' | 'cached' | 'too_large'): void;
  /** A call was to be sent again, and was or was not. */
  retry(queue: string, result: 'sent' | 'refused'): void;
  /** What became of a submission with an Idempotency-Key, or of one whose outcome was not known. */
  submission(queue: string, what: 'first' | 'replayed' | 'in_progress' | 'reused' | 'unknown' | 'adopted'): void;
  /** What a rule of `jobs.policy` that was broken came to; dry runs are not counted. */
  policyDecision(queue: string, rule: string, decision: 'deny' | 'would_deny'): void;
  /** How many clients wait for jobs on a queue. */
  jobWatchers(queue: string, how: 'wait' | 'stream', count: number): void;
  /** The watcher asked vovserver, for all jobs of an account or for single ones. */
  jobWatchCall(queue: string, what: 'all' | 'job', ok: boolean): void;
  /** Whether submissions to a queue are frozen. */
  maintenance(queue: string, frozen: boolean): void;
  attempt(result: 'ok' | 'failed' | 'blocked', door: Door): void;
  signIn(record: SignInRecord): void;
  credential(event: CredentialEvent): void;
  /** Whether what a provider needs (metadata, keys, discovery) is at hand. */
  providerReady(provider: string, ready: boolean): void;
  store(state: 'up' | 'down', reason: string): void;
  storeCommand(command: string, seconds: number, ok: boolean): void;
  configReload(ok: boolean): void;
}

/** The log, as the rooms see it: a message and fields from the documented list. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** Fields that may appear in the log. Anything else does not get there: the list is the redaction. */
export interface LogFields {
  readonly event?: string;
  readonly queue?: string;
  readonly account?: string;
  readonly user?: string;
  readonly subject?: string;
  readonly provider?: string;
  readonly token_id?: string;
  readonly session_id?: string;
  readonly request_id?: string;
  readonly address?: string;
  readonly host?: string;
  readonly port?: number;
  readonly file?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly seconds?: number;
  readonly count?: number;
  readonly dry_run?: boolean;
  readonly level_tls?: number;
  readonly version?: string;
  readonly error?: unknown;
}
