import { type Clock, type ErrorCode, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { FailedUnheard } from './failure.ts';
import { Outage } from './outage.ts';
import type { UpstreamCall } from './ports.ts';
import type { RetryBudget } from './retry-budget.ts';
import { AnswerTooLong } from './sink.ts';

/** Stops calls to a queue whose vovserver does not answer, until one call has shown that it does again. */
export interface Breaker {
  /** Throws GW_UPSTREAM_DOWN while calls are stopped. When it returns, the end of the call must follow. */
  admit(call: UpstreamCall): void;
  /** Whether a call that was admitted is a try, so that its head is worth telling. */
  isTry(call: UpstreamCall): boolean;
  /** The head of the answer to a try came: others may go, but when it breaks off, calls are stopped again. */
  heard(call: UpstreamCall): void;
  answered(call: UpstreamCall): void;
  /** An answer broke off, or said itself that vovserver cannot answer. */
  unwell(call: UpstreamCall, code: ErrorCode): void;
  /** `error` is why there was no answer; only some of them say that vovserver is not well. */
  failed(call: UpstreamCall, error: unknown): void;
  /** The call never went; without one, a read of several accounts. */
  unused(queue: string, call?: UpstreamCall): void;
}

export interface BreakerOptions {
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'> & Partial<Pick<Report, 'upstreamCircuit'>>;
  /** Failures in a row that stop calls; default 5. */
  readonly failures?: number;
  /** Milliseconds until one call may try again, also when nothing was heard of the last one; default 5000. */
  readonly pause?: number;
  /** Tries for the whole queue are repeats, too; without it they are not counted. */
  readonly retries?: Pick<RetryBudget, 'take'>;
}

/** No connection, no answer in time, or an answer that broke off. */
const UNWELL: ReadonlySet<ErrorCode> = new Set([
  'GW_UPSTREAM_DOWN',
  'GW_UPSTREAM_INVALID',
  'GW_UPSTREAM_TIMEOUT',
  'GW_OUTCOME_UNKNOWN',
]);

/** Milliseconds between two control calls of an account whose own circuit is open. */
const CONTROL_MS = 1000;
const NEVER = Number.NEGATIVE_INFINITY;

interface Circuit {
  failures: number;
  open: boolean;
  /** It was told that it is open. */
  told: boolean;
  /** When the next try may be, while it is open. */
  tryAt: number;
  /** When somebody began to try whose result is awaited. */
  triedAt: number;
}

/** The circuits of one queue. */
interface Circuits {
  readonly whole: Circuit;
  /** Of accounts that had no answer since they failed. */
  readonly accounts: Map<string, Circuit>;
  /** Accounts that failed since anybody had an answer. */
  readonly failing: Set<string>;
  /** When each account made a control call while a circuit was open. */
  readonly controls: Map<string, number>;
}

const newCircuit = (): Circuit => ({ failures: 0, open: false, told: false, tryAt: 0, triedAt: NEVER });

/** True when vovserver is why a call got no answer. An outage is not: then nothing went, and its own search ends it. */
export const isUnwell = (call: UpstreamCall, error: unknown): boolean =>
  error instanceof GatewayError &&
  UNWELL.has(error.code) &&
  (!call.signal.aborted || error instanceof FailedUnheard) &&
  !(error instanceof AnswerTooLong || error instanceof Outage);

/** True when it was told that it is open. */
function close(circuit: Circuit): boolean {
  const { told } = circuit;
  Object.assign(circuit, newCircuit());
  return told;
}

const untry = (circuit: Circuit | undefined): void => {
  if (circuit !== undefined) circuit.triedAt = NEVER;
};

class CircuitBreaker implements Breaker {
  readonly #options: BreakerOptions;
  readonly #failures: number;
  readonly #pause: number;
  readonly #queues = new Map<string, Circuits>();

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#failures = options.failures ?? 5;
    this.#pause = options.pause ?? 5000;
  }

  admit({ queue, account, class: cls }: UpstreamCall): void {
    const { whole, accounts, controls } = this.#circuitsOf(queue);
    // While nobody is answered, who tries does so for all.
    const circuit = whole.open ? whole : accounts.get(account);
    if (circuit?.open !== true) return;
    const { clock, retries } = this.#options;
    const now = clock.now();
    // A clock that was set back must not keep it open.
    const left = Math.min(this.#pause, circuit.tryAt - now);
    const isWhole = circuit === whole;
    const isControl = cls === 'control';
    const may = isControl
      ? Math.abs(now - (controls.get(account) ?? NEVER)) >= (isWhole ? this.#pause : CONTROL_MS)
      : left <= 0 && Math.abs(now - circuit.triedAt) >= this.#pause;
    if (may && (!isWhole || (retries?.take(queue) ?? true))) {
      if (isControl) controls.set(account, now);
      else circuit.triedAt = now;
      return;
    }
    throw new GatewayError('GW_UPSTREAM_DOWN', 'vovserver does not answer at the moment; nothing was sent.', {
      retryAfter: Math.max(1, Math.ceil(left / 1000)),
      internal: 'the circuit is open',
    });
  }

  isTry({ queue, account }: UpstreamCall): boolean {
    const { whole, accounts } = this.#circuitsOf(queue);
    return whole.open || accounts.get(account)?.open === true;
  }

  heard({ queue, account }: UpstreamCall): void {
    const { whole, accounts } = this.#circuitsOf(queue);
    this.#letGo(whole);
    this.#letGo(accounts.get(account));
    this.#show(queue, whole.open);
  }

  answered({ queue, account }: UpstreamCall): void {
    const { whole, accounts, failing, controls } = this.#circuitsOf(queue);
    if (failing.size > 0) failing.clear();
    if (close(whole)) {
      controls.clear();
      this.#show(queue, false);
      this.#tellClosed({ queue });
    }
    const own = accounts.get(account);
    if (own === undefined) return;
    accounts.delete(account);
    controls.delete(account);
    if (own.told) this.#tellClosed({ queue, account });
  }

  unwell({ queue, account }: UpstreamCall, code: ErrorCode): void {
    const { whole, accounts, failing } = this.#circuitsOf(queue);
    const own = accounts.get(account) ?? newCircuit();
    untry(whole);
    untry(own);
    accounts.set(account, own);
    failing.add(account);
    if (this.#count(own, true)) this.#tellOpen({ queue, account }, code);
    if (this.#count(whole, failing.size > 1)) this.#tellOpen({ queue }, code);
    this.#show(queue, whole.open);
  }

  failed(call: UpstreamCall, error: unknown): void {
    if (isUnwell(call, error)) {
      this.unwell(call, (error as GatewayError).code);
      return;
    }
    const { whole, accounts } = this.#circuitsOf(call.queue);
    untry(whole);
    untry(accounts.get(call.account));
  }

  unused(queue: string, call?: UpstreamCall): void {
    const { whole, accounts, controls } = this.#circuitsOf(queue);
    if (call?.class === 'control') controls.delete(call.account);
    untry(whole);
    for (const own of accounts.values()) untry(own);
  }

  #circuitsOf(queue: string): Circuits {
    let circuits = this.#queues.get(queue);
    if (circuits === undefined) {
      circuits = { whole: newCircuit(), accounts: new Map(), failing: new Set(), controls: new Map() };
      this.#queues.set(queue, circuits);
      this.#show(queue, false);
    }
    return circuits;
  }

  /** Gives true when it has just opened, and nobody was told. */
  #count(circuit: Circuit, enough: boolean): boolean {
    circuit.failures += 1;
    if (circuit.failures < this.#failures || !enough) return false;
    circuit.tryAt = this.#options.clock.now() + this.#pause;
    circuit.open = true;
    const opens = !circuit.told;
    circuit.told = true;
    return opens;
  }

  /** After the head of an answer: one more failure opens it again. */
  #letGo(circuit: Circuit | undefined): void {
    if (circuit?.open === true) {
      Object.assign(circuit, { open: false, failures: this.#failures - 1, triedAt: NEVER });
    }
  }

  #show(queue: string, open: boolean): void {
    this.#options.report.upstreamCircuit?.(queue, open);
  }

  #tellOpen(fields: { queue: string; account?: string }, code: ErrorCode): void {
    const event = { event: 'upstream_circuit_open', ...fields, code };
    this.#options.report.log.warn(event, 'vovserver failed several times in a row; calls are stopped for a while');
  }

  #tellClosed(fields: { queue: string; account?: string }): void {
    this.#options.report.log.info({ event: 'upstream_circuit_closed', ...fields }, 'vovserver answers again; calls go');
  }
}

/**
 * Creates the circuit breakers. One opens after failures in a row: that of an account for its own calls, and that of the
 * queue when more than one account had them, because what one account asks for must not stop the others. Then one call
 * tries after the pause, and another one after each further pause in which nothing was heard of it. Control calls try at once
 * and beside it, because a kill must not wait: one of each account in a pause, or in a second when only its own circuit is open.
 * What is tried for the queue is bound by its retry budget. An answer closes the circuit; its head lets calls go already.
 */
export function createBreaker(options: BreakerOptions): Breaker {
  return new CircuitBreaker(options);
}
