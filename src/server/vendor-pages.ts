import { type Agent, type ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { createProxyMiddleware, type RequestHandler } from 'http-proxy-middleware';
import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report, UpstreamRecord } from '../observe/index.ts';
import { createSlots, type Slots } from '../tokens/index.ts';
import { judgeError, type QueueAgent, type UpstreamHandle } from '../upstream/index.ts';
import {
  checkPage,
  hostsOf,
  invalid,
  judgePage,
  LARGEST_BYTES,
  pagePolicy,
  pageRequestHeaders,
} from './vendor-page-passes.ts';

/** What the vendor's pages need. */
export interface VendorPagesOptions {
  readonly upstream: Pick<UpstreamHandle, 'agentFor'>;
  /** `server.publicUrl`: its host may be called by the page beside the one of the request. */
  readonly publicUrl: () => string | undefined;
  readonly report: Pick<Report, 'upstream'>;
  readonly clock: Clock;
}

/** The request as it came: its message was checked, its queue found, its caller is signed in. */
export interface PageContext {
  readonly queue: string;
  /** Header fields of the answer: name, value, … */
  readonly head: readonly string[];
}

/** Carries one page or asset of the vendor's documentation. Throws GatewayError while nothing was written. */
export type CarryPage = (req: IncomingMessage, res: ServerResponse, context: PageContext) => Promise<void>;

const ROUTE = '/html/*';
/** The whole of one page, in milliseconds. */
const LONGEST_MS = 60_000;
/** Pages under way at once for a queue and replica: vovserver's descriptors are few. */
const CONCURRENCY = 8;

interface Done {
  readonly error: GatewayError | null;
  readonly result: UpstreamRecord['result'];
}

/** One page under way. What the proxy middleware is given are stand-ins, so that nothing it does reaches the caller. */
class Exchange {
  readonly asked: IncomingMessage;
  readonly answered: ServerResponse;
  readonly done: Promise<Done>;
  readonly #settle: (done: Done) => void;
  readonly #res: ServerResponse;
  readonly #write: (answer: IncomingMessage) => boolean;
  #request: ClientRequest | null = null;
  #settled = false;
  #begun = false;

  constructor(req: IncomingMessage, res: ServerResponse, write: (answer: IncomingMessage) => boolean) {
    const { promise, resolve } = Promise.withResolvers<Done>();
    this.done = promise;
    this.#settle = resolve;
    this.#res = res;
    this.#write = write;
    this.asked = new IncomingMessage(new Socket());
    Object.assign(this.asked, { method: req.method, url: req.url, httpVersion: '1.1', complete: true });
    Object.assign(this.asked, { httpVersionMajor: 1, httpVersionMinor: 1, headers: pageRequestHeaders(req.headers) });
    this.asked.push(null);
    this.answered = new ServerResponse(this.asked);
  }

