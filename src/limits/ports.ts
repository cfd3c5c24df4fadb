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

/** Rate limits over all replicas. Nothing here throws: with the store away each replica enforces its share. */
export interface Limiter extends AsyncDisposable {
  /** By address, before anything else is looked at. */
  admitAddress(address: string): Admission | Promise<Admission>;
  /** By identity and class of the route. Synchronous while a lease of the identity is at hand. */
  admitIdentity(identity: Identity, cls: RouteClass): Admission | Promise<Admission>;
  /** Whether a sign-in may be tried from this address and for this token id. Takes nothing. */
  mayAttempt(address: string, tokenId: string | null): Promise<Admission>;
  /** Takes one failed attempt from address and token id. */
  attemptFailed(address: string, tokenId: string | null): Promise<void>;
}
