import { type Clock, type ErrorCode, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { Outage } from './outage.ts';
import type { UpstreamCall } from './ports.ts';
import type { RetryBudget } from './retry-budget.ts';
import { AnswerTooLong } from './sink.ts';

/** Stops calls to a queue whose vovserver does not answer, until one call has shown that it does again. */
export interface Breaker {
  /** Throws GW_UPSTREAM_DOWN while calls are stopped. When it returns, one of the three below must follow. */
  admit(call: UpstreamCall): void;
  answered(call: UpstreamCall): void;
  /** `error` is why there was no answer; only some of them say that vovserver is not well. */
  failed(call: UpstreamCall, error: unknown): void;
  /** The call never went. */
  unused(queue: string): void;
}

export interface BreakerOptions {
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
  /** Failures in a row that stop calls; default 5. */
  readonly failures?: number;
  /** Milliseconds until one call may try again; default 5000. */
  readonly pause?: number;
  /** Tries are repeats, too; without it they are not counted. */
  readonly retries?: Pick<RetryBudget, 'take'>;
}

/** No connection, no answer in time, or an answer that broke off. */
const UNWELL: ReadonlySet<ErrorCode> = new Set([
  'GW_UPSTREAM_DOWN',
  'GW_UPSTREAM_INVALID',
  'GW_UPSTREAM_TIMEOUT',
  'GW_OUTCOME_UNKNOWN',
]);

/** Milliseconds after which another one may try when nothing was heard of the first. */
const TRY_MS = 60_000;
const NEVER = Number.NEGATIVE_INFINITY;

interface Circuit {
  failures: number;
  open: boolean;
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
}

const newCircuit = (): Circuit => ({ failures: 0, open: false, tryAt: 0, triedAt: NEVER });

/** True when vovserver is why a call got no answer. An outage is not: then nothing went, and its own search ends it. */
export const isUnwell = (call: UpstreamCall, error: unknown): boolean =>
  error instanceof GatewayError &&
  UNWELL.has(error.code) &&
  !call.signal.aborted &&
  !(error instanceof AnswerTooLong || error instanceof Outage);

function close(circuit: Circuit): boolean {
  const { open } = circuit;
  Object.assign(circuit, newCircuit());
  return open;
}

/**
 * Creates the circuit breakers. One opens after failures in a row: that of an account for its own calls, and that of the
 * queue when more than one account had them, because what one account asks for must not stop the others. Then one call
 * tries after the pause, a control call at once, because a kill must not wait; tries are bound by the retry budget. An answer
 * closes it.
 */
export function createBreaker({ clock, report, retries, failures = 5, pause = 5000 }: BreakerOptions): Breaker {
  const queues = new Map<string, Circuits>();
  const circuitsOf = (queue: string): Circuits => {
    let circuits = queues.get(queue);
    if (circuits === undefined) {
      circuits = { whole: newCircuit(), accounts: new Map(), failing: new Set() };
      queues.set(queue, circuits);
    }
    return circuits;
  };

  const admit = (circuit: Circuit, { queue, class: cls }: UpstreamCall): void => {
    if (!circuit.open) return;
    // A clock that was set back must not keep it open.
    const left = Math.min(pause, circuit.tryAt - clock.now());
    // A try may end under another account, whose read was shared: nobody waits for it for ever.
    const trying = Math.abs(clock.now() - circuit.triedAt) < TRY_MS;
    if (!trying && (left <= 0 || cls === 'control') && (retries?.take(queue) ?? true)) {
      circuit.triedAt = clock.now();
      return;
    }
    throw new GatewayError('GW_UPSTREAM_DOWN', 'vovserver does not answer at the moment; nothing was sent.', {
      retryAfter: Math.max(1, Math.ceil(left / 1000)),
      internal: 'the circuit is open',
    });
  };
  /** Gives true when it has just opened. */
  const count = (circuit: Circuit, enough: boolean): boolean => {
    circuit.failures += 1;
    if (circuit.failures < failures || !enough) return false;
    circuit.tryAt = clock.now() + pause;
    const opens = !circuit.open;
    circuit.open = true;
    return opens;
  };
  const tellOpen = (fields: { queue: string; account?: string }, error: unknown): void => {
    const code = error instanceof GatewayError ? error.code : 'GW_INTERNAL';
    const event = { event: 'upstream_circuit_open', ...fields, code };
    report.log.warn(event, 'vovserver failed several times in a row; calls are stopped for a while');
  };
  const tellClosed = (fields: { queue: string; account?: string }): void =>
    report.log.info({ event: 'upstream_circuit_closed', ...fields }, 'vovserver answers again; calls go');

  return {
    admit(call) {
      const { queue, account } = call;
      const { whole, accounts } = circuitsOf(queue);
      const own = accounts.get(account);
      // While nobody is answered, who tries does so for all.
      if (whole.open || own === undefined) admit(whole, call);
      else admit(own, call);
    },
    answered({ queue, account }) {
      const { whole, accounts, failing } = circuitsOf(queue);
      if (failing.size > 0) failing.clear();
      if (close(whole)) tellClosed({ queue });
      const own = accounts.get(account);
      if (own === undefined) return;
      accounts.delete(account);
      if (own.open) tellClosed({ queue, account });
    },
    failed(call, error) {
      const { queue, account } = call;
      const { whole, accounts, failing } = circuitsOf(queue);
      const own = accounts.get(account) ?? newCircuit();
      whole.triedAt = NEVER;
      own.triedAt = NEVER;
      if (!isUnwell(call, error)) return;
      accounts.set(account, own);
      failing.add(account);
      if (count(own, true)) tellOpen({ queue, account }, error);
      if (count(whole, failing.size > 1)) tellOpen({ queue }, error);
    },
    unused(queue) {
      const { whole, accounts } = circuitsOf(queue);
      whole.triedAt = NEVER;
      for (const own of accounts.values()) own.triedAt = NEVER;
    },
  };
}
