/** The class of a route: what it costs vovserver and which scope it needs. */
export type RouteClass = 'read' | 'list' | 'submit' | 'control' | 'login';

/** What an access token may do. `read` covers the classes read and list. */
export const SCOPES = ['read', 'submit', 'control'] as const;
export type TokenScope = (typeof SCOPES)[number];

/** What an identity may do beside its own affairs: an operator sees whose job is whose, an admin also ends others' tokens. */
export const ROLES = ['user', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** What a job is doing, in words that stay the same whatever vovserver calls it. */
export const JOB_STATES = [
  'idle',
  'queued',
  'running',
  'suspended',
  'sleeping',
  'withdrawn',
  'done',
  'failed',
  'forgotten',
  'unknown',
] as const;
export type JobState = (typeof JOB_STATES)[number];

/** A person or program as the gateway knows it, whatever the way of signing in. */
export interface Identity {
  /** Immutable and unique over all ways of signing in: `local:alice`, or `<realm>:<subject>` from an identity provider. */
  readonly subject: string;
  /** The user name in the company's terms; shown to people, input of the account rules. */
  readonly user: string;
  readonly groups: readonly string[];
  readonly roles: readonly Role[];
  /** Name of the identity provider in the configuration; null: the administrator vouches (`local:`). */
  readonly provider: string | null;
  /** Attributes that the account rules look at, by name; empty for `local:`. */
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  /**
   * Personal vovserver accounts that were bound to this subject at its last sign-in, by queue; null for `local:`, where
   * the administrator vouches. A rule that gives another personal account later takes effect at the next sign-in only.
   */
  readonly bound: Readonly<Record<string, string>> | null;
}

/** A vovserver account on one queue: whom vovserver will see. */
export interface Account {
  readonly queue: string;
  /** The user name that vovserver knows. */
  readonly name: string;
  /** True when several identities use it. */
  readonly shared: boolean;
}

/** What is known of a request before anything is decided about it. */
export interface RequestMeta {
  /** 8 to 128 characters of `[A-Za-z0-9_-.]`; validated from X-Request-Id or made anew. */
  readonly requestId: string;
  /** W3C traceparent, validated or made anew. */
  readonly traceparent: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The caller's IP address, through trusted proxies only. */
  readonly address: string;
  readonly method: string;
  /** The request target exactly as it was received. */
  readonly target: string;
}