  /** Ends it, once: with an error while nothing was written, else by cutting the caller's connection. */
  end(done: Done): void {
    if (this.#settled) return;
    this.#settled = true;
    if (done.error !== null && this.#res.headersSent) this.#res.destroy();
    this.#request?.destroy();
    this.#settle(done);
  }

  fail(error: unknown): void {
    this.end(error instanceof GatewayError ? { error, result: 'invalid' } : judgeError(error, this.#res.headersSent));
  }

  sent(request: ClientRequest): void {
    this.#request = request;
    if (this.#settled) request.destroy();
    // Node ends a connection that switches protocols unasked without a word.
    request.once('close', () => {
      if (!this.#begun) this.fail(invalid('vovserver ended the connection without an answer.'));
    });
  }

  /** Runs inside an event of Node's: whatever is thrown here would end the process. */
  take(answer: IncomingMessage): void {
    this.#begun = true;
    if (this.#settled) return void answer.destroy();
    try {
      if (this.#write(answer)) this.#pump(answer);
      else this.#finish(answer);
    } catch (error) {
      this.fail(error);
    }
  }

  #finish(answer: IncomingMessage): void {
    this.#res.end();
    this.end({ error: null, result: answer.statusCode ?? 'invalid' });
  }

  #pump(answer: IncomingMessage): void {
    const res = this.#res;
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LARGEST_BYTES) this.fail(invalid(`vovserver sent a page of more than ${LARGEST_BYTES} bytes.`));
      else if (!res.write(chunk)) answer.pause();
    });
    res.on('drain', () => answer.resume());
    answer.on('end', () => {
      if (answer.complete && !this.#settled) this.#finish(answer);
    });
    answer.on('error', (error) => this.fail(error));
    answer.on('close', () => this.fail(invalid('The answer of vovserver ended early.')));
  }
}

type Handlers = WeakMap<Agent, RequestHandler>;

/** One middleware for each agent: its TLS policy is the agent's, and a changed policy comes with another agent. */
function middlewareFor(handlers: Handlers, running: WeakMap<object, Exchange>, way: QueueAgent): RequestHandler {
  const known = handlers.get(way.agent);
  if (known !== undefined) return known;
  const made = createProxyMiddleware({
    target: way.origin,
    agent: way.agent,
    changeOrigin: true,
    xfwd: false,
    ws: false,
    selfHandleResponse: true,
    on: {
      proxyReq: (request, asked) => running.get(asked)?.sent(request),
      proxyRes: (answer, asked) => running.get(asked)?.take(answer),
      error: (error, asked) => running.get(asked)?.fail(error),
      econnreset: (error, asked) => running.get(asked)?.fail(error),
    },
  });
  handlers.set(way.agent, made);
  return made;
}

const tooLate = (): GatewayError =>
  new GatewayError('GW_UPSTREAM_TIMEOUT', 'vovserver did not send its documentation in time.', { retryAfter: 5 });

/** Aborts when the caller leaves or the time is up. */
function createLimit(res: ServerResponse, clock: Clock): AbortController & Disposable {
  const limit = new AbortController();
  const timer = clock.after(LONGEST_MS, () => limit.abort(tooLate()));
  const onClose = (): void => {
    if (!res.writableFinished) limit.abort(new GatewayError('GW_UPSTREAM_TIMEOUT', 'The caller went away.'));
  };
  res.once('close', onClose);
  return Object.assign(limit, {
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      res.off('close', onClose);
    },
  });
}

/**
 * Creates the carrier of vovserver's own documentation (`/html/vovrest.html` and its assets), read-only, without any
 * credential, over http-proxy-middleware; one connection for each page, under the TLS policy of the queue.
 */
export function createVendorPages({ upstream, publicUrl, report, clock }: VendorPagesOptions): CarryPage {
  const handlers: Handlers = new WeakMap();
  const running = new WeakMap<object, Exchange>();
  const slots = new Map<string, Slots>();
  const slotsOf = (queue: string): Slots => {
    const found = slots.get(queue) ?? createSlots(() => CONCURRENCY);
    slots.set(queue, found);
    return found;
  };

  return async (req, res, { queue, head }) => {
    const at = checkPage(req.method, req.url ?? '');
    const policy = pagePolicy(hostsOf(req, publicUrl()));
    using limit = createLimit(res, clock);
    using _slot = await slotsOf(queue).take(limit.signal);
    const way = await upstream.agentFor(queue);
    const startedAt = clock.now();
    const exchange = new Exchange(req, res, (answer) => {
      firstByte[Symbol.dispose]();
      const { status, fields, body } = judgePage(answer, { ...at, origin: way.origin });
      res.writeHead(status, [...withoutOpener(head), ...OWN_FIELDS, 'Content-Security-Policy', policy, ...fields]);
      return body && req.method !== 'HEAD';
    });
    using firstByte = clock.after(way.timeouts.headers, () => exchange.end({ error: tooLate(), result: 'timeout' }));
    limit.signal.addEventListener('abort', () => exchange.end({ error: limit.signal.reason, result: 'aborted' }));
    running.set(exchange.asked, exchange);
    const handler = middlewareFor(handlers, running, way);
    handler(exchange.asked, exchange.answered).catch((error: unknown) => exchange.fail(error));
    const { error, result } = await exchange.done;
    const seconds = (clock.now() - startedAt) / 1000;
    report.upstream({ queue, route: ROUTE, method: req.method ?? 'GET', result, seconds });
    if (error !== null && !res.headersSent) throw error;
  };
}

// The gateway's own pages say `same-origin`: with another value here neither has a handle of the other's window.
const OWN_FIELDS = ['Cross-Origin-Opener-Policy', 'unsafe-none', 'X-Content-Type-Options', 'nosniff'];

function withoutOpener(head: readonly string[]): string[] {
  const replaced = new Set(['cross-origin-opener-policy', 'x-content-type-options', 'content-security-policy']);
  const kept: string[] = [];
  for (let i = 0; i + 1 < head.length; i += 2) {
    const [name = '', value = ''] = [head[i], head[i + 1]];
    if (!replaced.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}
