import type { Agent, IncomingMessage, ServerResponse } from 'node:http';
import type { QueueConfig } from '../config/index.ts';
import type { RouteClass, Secret } from '../kernel/index.ts';
import type { FailureKind } from './failure.ts';

/** The Authorization that a call carries to vovserver. Implemented by `tokens`, used here. */
export interface Credential {
  /** A JWT that is believed to be good; may log in. Throws GatewayError. Synchronous when it is at hand. */
  get(): UpstreamToken | Promise<UpstreamToken>;
  /** Called once when vovserver answered 401 to `rejected`: drops it and gives a newer one. Throws GatewayError. */
  renew(rejected: UpstreamToken): Promise<UpstreamToken>;
}

/** What vovserver's token endpoint gave. */
export interface UpstreamToken {
  readonly tokenType: string;
  readonly accessToken: Secret;
  /** Start and end of life, milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** The request body: none, complete in memory (may be sent twice), or streamed (sent once). */
export type CallBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'stream'; readonly stream: IncomingMessage; readonly maxBytes: number };

/** What is told of it. */
export interface GoneListener {
  handleEvent(event: Event): void;
}

/** Tells that the caller went away, once. An AbortSignal is one; made for every call, the server's own is lighter. */
export interface CallerGone {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: GoneListener): void;
  removeEventListener(type: 'abort', listener: GoneListener): void;
}

/** Whose credential a call came with. */
export interface Holder {
  /** Asked after every wait: rejects when the credential has ended meanwhile, or is another's. */
  stillHolds?(): Promise<void>;
}

/** One call to carry to vovserver. */
export interface UpstreamCall {
  readonly queue: string;
  /** vovserver account name: the partition of the connection pool. */
  readonly account: string;
  readonly method: string;
  /** Path and query, exactly the bytes that were checked. */
  readonly target: string;
  /** Route template for metrics. */
  readonly route: string;
  readonly class: RouteClass;
  /** The caller's headers as received; the passes take from them what may travel. */
  readonly rawHeaders: readonly string[];
  readonly body: CallBody;
  readonly requestId: string;
  readonly traceparent: string;
  /** Header fields (name, value, …) that the answer carries beside those of vovserver. */
  readonly head?: readonly string[];
  /**
   * Aborts when the caller goes away. What was sent ends at the head of its answer or when its time is over, not before:
   * vovserver works on it, so it is under way.
   */
  readonly signal: CallerGone;
  /** Only what was not sent yet ends with `signal`: what may have been executed goes on to its end, so that its outcome gets known. */
  readonly seeThrough?: boolean;
  /** Whose turn it is: subject of the identity and id of its token. */
  readonly identity?: string;
  readonly token?: string;
  readonly holder?: Holder;
  /** Milliseconds that the caller wants to wait for a turn (`Prefer: wait`, RFC 7240); without it the configured time. */
  readonly waitMs?: number;
  /** Told the status of each answer as soon as its head is here. */
  readonly heard?: (status: number) => void;
}

