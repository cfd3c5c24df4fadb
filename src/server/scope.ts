import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RouteDecision } from '../access/index.ts';
import type { Caller, Session, WebRoute } from '../auth/index.ts';
import type { Account, GatewayError, RequestMeta, WebRequest } from '../kernel/index.ts';
import type { Door } from '../observe/index.ts';
import type { CallBody, CallerGone, ForwardResult, Holder } from '../upstream/index.ts';

/** What travels with a request to one of the gateway's own pages or endpoints. */
export interface WebScope {
  readonly route: WebRoute;
  readonly params: Readonly<Record<string, string>>;
  /** Methods of the path, for the Allow header, when the request has another; else null. */
  readonly allow: string | null;
  /** Written by: meet visitor. */
  session: Session | null;
  /** True when a person without a session must sign in first. Written by: meet visitor. */
  mustSignIn: boolean;
  /** Written by: read form. */
  request: WebRequest | null;
}

/** What travels with one request. Each field is written only by the step named behind it. */
export interface Scope {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly door: Door;
  readonly meta: RequestMeta;
  /** True when the caller waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** The caller: aborts when it goes away before the answer is complete. Written by: begin record. */
  signal: CallerGone & Holder;
  /** Header fields of the answer, whatever it will be: name, value, … Written by: secure headers, limits. */
  readonly head: string[];
  /** Queue by port or host name. Written by: check message. */
  queue: string | null;
  /** Written by: check message. */
  path: string;
  /** The gateway's own route; null for the proxied API, the token endpoint and what is not served. */
  readonly web: WebScope | null;
  /** Written by: authenticate, exchange token, or meet visitor. */
  caller: Caller | null;
  /** Written by: decide route. */
  route: RouteDecision | null;
  /** Written by: collect body; inspect body, with defaults. */
  body: CallBody;
  /** The body as it came, where `body` is another. Written by: inspect body. */
  received?: Buffer;
  /**
   * Throws what the rules say against a submission with an Idempotency-Key, and tells it; called right before it is sent, since
   * a key whose submission is done has its answer whatever the rules say by now. Written by: inspect body.
   */
  admit?: () => void;
  /** Written by: choose account. */
  account: Account | null;
  /** Written by: forward. */
  result: ForwardResult | null;
  /** Bytes of a body that the gateway itself answered with. Written by: whoever answers. */
  bytesOut: number;
  /** The error that the gateway answered with. Written by: the pipeline's runner. */
  error: GatewayError | null;
}

/** One step of the road. Throws GatewayError to end it; a step that answers marks nothing: it is the last of its column. */
export type Step = (scope: Scope) => void | Promise<void>;
