import type { Account, Secret } from '../kernel/index.ts';
import type { Credential, UpstreamToken } from '../upstream/index.ts';

/** A password for a vovserver account. */
export interface Password {
  readonly secret: Secret;
  /** Changes when the secret changes; reveals nothing of it. Decides whether a rejected password may be tried again. */
  readonly version: string;
}

/** Where vovserver passwords come from. Adapters: file, exec, shared. */
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
}
