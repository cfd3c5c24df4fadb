import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report, UpstreamRecord } from '../observe/index.ts';
import { Exchange, type Outcome } from './exchange.ts';
import { FailedUnheard, failureToError, isSafe, type PossiblySent, type SendFailure } from './failure.ts';
import type { Line } from './line.ts';
import { type Asker, unusableJwt } from './name-gate.ts';
import type { Credential, ForwardResult, UpstreamCall, UpstreamToken, WholeAnswer } from './ports.ts';
import type { QueueLink } from './queue-link.ts';
import { type RetryBudget, retriesSpent } from './retry-budget.ts';
import { AnswerTooLong, Collector, type Sink } from './sink.ts';

/** A call on its way, over all its attempts. */
class Trip implements Asker {
  readonly call: UpstreamCall;
  readonly sink: Sink;
  readonly head: readonly string[] | undefined;
  /** On the wall clock, for the record; and on the counted one, for the time limit. */
  readonly startedAt: number;
  readonly begunAt: number;
  readonly #credential: Credential;
  token: UpstreamToken;
  epoch: string;
  renewed = false;
  /** Failed attempts that may be repeated. */
  repeats = 0;
  resent = false;
  /** Attempts that met no server. */
  moves = 0;

  constructor(
    call: UpstreamCall,
    credential: Credential,
    sink: Sink,
    head: readonly string[] | undefined,
    token: UpstreamToken,
    now: number,
    elapsed: number,
  ) {
    this.begunAt = elapsed;
    this.call = call;
    this.#credential = credential;
    this.sink = sink;
    this.head = head;
    this.token = token;
    this.startedAt = now;
    this.epoch = '';
  }

  async renew(): Promise<UpstreamToken> {
    this.renewed = true;
    this.token = await this.#credential.renew(this.token);
    return this.token;
  }

  /** Another server answers now: JWTs of the old one are suspect. */
  async changeEpoch(epoch: string): Promise<void> {
    this.epoch = epoch;
    this.token = await this.#credential.get();
  }
}

/** Attempts in which nothing was sent are repeated this often, beside one per candidate. */
const MAX_REPEATS = 3;

/** True when a call that may have been received may still go again: only a read, once, before any answer. */
function mayResend(failure: PossiblySent, trip: Trip): boolean {
  const { method, body } = trip.call;
  return failure.kind === 'reset' && !failure.answerBegun && !trip.resent && isSafe(method) && body.kind !== 'stream';
}

/** True when vovserver is why a call failed whose caller had left; a streamed body breaks off with its caller. */
function isUnheard({ sent, kind }: SendFailure, { call }: Trip): boolean {
  return sent === 'possibly_sent' && kind !== 'aborted' && call.body.kind !== 'stream';
}

/** Decides after a failed attempt: returns when it may be repeated, throws the caller's error otherwise. */
async function afterFailure(failure: SendFailure, trip: Trip, link: QueueLink, line: Line): Promise<void> {
  const error = failureToError(failure, trip.call.method);
  // Nobody waits for another attempt.
  if (trip.call.signal.aborted) throw isUnheard(failure, trip) ? new FailedUnheard(error) : error;
  if (failure.sent === 'possibly_sent') {
    await afterLoss(failure, trip, link, line, error);
    return;
  }
  if (failure.kind === 'connect') {
    await nextServer(trip, link, error);
    return;
  }
  const repeatable = failure.kind === 'untrusted' || failure.kind === 'reset';
  if (!repeatable || trip.repeats >= MAX_REPEATS) throw error;
  trip.repeats += 1;
}

/** What may have been received is lost: a read may go again on a stale connection's successor, or to the next server. */
async function afterLoss(
  failure: PossiblySent,
  trip: Trip,
  link: QueueLink,
  line: Line,
  error: GatewayError,
): Promise<void> {
  const again = mayResend(failure, trip);
  if (!(again && failure.reused)) {
    const gone = failure.kind === 'reset' && isGone(link, line);
    if (!isSafe(trip.call.method) || !(await gone)) throw error;
    await link.admit(null);
    if (!again) throw link.downError();
  }
  trip.resent = true;
}

/** Whether a server that dropped a call is away altogether: asked by one handshake for all who want to know. */
async function isGone(link: QueueLink, line: Line): Promise<boolean> {
  if (link.steady && link.line === line) await line.probe();
  return !link.steady || link.line !== line;
}

/** Returns when there may be a server after this attempt met none. */
async function nextServer(trip: Trip, link: QueueLink, error: GatewayError): Promise<void> {
  trip.moves += 1;
  await link.admit(null);
  if (trip.moves > link.config.urls.length) throw error;
}

function afterUnauthorized(trip: Trip): Promise<UpstreamToken> {
  if (trip.renewed) throw unusableJwt();
  if (trip.call.body.kind !== 'stream') return trip.renew();
  return trip.renew().then(() => {
    const detail = 'vovserver wanted a new JWT, and a streamed body cannot be sent again. Nothing was executed.';
    throw new GatewayError('GW_CREDENTIAL_UNAVAILABLE', detail, { retryAfter: 1 });
  });
}

const resultOf = (outcome: Outcome): UpstreamRecord['result'] => {
  if (outcome.kind === 'answered') return wordOf(outcome.broken ?? null) ?? outcome.status;
  if (outcome.kind === 'unauthorized') return 401;
  if (outcome.kind === 'refused') return 'aborted';
  return wordOf(outcome.failure.kind) ?? 'invalid';
};

