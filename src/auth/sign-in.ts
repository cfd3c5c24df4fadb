import type { Assertion } from '../identity/index.ts';
import type { Account, Identity, TokenScope, WebAnswer, WebRequest } from '../kernel/index.ts';
import type { Caller } from './ports.ts';

/** Where a browser is sent next: by redirect, or by a form that it posts to another site. */
export type SendAway =
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'post'; readonly action: string; readonly fields: Readonly<Record<string, string>> };

/** What a provider needs to end the session there too; kept with the session. */
export interface ProviderSession {
  /**
   * Names the session at the provider as single logout will name it: one key for each way (session index, sid, subject).
   * A logout message with any of them ends the session.
   */
  readonly keys: readonly string[];
  /** What the provider's own logout needs (NameID, session index, ID token), as the provider's code wrote it. */
  readonly hint: string;
}

/** A sign-in that passed every check of its protocol. */
export interface SignedIn {
  readonly assertion: Assertion;
  readonly providerSession: ProviderSession;
  /** Path at the gateway to go on to; checked by {@link Flows}. */
  readonly returnTo: string;
  /** When the provider wants the session to end, milliseconds since the epoch; null: it does not say. */
  readonly until: number | null;
  /** Public id of the session that this browser had when it began; see {@link Flow}. */
  readonly before?: string;
}

/** What a single-logout message at the provider's logout endpoint led to. */
export interface LogoutOutcome {
  /** Keys of the sessions to end, as in {@link ProviderSession}. Empty for the answer to our own logout. */
  readonly ended: readonly string[];
  readonly answer: SendAway | WebAnswer;
}

/**
 * One identity provider. Every refusal is a GatewayError GW_SIGN_IN_FAILED with one public text and the reason as
 * `internal`; GW_PROVIDER_UNAVAILABLE when the provider cannot be reached; GW_STORE_UNAVAILABLE.
 */
export interface Provider extends AsyncDisposable {
  readonly name: string;
  readonly label: string;
  readonly type: 'saml' | 'oidc';
  /** Begins a sign-in of this browser. */
  begin(request: WebRequest, returnTo: string): Promise<SendAway & { readonly flow: FlowStart }>;
  /** Takes the provider's answer (SAML ACS, OIDC callback). */
  finish(request: WebRequest): Promise<SignedIn>;
  /** Where to send a browser whose session here has ended, so that it ends there too; null when the provider has no logout. */
  logout(session: Session): Promise<SendAway | null>;
  /**
   * Takes a single-logout message: SAML request or response at /saml/<name>/slo, OIDC back-channel token. `endSessions` is
   * awaited before the answer is given, so that no success is told of a session that still lives.
   */
  takeLogout(request: WebRequest, endSessions: (keys: readonly string[]) => Promise<void>): Promise<LogoutOutcome>;
  /** SP metadata for SAML; null for OIDC. */
  metadata(): Promise<string> | null;
  /** Ready when metadata, keys or discovery are at hand; the reason when not. Touches no network. */
  state(): { readonly ready: boolean; readonly reason: string | null };
}

/** One sign-in under way, kept sealed by its browser so that any replica may take the callback. */
export interface Flow {
  readonly provider: string;
  readonly returnTo: string;
  /** What the protocol must find again: request id, nonce, code verifier, … */
  readonly facts: Readonly<Record<string, string>>;
  /** Set by {@link Flows}: public id of the session that the browser had, since a cross-site POST does not carry its cookie. */
  readonly session?: string;
}

/** A started flow: `state` travels through the provider (state, RelayState), `cookie` binds it to this browser. */
export interface FlowStart {
  readonly state: string;
  /** Value for the flow cookie {@link FLOW_COOKIE}: this flow and the newest others of the browser, sealed. */
  readonly cookie: string;
}

/** Sign-ins under way. Nothing is stored for who only starts one. Every call may throw GW_STORE_UNAVAILABLE. */
export interface Flows {
  /**
   * Starts one. The new flow cookie holds the newest flows of the one that came along, so that two tabs do not spoil each
   * other. A `returnTo` that is no path of the gateway, or too long for a cookie, becomes `/ui/`.
   */
  start(request: WebRequest, flow: Flow): Promise<FlowStart>;
  /**
   * Takes the flow of a callback away, once over all replicas: null when there is none, it is over, it belongs to another
   * provider, or the browser is another one. A callback of another browser does not take it from its owner.
   */
  take(request: WebRequest, state: string, provider: string): Promise<Flow | null>;
}

