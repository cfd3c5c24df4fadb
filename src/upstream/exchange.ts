import type { Dispatcher } from 'undici';
import { GatewayError, messageOf } from '../kernel/index.ts';
import { codeOf, type FailureKind, isSafe, kindOf, type SendFailure, UpstreamFailure } from './failure.ts';
import type { Connection, Pool, Urgency, Waiter } from './pool.ts';
import type { UpstreamCall, UpstreamToken } from './ports.ts';
import { bodyTooLarge, passRequest } from './request-passes.ts';
import { passResponse } from './response-passes.ts';
import type { Running } from './running.ts';
import type { Sink } from './sink.ts';

/** How one attempt to carry a call ended. */
export type Outcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly bytesOut: number;
      readonly broken: FailureKind | null;
    }
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'refused'; readonly error: GatewayError }
  | { readonly kind: 'failed'; readonly failure: SendFailure };

/** What an attempt needs. */
export interface Attempt {
  readonly call: UpstreamCall;
  readonly token: UpstreamToken;
  readonly form: 'colon' | 'space';
  readonly origin: string;
  /** Where the answer goes, and what stands in its head beside the fields of vovserver. */
  readonly response: Sink;
  readonly head: readonly string[] | undefined;
  readonly pool: Pool;
  /** Attempts under way, for the sweep that ends late ones. */
  readonly running: Running<Exchange>;
  /** End of the whole call, and of the wait for a connection, as `sweep` will tell the time. */
  readonly deadline: number;
  readonly waitUntil: number;
  readonly done: (outcome: Outcome) => void;
}

/** More interim answers than this cut the connection (1xx flood). */
const MAX_INTERIM = 16;
/** Whole answers up to this size, bytes, are written together with their head. */
const ONE_PIECE = 16_384;
/** Answers to writes up to this size, bytes, are kept back until they are whole. */
const HELD_BYTES = 65_536;
/** Of a body that nobody gets so much is read, so that the connection can be kept. */
const MAX_DISCARDED = 64 * 1024;

const aborted = new UpstreamFailure('aborted', 'the caller went away');
const URGENCY: Readonly<Partial<Record<UpstreamCall['class'], Urgency>>> = { control: 2, submit: 1 };

/** True when the caller left before there was an answer, and nobody wants to know it. */
const isAbandoned = ({ signal, seeThrough }: UpstreamCall): boolean => signal.aborted && seeThrough !== true;

/**
 * One attempt to carry a call over one connection: undici's handler, which writes the answer straight into the
 * caller's response, or into memory. A class, because it is made for every call. No method throws.
 */
