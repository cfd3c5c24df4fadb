import type { Identity, RouteClass } from '../kernel/index.ts';

/** One policy that a call was measured against, for the RateLimit headers. */
export interface PolicyState {
  /** Name in RateLimit-Policy, for example `identity` or `identity-submit`. */
  readonly name: string;
  /** Quota, window in seconds, remaining, seconds until the quota is whole again. */
  readonly quota: number;
  readonly windowSeconds: number;
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** Whether a call may go. */
export interface Admission {
  readonly allowed: boolean;
  /** The policies, most restrictive first. */
  readonly policies: readonly PolicyState[];
  /** Whole seconds until a retry can succeed; 0 when allowed. */
  readonly retryAfter: number;
}

/** A sign-in that may be tried or not. */
export interface Attempt {
  readonly admission: Admission;
  /** Called once when it ended: a failed one stays charged, any other is given back. Does nothing when not admitted. */
  settle(failed: boolean): Promise<void>;
}

/** The lanes of a queue, the most urgent first. Each has turns of its own; `login` is the broker's own affair. */
export type Lane = 'control' | 'submit' | 'read' | 'list';

/** Who asks for a turn, and for what. */
export interface TurnAsk {
  readonly queue: string;
  readonly lane: Lane;
  /** Subject of the identity; turns are shared fairly between identities, then between the tokens of one. */
  readonly identity: string;
  readonly token: string;
  /** The vovserver account whose connections it needs; default: one of the identity's own. */
  readonly account?: string;
  /** Template of the route: what a turn costs is learnt by route. */
  readonly route: string;
  /** Milliseconds to wait at most; null: as configured. */
  readonly waitMs: number | null;
  /** Tells that the caller went away: then the ask leaves the queue. */
  readonly signal: {
    readonly aborted: boolean;
    addEventListener(type: 'abort', listener: { handleEvent(event: Event): void }): void;
    removeEventListener(type: 'abort', listener: { handleEvent(event: Event): void }): void;
  };
}

/** A turn; `done` gives it back, once. `ok` false: vovserver did not answer well, so its time tells what the
 * caller cost but not how fast vovserver is; null: it tells nothing of vovserver, because the caller left or nothing went,
 * and then `seconds` is NaN. */
export interface HeldTurn {
  done(result: { readonly ok: boolean | null; readonly seconds: number }): void;
}

/** How a lane stands, for metrics and readiness. */
export interface LaneState {
  readonly queue: string;
  readonly lane: Lane;
  /** This replica's share of the limit, and the limit over all replicas. */
  readonly share: number;
  readonly limit: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/** Turns towards vovserver: who is next, and how many at once. */
export interface Turns extends AsyncDisposable {
  /**
   * Synchronous when there is room. Throws GW_SATURATED with a jittered Retry-After when the queue is full or none came
   * free in time; rejects with the same when the caller went away.
   */
  take(ask: TurnAsk): HeldTurn | Promise<HeldTurn>;
  state(): readonly LaneState[];
}

/** Rate limits over all replicas. Nothing here throws: with the store away each replica enforces its share. */
export interface Limiter extends AsyncDisposable {
  /** By address, before anything else is looked at. */
  admitAddress(address: string): Admission | Promise<Admission>;
  /** By identity and class of the route. Synchronous while a lease of the identity is at hand. */
  admitIdentity(identity: Identity, cls: RouteClass): Admission | Promise<Admission>;
  /** What is left of the limits of an identity, for its owner to see; takes nothing. Empty when there are none. */
  peek(identity: Identity): Promise<readonly PolicyState[]>;
  /**
   * Charges a sign-in to address and token id before it is tried. Enforced whatever `limits.mode` says: this is no quota
   * but what stops guessing.
   */
  beginAttempt(address: string, tokenId: string | null): Promise<Attempt>;
}