/** What was used once must not come again: assertion ids, `jti` of logout tokens. */
export interface UsedOnce {
  /** True the first time within `lifeMs`, over all replicas and restarts. Throws GW_STORE_UNAVAILABLE. */
  first(kind: string, id: string, lifeMs: number): Promise<boolean>;
  /**
   * Does `work`, unless it was done before within `lifeMs`; false then. Work that fails, on any replica, is left to be done;
   * of two at the same time both may do it. Throws what `work` throws, GW_STORE_UNAVAILABLE.
   */
  complete(kind: string, id: string, lifeMs: number, work: () => Promise<void>): Promise<boolean>;
  /** Notes a short text that is no secret, for all replicas. Throws GW_STORE_UNAVAILABLE. */
  note(kind: string, id: string, text: string, lifeMs: number): Promise<void>;
  /** What was noted last within its life, or null. Throws GW_STORE_UNAVAILABLE. */
  noted(kind: string, id: string): Promise<string | null>;
}

/** A session of a browser. */
export interface Session {
  /** Public id: names it in lists and logs, and is of no use as a cookie. */
  readonly id: string;
  readonly identity: Identity;
  readonly provider: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Absolute end; an idle end comes sooner. */
  readonly expiresAt: number;
  /** Token that every form of this session carries in the field `csrf`. */
  readonly csrf: string;
  readonly providerSession: ProviderSession;
}

/** A session as its owner may see it in the list. */
export interface SessionInfo {
  readonly id: string;
  readonly provider: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly expiresAt: number;
  readonly address: string;
  readonly userAgent: string;
}

/** Sessions of browsers: in the key-value store, sealed by the gateway's key and by the cookie's own secret. */
export interface Sessions extends AsyncDisposable {
  /**
   * Opens one under a new id, ends those that the request came with and that its sign-in began with; the cookie goes to the
   * browser. `replacedOther`: one of them was another subject's.
   */
  open(
    request: WebRequest,
    signedIn: SignedIn,
    identity: Identity,
  ): Promise<{ readonly cookie: string; readonly session: Session; readonly replacedOther?: boolean }>;
  /**
   * Synchronous while it was seen in the last second. Null for a cookie that opens nothing. With the store away: those seen
   * in the last 60 s, others GW_STORE_UNAVAILABLE.
   */
  find(cookie: string): Session | null | Promise<Session | null>;
  /** Ends a session on all replicas within 1 s; false when there is none. Throws GW_STORE_UNAVAILABLE. */
  end(id: string): Promise<boolean>;
  /** Ends the sessions of a provider that carry one of these keys; gives how many. */
  endByProvider(provider: string, keys: readonly string[]): Promise<number>;
  list(subject: string): Promise<SessionInfo[]>;
  /** Ends all sessions of a subject but one (null: all); gives how many. */
  endOthers(subject: string, keep: string | null): Promise<number>;
}

/** Names of the cookies, without the `__Host-` prefix. */
export const SESSION_COOKIE = 'vovgw';
export const FLOW_COOKIE = 'vovgw-flow';

/** People who signed in: their identity as of the last sign-in, and which names and accounts are theirs. */
export interface People {
  /**
   * Turns an assertion into an identity, binds its user name and its personal accounts to its subject, and remembers it
   * for its access tokens. Throws GW_SIGN_IN_DENIED, GW_IDENTITY_CONFLICT, GW_STORE_UNAVAILABLE.
   */
  admit(assertion: Assertion): Promise<Identity>;
  /** The identity of a subject as of its last sign-in, its roles and rules as of now; null when unknown or removed. */
  find(subject: string): Promise<Identity | null>;
  /** Whether something is kept of a subject that cannot be opened here: another key sealed it, or it was tampered with. */
  isUnreadable?(subject: string): Promise<boolean>;
  bindings(): Promise<Binding[]>;
  /**
   * Frees a user name and the accounts bound with it. When it is the present name of a person, they are forgotten with all
   * their names: sessions and tokens end. Whose it was; nobody's: empty.
   */
  release(user: string): Promise<readonly Released[]>;
  /**
   * Hands a user name over in one step, with the accounts bound with it, to a subject that may have to sign in yet; at no
   * time is it free. Otherwise as `release`. Throws GW_BAD_REQUEST for a subject of no provider's realm.
   */
  give(user: string, subject: string): Promise<readonly Released[]>;
}