/** A whole answer of vovserver in memory, after every pass; what `forward` would have written beside `call.head`. */
export interface WholeAnswer {
  readonly status: number;
  /** Name, value, …; without Content-Length and Transfer-Encoding. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly seconds: number;
  readonly renewed: boolean;
}

/**
 * A turn to call vovserver; `done` gives it back, once. `ok`: whether vovserver answered well, or null when nothing is known,
 * because the caller left or nothing went. `seconds` of vovserver's time; NaN when nothing went.
 */
export interface Turn {
  done(result: { readonly ok: boolean | null; readonly seconds: number }): void;
}

/** Lets calls go to vovserver when their turn has come. Declared here, implemented with `limits` by the server. */
export interface Gate {
  /** Synchronous when there is room. Throws GW_SATURATED when there is none in time; gives up when the caller goes. */
  take(call: UpstreamCall): Turn | Promise<Turn>;
}

/** How equal reads share answers on one queue. */
export type CoalesceConfig = QueueConfig['coalesce'];

/**
 * The way of a call to vovserver with everything that protects it: equal reads of one account share an answer, and every
 * call that really goes takes a turn first.
 */
export interface Carrier {
  /** As {@link Upstream.forward}. */
  forward(call: UpstreamCall, credential: Credential, response: ServerResponse): Promise<ForwardResult>;
  /** As {@link Upstream.ask}, with a turn. */
  ask(call: UpstreamCall, credential: Credential, maxBytes: number): Promise<WholeAnswer>;
}

/** How a forwarded call ended once the answer had begun. */
export interface ForwardResult {
  readonly status: number;
  readonly bytesOut: number;
  readonly seconds: number;
  /** True when the JWT was renewed after a 401 and the call sent again. */
  readonly renewed: boolean;
  /** False when the answer broke off: the caller's connection was cut, nothing was put into the body. */
  readonly complete: boolean;
  /** Why it broke off. */
  readonly broken?: FailureKind;
}

/** Answer of vovserver's token endpoint. */
export type LoginAnswer =
  | {
      readonly kind: 'ok';
      readonly tokenType: string;
      readonly accessToken: Secret;
      readonly expiresIn: number | null;
      /** The server that gave it, as `Upstream.epoch` names it; it may have changed meanwhile. */
      readonly epoch?: string;
    }
  | { readonly kind: 'rejected'; readonly status: number }
  /** Anything else: unreachable, 5xx, nonsense. `error` is what a caller may be told. */
  | { readonly kind: 'failed'; readonly error: import('../kernel/index.ts').GatewayError };

/** A way to a queue's server for Node's own HTTP client; it opens only connections that satisfy the TLS policy. */
export interface QueueAgent {
  readonly agent: Agent;
  /** Scheme, host and port. */
  readonly origin: string;
  /** Milliseconds. */
  readonly timeouts: QueueConfig['timeouts'];
}

/** State of a queue's server for readiness. */
export interface QueueStatus {
  readonly queue: string;
  readonly url: string;
  /** 1 plain HTTP, 2 unverified TLS, 3 verified. */
  readonly tlsLevel: 1 | 2 | 3;
  readonly state: 'unknown' | 'up' | 'down' | 'tls_refused' | 'wrong_queue';
  readonly detail: string;
  readonly certificateNotAfter: number | null;
}

/** What `Upstream.switchTo` did. */
export interface SwitchedTo {
  readonly origin: string;
  /** True when the server tells its name to nobody without a login: it is asked at the first one. */
  readonly unnamed?: boolean;
}

/** Speaks HTTP to the vovservers. */
export interface Upstream extends AsyncDisposable {
  /**
   * Carries one call and streams the answer into `response`. Throws GatewayError while nothing was written to it;
   * after that it never throws but cuts the connection.
   */
  forward(call: UpstreamCall, credential: Credential, response: ServerResponse): Promise<ForwardResult>;
  /**
   * Carries one call and gives the whole answer, at most `maxBytes`; `call.head` is no part of it. Throws GatewayError:
   * GW_OUTCOME_UNKNOWN for a write that may have been executed, GW_UPSTREAM_INVALID for a longer (AnswerTooLong) or broken
   * answer, and what `forward` throws.
   */
  ask(call: UpstreamCall, credential: Credential, maxBytes: number): Promise<WholeAnswer>;
  /**
   * Throws GW_UPSTREAM_DOWN while no server of the queue can be used; a safe call waits for one as long as its caller wants,
   * and for a kill the candidates are looked at once more.
   * Undefined at once otherwise. For whoever must not take a turn in vain; the others do it by themselves.
   */
  admit(call: UpstreamCall): Promise<void> | undefined;
  /** Posts user name and password to the token endpoint. Never throws. */
  login(queue: string, account: string, password: Secret, signal?: AbortSignal): Promise<LoginAnswer>;
  /** Names the server that JWTs of this queue belong to; changes with host or port. Part of the JWT cache key. */
  epoch(queue: string): string;
  /**
   * Makes this configured candidate of the queue the active one after its TLS policy passed and it gave no other name; null:
   * the next in order that passes. It is kept while it answers, whichever accounts it does not know, until it gives another
   * name. Calls under way on the old one finish there. Throws GatewayError, and changes nothing, when there is no such
   * candidate or it is refused.
   */
  switchTo(queue: string, url: string | null): Promise<SwitchedTo>;
  status(): QueueStatus[];
}
