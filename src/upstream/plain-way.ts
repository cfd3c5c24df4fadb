import type { ServerResponse } from 'node:http';
import type { Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type Breaker, createBreaker, isUnwell } from './breaker.ts';
import type { Credential, ForwardResult, Gate, Turn, Upstream, UpstreamCall, WholeAnswer } from './ports.ts';
import type { RetryBudget } from './retry-budget.ts';
import { AnswerTooLong } from './sink.ts';
import { SlowReaders } from './slow-readers.ts';

/** What the way of a call needs. */
export interface PlainWayOptions {
  readonly upstream: Pick<Upstream, 'forward' | 'ask'> &
    Partial<Pick<Upstream, 'admit'>> & { readonly retries?: Pick<RetryBudget, 'take'>; longestWait?(): number };
  readonly gate: Gate;
  readonly clock: Clock;
  readonly report: Pick<Report, 'coalesced' | 'log'> & Partial<Pick<Report, 'upstreamCircuit'>>;
}

/** How a read was answered by a call of its own; null for what is no read. */
export type Alone = 'own' | 'too_large' | null;

/** Told that a streamed answer ended, with its bytes; 0 when there was none. */
export interface AfterStream {
  streamed(bytes: number): void;
}

const isWell = (status: number): boolean => status < 500;
/** What a proxy says for vovserver, or vovserver while it starts or ends: no sign that it answers. */
const isDown = (status: number): boolean => status === 502 || status === 503 || status === 504;
const UNUSED = { ok: null, seconds: Number.NaN } as const;

type Ended = Pick<ForwardResult, 'status' | 'complete' | 'broken'>;

/** The way of one call: a turn, unless calls are stopped, then vovserver, then what was learnt from it. */
export class PlainWay {
  readonly #options: PlainWayOptions;
  readonly #breaker: Breaker;
  readonly #readers: SlowReaders;