/** What a subject had until its user name was freed. */
export interface Released {
  /** Null when what was kept of them could not be read. */
  readonly subject: string | null;
  readonly users: readonly string[];
  readonly accounts: readonly Account[];
  /** True when the person is forgotten, false when only a former name was freed. */
  readonly forgotten: boolean;
}

/** Whose a user name is. */
export interface Binding {
  readonly user: string;
  readonly subject: string;
  /** Personal vovserver accounts by queue. */
  readonly accounts: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** 0: never; the administrator keeps the name for the subject. */
  readonly lastSignInAt: number;
  /** Present for a name, or accounts, that the subject had before and that stay theirs. */
  readonly former?: true;
  /** Subjects whose records name the same user name or account; something was lost from the store. */
  readonly alsoOf?: readonly string[];
}

/** Access tokens of the company's identity provider. */
export interface Bearers extends AsyncDisposable {
  /**
   * The caller of a token that is not the gateway's own. Synchronous while it was checked in the last seconds. Throws
   * GW_UNAUTHENTICATED with one text and the reason as `internal`, GW_PROVIDER_UNAVAILABLE, and what {@link People} throws.
   * `from` goes into the report of a token's first use.
   */
  authenticate(token: string, from?: Pick<WebRequest, 'address' | 'requestId'>): Caller | Promise<Caller>;
}

/** A device authorization as the approving person sees it. */
export interface DeviceRequest {
  readonly userCode: string;
  readonly scopes: readonly TokenScope[];
  /** Host name as the program gave it, cleaned; and the address it asked from. */
  readonly host: string;
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly askedAt: number;
  readonly expiresAt: number;
}

/** The approving side of RFC 8628. Every call may throw GW_STORE_UNAVAILABLE. */
export interface DeviceApprovals {
  /**
   * Null for an unknown, used or expired code. A wrong code is charged to `by`, else to all unnamed callers together; throws
   * GW_LOGIN_LIMITED.
   */
  find(userCode: string, by?: Pick<Identity, 'subject'>): Promise<DeviceRequest | null>;
  /** False when the code was used or ended meanwhile. A wrong code is charged to `identity`. */
  decide(userCode: string, decision: 'approve' | 'deny', identity: Identity): Promise<boolean>;
}

/** Who sent a request to a {@link WebRoute}; what the route did not ask for is null. */
export interface Visitor {
  readonly session: Session | null;
  readonly caller: Caller | null;
  /** Finds out again who it is, for answers that take long; throws GatewayError when the credential has ended. */
  readonly again?: () => Promise<Caller | null>;
}

/** One page or endpoint of the gateway itself; the server mounts it in Express behind the steps of its door. */
export interface WebRoute {
  readonly method: 'GET' | 'POST';
  /** Express path with `:name` segments; also the bounded label of metrics. */
  readonly path: string;
  readonly door: 'login' | 'callback' | 'portal' | 'oauth' | 'vendor';
  /**
   * `session`: without one a navigation is sent to the sign-in page and anything else gets 401; a POST must come from the
   * gateway's own pages and carry the session's `csrf` field (the server checks both). `maybe`: the session when there is
   * one; a POST must come from the gateway's own pages. `caller`: access token, bearer token or session. `nothing`: no
   * credential is looked at.
   */
  readonly needs: 'session' | 'maybe' | 'caller' | 'nothing';
  /** While false nothing is served there; without it always open. */
  isOpen?(): boolean;
  handle(request: WebRequest, visitor: Visitor): WebAnswer | Promise<WebAnswer>;
}

/** The pages that the sign-in shows; the portal makes them. */
export interface SignInPages {
  signIn(options: { readonly providers: readonly Provider[]; readonly returnTo: string }): WebAnswer;
  /** A page that posts a form to another site at once, with a button for browsers without script. */
  sendAway(to: Extract<SendAway, { kind: 'post' }>): WebAnswer;
  /** After logout. `onward` is where the browser should go next to end the session at the provider too. */
  signedOut(onward: SendAway | null): WebAnswer;
}
