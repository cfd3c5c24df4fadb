import type { Identity, Secret, TokenScope } from '../kernel/index.ts';

/** Who is calling, and with what. */
export interface Caller {
  readonly by: 'token' | 'session' | 'bearer';
  readonly identity: Identity;
  readonly scopes: ReadonlySet<TokenScope>;
  /** Public id of the access token or session, or a digest of the bearer token. */
  readonly tokenId: string;
  readonly tokenLabel: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** The only queue on which the token holds; null: every queue. */
  readonly queue: string | null;
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

/** A page of a list of tokens. */
export interface AccessTokenPage {
  readonly tokens: readonly AccessTokenInfo[];
  /** At least 1. */
  readonly pages: number;
  /** Derived tokens of these that are not listed. */
  readonly more: number;
}

/** What a new access token needs. */
export interface NewAccessToken {
  readonly user: string;
  /** Subject of the person whose token it is; undefined: the administrator vouches (`local:<user>`). */
  readonly subject?: string;
  readonly label: string;
  readonly scopes: readonly TokenScope[];
  /** Milliseconds; undefined takes the configured default. Above the maximum it is a fault. */
  readonly lifeMs?: number;
}

/** Access tokens: shown once, stored as a keyed hash. */
export interface AccessTokens extends AsyncDisposable {
  /** Throws GW_BAD_REQUEST for a wish that cannot be met or a subject with 200 live tokens, GW_STORE_UNAVAILABLE. */
  create(wanted: NewAccessToken): Promise<{ readonly token: Secret; readonly info: AccessTokenInfo }>;
  /** All tokens, or those of one user name or of one person's subject. */
  list(owner?: string): Promise<AccessTokenInfo[]>;
  /** A part of that list, from page 0: made tokens, the latest first, with their latest derived ones. Reads no other record. */
  page(at: number, size: number, owner?: string): Promise<AccessTokenPage>;
  /** The token with this public id; null when there is none. */
  find(id: string): Promise<AccessTokenInfo | null>;
  /** Ends a token and what was derived from it, on all replicas within 1 s. False when there is none. */
  revoke(id: string): Promise<boolean>;
  /** The token that this text is, without using it; null when it is no valid token. Throws GW_STORE_UNAVAILABLE. */
  inspect(token: string): Promise<AccessTokenInfo | null>;
  /** Synchronous while the token was seen in the last second. Throws GatewayError GW_UNAUTHENTICATED or GW_STORE_UNAVAILABLE. */
  authenticate(token: string): Caller | Promise<Caller>;
  /**
   * As `authenticate`, for a token that this process has proven before: at once while seen in the last second, by asking
   * the store again when older. Null when it is not known here; then nothing was looked up.
   */
  recall(token: string): Caller | Promise<Caller> | null;
  /**
   * Derives a token of at most `lifeMs` from an administrator-made one, whose end it never outlives. Throws
   * GW_UNAUTHENTICATED with one text and the same work for every reason, GW_STORE_UNAVAILABLE.
   */
  derive(token: string, isOwner: (identity: Identity) => boolean, lifeMs: number): Promise<Granted>;
  /**
   * A token without a parent and with all scopes, for a user whom vovserver of this queue let in; it holds nowhere else.
   * Throws GW_STORE_UNAVAILABLE.
   */
  admit(user: string, queue: string, lifeMs: number): Promise<Granted>;
}

/** A token of the vendor's token endpoint. */
export interface Granted {
  readonly token: Secret;
  readonly caller: Caller;
}

/** The caller's credential as read from a request. */
export interface PresentedCredential {
  readonly scheme: 'bearer' | 'basic';
  /** User name of Basic, else null. When present it must be the owner's user name. */
  readonly username: string | null;
  readonly token: string;
}
