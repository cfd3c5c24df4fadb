import type { Identity, Secret, TokenScope } from '../kernel/index.ts';

/** Who is calling, and with what. */
export interface Caller {
  readonly identity: Identity;
  readonly scopes: ReadonlySet<TokenScope>;
  readonly tokenId: string;
  readonly tokenLabel: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** An access token as people may see it; the secret is never part of it. */
export interface AccessTokenInfo {
  readonly id: string;
  readonly subject: string;
  readonly user: string;
  readonly label: string;
  readonly scopes: readonly TokenScope[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly lastUsedAt: number | null;
  /** Id of the token that it was derived from by the vendor's token endpoint, else null. */
  readonly parent: string | null;
}

/** What a new access token needs. */
export interface NewAccessToken {
  readonly user: string;
  readonly label: string;
  readonly scopes: readonly TokenScope[];
  /** Milliseconds; undefined takes the configured default. Above the maximum it is a fault. */
  readonly lifeMs?: number;
}

/** A new token with its text, which is shown this once. */
export interface DerivedToken {
  readonly token: Secret;
  readonly info: AccessTokenInfo;
}

/** Access tokens: shown once, stored as a keyed hash. */
export interface AccessTokens extends AsyncDisposable {
  create(wanted: NewAccessToken): Promise<DerivedToken>;
  /** All tokens, or those of one user. */
  list(user?: string): Promise<AccessTokenInfo[]>;
  /** Ends a token and what was derived from it, on all replicas within 1 s. False when there is none. */
  revoke(id: string): Promise<boolean>;
  /**
   * A token of the vendor's token endpoint: with the scopes and label of its parent, ending with it at the latest. Without
   * a parent (a vovserver password was exchanged) it has all scopes.
   */
  derive(parent: Caller | null, user: string, lifeMs: number): Promise<DerivedToken>;
  /** The caller of a token that was found right before, asked anew when that is a second ago; null for any other token. */
  recall(token: string): Caller | Promise<Caller> | null;
  /** Synchronous while the token was seen in the last second. Throws GatewayError GW_UNAUTHENTICATED or GW_STORE_UNAVAILABLE. */
  authenticate(token: string): Caller | Promise<Caller>;
}

/** The caller's credential as read from a request. */
export interface PresentedCredential {
  readonly scheme: 'bearer' | 'basic';
  /** User name of Basic, else null. When present it must be the owner's user name. */
  readonly username: string | null;
  readonly token: string;
}
