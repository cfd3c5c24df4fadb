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