const wordOf = (kind: SendFailure['kind'] | null): Exclude<UpstreamRecord['result'], number> | null =>
  kind === 'untrusted' ? 'wrong_queue' : kind;

/** Carries calls over a queue's link. */
export class Forwarder {
  readonly #clock: Clock;
  readonly #report: Report;
  readonly #elapsed: () => number;
  readonly #retries: RetryBudget;

  /** `elapsed` counts milliseconds since some moment and never jumps. */
  constructor(clock: Clock, report: Report, elapsed: () => number, retries: RetryBudget) {
    this.#elapsed = elapsed;
    this.#retries = retries;
    this.#clock = clock;
    this.#report = report;
  }

  /**
   * See `Upstream.forward`; `head` stands before the fields of vovserver. `linkOf` is asked before every attempt, because
   * a reload may replace the link.
   */
  async carry(
    linkOf: () => QueueLink,
    call: UpstreamCall,
    credential: Credential,
    sink: Sink,
    head: readonly string[] | undefined,
  ): Promise<ForwardResult> {
    const { epoch } = linkOf();
    const got = credential.get();
    const token = got instanceof Promise ? await got : got;
    const trip = new Trip(call, credential, sink, head, token, this.#clock.now(), this.#elapsed());
    trip.epoch = epoch;
    this.#retries.called(call.queue);
    for (;;) {
      const link = linkOf();
      if (!link.steady) {
        await link.admit(null);
        await call.holder?.stillHolds?.();
      }
      const { line } = link;
      if (link.epoch !== trip.epoch) await trip.changeEpoch(link.epoch);
      if (!line.ready && !(await this.#admit(link, line, trip))) continue;
      const outcome = await this.#attempt(link, line, trip);
      if (outcome.kind === 'answered') {
        const { status, bytesOut, broken } = outcome;
        if (status === 403 && !trip.renewed) line.doubt({ token: trip.token, renew: () => trip.renew() });
        if (broken !== null && sink instanceof Collector) sink.broken = broken;
        const seconds = this.#secondsSince(trip.startedAt);
        const { renewed } = trip;
        if (broken !== null) return { status, bytesOut, seconds, renewed, complete: false, broken };
        return { status, bytesOut, seconds, renewed, complete: true };
      }
      if (outcome.kind === 'refused') throw outcome.error;
      if (outcome.kind === 'unauthorized') await afterUnauthorized(trip);
      else {
        await afterFailure(outcome.failure, trip, link, line);
        await call.holder?.stillHolds?.();
        this.#spend(outcome.failure, call);
      }
    }
  }

  /** See `Upstream.ask`. */
  async ask(
    linkOf: () => QueueLink,
    call: UpstreamCall,
    credential: Credential,
    maxBytes: number,
  ): Promise<WholeAnswer> {
    // The length in the answer to a HEAD is of a body that does not come.
    const collector = new Collector(call.method === 'HEAD' ? Number.MAX_SAFE_INTEGER : maxBytes);
    const { seconds, renewed } = await this.carry(linkOf, call, credential, collector, undefined);
    if (collector.tooLong && isSafe(call.method)) throw new AnswerTooLong(maxBytes);
    const kind = collector.tooLong ? 'invalid' : collector.broken;
    if (kind === null) return collector.answer(seconds, renewed);
    const link = linkOf();
    if (kind === 'reset' && isSafe(call.method) && (await isGone(link, link.line))) throw link.downError();
    const reason = collector.tooLong ? `the answer exceeds ${maxBytes} bytes` : 'the answer broke off';
    throw failureToError({ sent: 'possibly_sent', kind, reason, answerBegun: true, reused: false }, call.method);
  }

  /** False when another candidate is to be asked. */
  async #admit(link: QueueLink, line: Line, trip: Trip): Promise<boolean> {
    try {
      await line.admit(trip);
      return true;
    } catch (error) {
      // The line itself began the search when it is the server that failed.
      if (link.line === line && link.steady) throw error;
      if (!(error instanceof GatewayError)) throw error;
      await nextServer(trip, link, error);
      return false;
    }
  }

  /** What vovserver may have received goes again only while the budget of its queue lasts. */
  #spend(failure: SendFailure, { queue }: UpstreamCall): void {
    if (failure.sent === 'possibly_sent' && !this.#retries.take(queue)) throw retriesSpent(failure.reason);
  }

  #secondsSince(then: number): number {
    return Math.max(0, this.#clock.now() - then) / 1000;
  }

  #attempt(link: QueueLink, line: Line, trip: Trip): Promise<Outcome> {
    const { call, token, sink, head } = trip;
    const { timeouts, authorization, name } = link.config;
    const begun = this.#clock.now();
    return new Promise((resolve) => {
      const exchange = new Exchange({
        call,
        token,
        form: authorization,
        origin: line.origin,
        response: sink,
        head,
        pool: line.pool,
        running: link.running,
        deadline: trip.begunAt + timeouts.total,
        waitUntil: this.#elapsed() + timeouts.headers + timeouts.connect,
        done: (outcome) => {
          const seconds = this.#secondsSince(begun);
          const { route, method } = call;
          this.#report.upstream({ queue: name, route, method, result: resultOf(outcome), seconds });
          resolve(outcome);
        },
      });
      exchange.begin(trip.resent || trip.repeats > 0);
    });
  }
}
