import type { Account, Secret } from '../kernel/index.ts';
import type { Credential, UpstreamToken } from '../upstream/index.ts';

/** A password for a vovserver account. */
export interface Password {
  readonly secret: Secret;
  /** Changes when the secret changes; reveals nothing of it. Decides whether a rejected password may be tried again. */
  readonly version: string;
  /** For a source whose passwords people take back: false when this one no longer holds. Asked right before a login. */
  readonly isCurrent?: () => Promise<boolean>;
}

/** Where vovserver passwords come from. Adapters: file, exec, shared, enrolled. */
export interface CredentialSource extends AsyncDisposable {
  readonly name: string;
  /** Null when this source does not know the account. Throws when it cannot tell. */
  find(account: Account): Promise<Password | null>;
}

/** Brokers one valid vovserver JWT per queue, epoch and account, over all replicas. */
export interface Broker extends AsyncDisposable {
  credentialFor(account: Account): Credential;
  /**
   * Takes a JWT that a caller's own password bought (source `passthrough`) into the cache until it ends;
   * no password is kept.
   */
  adopt(account: Account, token: UpstreamToken): Promise<void>;
  /** Forgets the JWT of an account on all replicas. */
  drop(account: Account): Promise<void>;
  /** How an account stands, without a login. Never throws: what cannot be known is `unknown`. */
  stateOf(account: Account): Promise<AccountState>;
}

/** How a vovserver account stands at the gateway. */
export type AccountState =
  /** A JWT is at hand until then (milliseconds since the epoch). */
  | { readonly kind: 'signed-in'; readonly until: number }
  /** A password is at hand, and will be used with the next call. */
  | { readonly kind: 'ready' }
  /** vovserver rejected the password; it is not tried again before then. */
  | { readonly kind: 'rejected'; readonly until: number }
  | { readonly kind: 'no-password' }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Who gave or took back a password, for log and audit. */
export interface EnrolmentActor {
  readonly user: string;
  readonly subject: string;
  readonly address?: string;
  readonly requestId?: string;
}

/** vovserver passwords that people gave the gateway themselves (source `enrolled`), sealed in the store. */
export interface Enrolments {
  /** Whether the configuration lets people of this queue enrol. */
  isOpen(queue: string): boolean;
  /**
   * Tries the password at vovserver once and keeps it when it was accepted; the JWT it bought is used at once. `wait` when
   * the account was refused a moment ago (whole seconds). Throws GW_STORE_UNAVAILABLE, GW_UPSTREAM_…, GW_BAD_BODY for
   * text that is no password, GW_NO_ACCOUNT for a shared account, GW_NOT_FOUND where it is not open.
   */
  enrol(
    account: Account,
    password: Secret,
    by?: EnrolmentActor,
  ): Promise<
    { readonly kind: 'accepted' } | { readonly kind: 'rejected' } | { readonly kind: 'wait'; readonly seconds: number }
  >;
  /** Forgets password and JWT on all replicas; false when there was none. Throws GW_STORE_UNAVAILABLE. */
  remove(account: Account, by?: EnrolmentActor): Promise<boolean>;
  /** When the password was given, milliseconds since the epoch; null when there is none. Throws GW_STORE_UNAVAILABLE. */
  enrolledAt(account: Account): Promise<number | null>;
}