  constructor(options: PlainWayOptions) {
    this.#options = options;
    this.#breaker = createBreaker({
      ...options,
      ...(options.upstream.retries === undefined ? {} : { retries: options.upstream.retries }),
    });
    this.#readers = new SlowReaders(options.clock, options.report);
  }

  /** A turn, unless calls to the queue are stopped or no server of it can be used. */
  take(call: UpstreamCall): Turn | Promise<Turn> {
    const { upstream, clock } = this.#options;
    const admitted = upstream.admit?.(call);
    if (admitted === undefined) {
      const taken = this.#takeNow(call);
      return taken instanceof Promise ? this.#known(call, taken) : taken;
    }
    const begun = clock.now();
    return this.#known(
      call,
      admitted.then(() => this.#takeNow(this.#withRest(call, begun))),
    );
  }

  /** The turn that was waited for, unless the credential ended meanwhile: then nobody uses it. */
  async #known(call: UpstreamCall, taken: Promise<Turn>): Promise<Turn> {
    const turn = await taken;
    try {
      await call.holder?.stillHolds?.();
    } catch (error) {
      this.giveBack(turn, call.queue);
      throw error;
    }
    return turn;
  }

  /** The call with what is left of the time that its caller wanted to wait. */
  #withRest(call: UpstreamCall, begun: number): UpstreamCall {
    const { upstream, clock } = this.#options;
    if (call.waitMs === undefined) return call;
    const granted = Math.min(call.waitMs, upstream.longestWait?.() ?? call.waitMs);
    return { ...call, waitMs: Math.max(0, granted - Math.max(0, clock.now() - begun)) };
  }

  #takeNow(call: UpstreamCall): Turn | Promise<Turn> {
    this.#breaker.admit(call);
    try {
      const taken = this.#options.gate.take(call);
      return taken instanceof Promise ? taken.catch((error: unknown) => this.#untaken(call, error)) : taken;
    } catch (error) {
      return this.#untaken(call, error);
    }
  }

  /** Gives a turn back that nobody used. */
  giveBack(turn: Turn, queue: string): void {
    this.#breaker.unused(queue);
    turn.done(UNUSED);
  }

  /** A call of its own, from its turn to its end. Rejects for whatever is wrong. */
  alone(call: UpstreamCall, credential: Credential, response: ServerResponse, how: Alone): Promise<ForwardResult> {
    try {
      const taken = this.take(call);
      if (!(taken instanceof Promise)) return this.stream(taken, call, credential, response, how, null);
      return taken.then((turn) => this.stream(turn, call, credential, response, how, null));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Streams an answer to one caller. */
  async stream(
    turn: Turn,
    call: UpstreamCall,
    credential: Credential,
    response: ServerResponse,
    how: Alone,
    after: AfterStream | null,
  ): Promise<ForwardResult> {
    const reading = this.#readers.begin(turn, call, response);
    let bytes = 0;
    try {
      const result = await this.#options.upstream.forward(this.#listening(call), credential, response);
      bytes = result.bytesOut;
      reading.end(result.complete ? isWell(result.status) : call.signal.aborted ? null : false, true);
      this.#answered(call, result, reading.heldUpAt !== null);
      if (how !== null) this.#options.report.coalesced(call.queue, call.route, how);
      return result;
    } catch (error) {
      const { ok, went } = this.#failed(call, error);
      reading.end(ok, went);
      throw error;
    } finally {
      after?.streamed(bytes);
    }
  }

  /** Gets a whole answer into memory. */
  async ask(turn: Turn, call: UpstreamCall, credential: Credential, maxBytes: number): Promise<WholeAnswer> {
    const begun = this.#options.clock.now();
    let result: { readonly ok: boolean | null; readonly went: boolean } = { ok: null, went: false };
    try {
      const answer = await this.#options.upstream.ask(this.#listening(call), credential, maxBytes);
      result = { ok: isWell(answer.status), went: true };
      this.#answered(call, { ...answer, complete: true }, false);
      return answer;
    } catch (error) {
      result = this.#failed(call, error);
      throw error;
    } finally {
      const { ok, went } = result;
      turn.done({ ok, seconds: went ? Math.max(0, this.#options.clock.now() - begun) / 1000 : Number.NaN });
    }
  }

  /** The call; when it is a try, others need not wait until its whole answer was read. */
  #listening(call: UpstreamCall): UpstreamCall {
    if (!this.#breaker.isTry(call)) return call;
    const heard = (status: number): void => {
      if (!isDown(status)) this.#breaker.heard(call);
    };
    return { ...call, heard };
  }

  /** What an answer, or the part of it that came, tells of vovserver. */
  #answered(call: UpstreamCall, { status, complete, broken }: Ended, isHeldUp: boolean): void {
    if (isDown(status)) this.#breaker.unwell(call, 'GW_UPSTREAM_DOWN');
    else if (complete) this.#breaker.answered(call);
    // Who reads slowly, or left, broke it off himself.
    else if (call.signal.aborted || isHeldUp || broken === 'aborted') this.#breaker.heard(call);
    else this.#breaker.unwell(call, 'GW_UPSTREAM_INVALID');
  }

  /** What a call without an answer tells of vovserver, and whether its time is one of vovserver. */
  #failed(call: UpstreamCall, error: unknown): { readonly ok: boolean | null; readonly went: boolean } {
    if (error instanceof AnswerTooLong) {
      this.#breaker.answered(call);
      return { ok: true, went: true };
    }
    this.#breaker.failed(call, error);
    const unwell = isUnwell(call, error);
    if (call.signal.aborted && !unwell) return { ok: null, went: true };
    return { ok: unwell ? false : null, went: unwell && (error as GatewayError).code !== 'GW_UPSTREAM_DOWN' };
  }

  #untaken(call: UpstreamCall, error: unknown): never {
    this.#breaker.unused(call.queue, call);
    throw error;
  }
}