export class Exchange implements Dispatcher.DispatchHandler, Waiter {
  readonly account: string;
  readonly urgency: Urgency;
  place = -1;
  readonly #attempt: Attempt;
  #connection: Connection | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  /** The watershed: set when undici starts to write, and never taken back. */
  #sent = false;
  #begun = false;
  #reused = false;
  #interim = 0;
  #status = 0;
  /** Nothing of the answer's body goes to anybody. */
  #discards = false;
  #headers: string[] = [];
  #held: Buffer[] | null = null;
  #expected = -1;
  #untilClose = false;
  #bytes = 0;
  #bodySent = 0;
  #committed = false;
  #ended = false;
  #finished = false;
  #drain: (() => void) | null = null;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
    this.account = attempt.call.account;
    this.urgency = URGENCY[attempt.call.class] ?? 0;
  }

  /** Begins: asks the pool for a connection. */
  begin(fresh: boolean): void {
    const { call, pool, running } = this.#attempt;
    if (call.signal.aborted) {
      this.#fail(aborted);
      return;
    }
    call.signal.addEventListener('abort', this);
    running.add(this);
    pool.take(this, fresh);
  }

  /**
   * The caller's signal fired. What vovserver works on by now goes on to the head of its answer: a turn that was given back
   * before would let more calls go than vovserver can take.
   */
  handleEvent(): void {
    const { seeThrough, body } = this.#attempt.call;
    const isWhole = body.kind !== 'stream' || body.stream.readableEnded;
    if (!this.#sent || (seeThrough !== true && (this.#status !== 0 || !isWhole))) this.#stop(aborted);
  }

  /** Ends it, whatever it is about. */
  end(): void {
    this.#stop(aborted);
  }

  /** Ends the attempt when its time is over; `now` in milliseconds since some moment. */
  sweep(now: number): void {
    if (now >= this.#attempt.deadline) this.#stop(new UpstreamFailure('timeout', 'the time limit of the call is over'));
    else if (this.#connection === null && now >= this.#attempt.waitUntil) {
      this.#stop(new UpstreamFailure('timeout', 'no connection became free in time'));
    }
  }

  refuse(failure: SendFailure): void {
    this.#finish({ kind: 'failed', failure }, false);
  }

  start(connection: Connection): void {
    this.#connection = connection;
    const { call, token, form } = this.#attempt;
    const { body } = call;
    let headers: string[];
    try {
      headers = passRequest(call, token, form);
    } catch (error) {
      if (error instanceof GatewayError) {
        this.#finish({ kind: 'refused', error }, true);
        return;
      }
      this.#fail(error);
      return;
    }
    connection.client.dispatch(
      {
        path: call.target,
        method: call.method,
        headers,
        body: body.kind === 'none' ? null : body.kind === 'bytes' ? body.bytes : body.stream,
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#sent = true;
    this.#controller = controller;
    this.#reused = (this.#connection?.served ?? 0) > 0;
  }

  onBodySent(chunk: Buffer): void {
    const { body } = this.#attempt.call;
    if (body.kind !== 'stream') return;
    this.#bodySent += chunk.length;
    if (this.#bodySent <= body.maxBytes || this.#finished) return;
    this.#finish({ kind: 'refused', error: bodyTooLarge(body.maxBytes) }, false);
  }

  onResponseStarted(): void {
    this.#begun = true;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    received: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#finished) return;
    if (status >= 100 && status < 200 && status !== 101) {
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) controller.abort(new UpstreamFailure('invalid', 'too many interim answers'));
      return;
    }
    this.#status = status;
    const { call, origin } = this.#attempt;
    call.heard?.(status);
    if (status === 401 || isAbandoned(call)) {
      this.#discards = true;
      // An abandoned answer is read when it is short: its connection can be kept.
      if (status !== 401 && !(Number(received['content-length']) <= MAX_DISCARDED)) controller.abort(aborted);
      return;
    }
    if (!isSafe(call.method)) this.#held = [];
    try {
      const { method, target } = call;
      this.#headers = passResponse({ method, target, origin, status, received, headers: [] });
    } catch (error) {
      controller.abort(error instanceof Error ? error : new UpstreamFailure('invalid', messageOf(error)));
      return;
    }
    const length = received['content-length'];
    if (typeof length === 'string') this.#expected = Number(length);
    else this.#untilClose = received['transfer-encoding'] === undefined;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#finished) return;
    this.#bytes += chunk.length;
    if (this.#discards) {
      if (this.#bytes > MAX_DISCARDED) this.#finish(this.#discarded(), false);
      return;
    }
    const { response } = this.#attempt;
    if (response.destroyed) {
      controller.abort(aborted);
      return;
    }
    const piece = this.#release(chunk);
    if (piece === null || !this.#commit(controller)) return;
    if (this.#bytes === this.#expected) {
      this.#ended = true;
      // As text of one byte a character, head and body leave in one piece; a Buffer would be a second one.
      if (piece.length <= ONE_PIECE) response.end(piece.toString('latin1'), 'latin1');
      else response.end(piece);
    } else if (!response.write(piece)) {
      // Destroyed while it was written to, it never drains.
      if (response.destroyed) {
        controller.abort(aborted);
        return;
      }
      controller.pause();
      this.#drain ??= () => controller.resume();
      response.once('drain', this.#drain);
    }
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#finished) return;
    if (this.#discards) {
      this.#finish(this.#discarded(), true);
      return;
    }
    const broken = this.#untilClose ? this.#connection?.socket?.errored : null;
    if (broken) {
      this.#fail(broken);
      return;
    }
    if (!this.#ended) {
      if (!this.#commit(controller)) return;
      this.#attempt.response.end(this.#held === null ? undefined : Buffer.concat(this.#held));
    }
    this.#finish({ kind: 'answered', status: this.#status, bytesOut: this.#bytes, broken: null }, true);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: unknown): void {
    if (!this.#finished) this.#fail(error);
  }

  /**
   * What may go to the caller now. A short answer to a write is kept back until it is whole: when it breaks off, the
   * caller still learns that the outcome is unknown, instead of being cut.
   */
  #release(chunk: Buffer): Buffer | null {
    if (this.#held === null) return chunk;
    this.#held.push(chunk);
    if (this.#bytes <= HELD_BYTES && this.#bytes !== this.#expected) return null;
    const all = Buffer.concat(this.#held);
    this.#held = null;
    return all;
  }

  /** Writes status and headers, as late as the first byte of the body, so that an early break is still an error page. */
  #commit(controller: Dispatcher.DispatchController): boolean {
    if (this.#committed) return true;
    const { response, head } = this.#attempt;
    try {
      response.writeHead(this.#status, head === undefined ? this.#headers : head.concat(this.#headers));
      this.#committed = true;
      return true;
    } catch (error) {
      controller.abort(new UpstreamFailure('invalid', `a header of the answer cannot be passed on: ${codeOf(error)}`));
      return false;
    }
  }

  #stop(reason: UpstreamFailure): void {
    if (this.#finished) return;
    if (this.#controller !== null) this.#controller.abort(reason);
    if (!this.#finished) this.#fail(reason);
  }

  #fail(error: unknown): void {
    const kind = kindOf(error);
    if (this.#committed) {
      this.#finish({ kind: 'answered', status: this.#status, bytesOut: this.#bytes, broken: kind }, false);
      this.#attempt.response.destroy();
      return;
    }
    if (this.#discards) {
      this.#finish(this.#discarded(), false);
      return;
    }
    const code = codeOf(error);
    const reason = code === '' ? messageOf(error) : `${code}: ${messageOf(error)}`;
    const failure: SendFailure = this.#sent
      ? { sent: 'possibly_sent', kind, reason, answerBegun: this.#begun, reused: this.#reused }
      : { sent: 'not_sent', kind, reason };
    this.#finish({ kind: 'failed', failure }, false);
  }

  #discarded(): Outcome {
    if (this.#status === 401) return { kind: 'unauthorized' };
    return { kind: 'answered', status: this.#status, bytesOut: 0, broken: 'aborted' };
  }

  #finish(outcome: Outcome, reusable: boolean): void {
    if (this.#finished) return;
    this.#finished = true;
    const { call, pool, running, response, done } = this.#attempt;
    call.signal.removeEventListener('abort', this);
    running.delete(this);
    if (this.#drain !== null) response.off('drain', this.#drain);
    if (this.#connection === null) pool.forget(this);
    else pool.release(this.#connection, reusable);
    done(outcome);
  }
}
