import { type Clock, type ErrorCode, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { UpstreamCall } from './ports.ts';
import { AnswerTooLong } from './sink.ts';

/** Stops calls to a queue whose vovserver does not answer, until one call has shown that it does again. */
export interface Breaker {
  /** Throws GW_UPSTREAM_DOWN while calls are stopped. When it returns, one of the three below must follow. */
  admit(call: UpstreamCall): void;
  answered(queue: string): void;
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
}

/** No connection, no answer in time, or an answer that broke off. */
const UNWELL: ReadonlySet<ErrorCode> = new Set([
  'GW_UPSTREAM_DOWN',
  'GW_UPSTREAM_INVALID',
  'GW_UPSTREAM_TIMEOUT',
  'GW_OUTCOME_UNKNOWN',
]);

interface Circuit {
  failures: number;
  open: boolean;
  /** When the next try may be, while it is open. */
  tryAt: number;
  trying: boolean;
}

const isUnwell = (call: UpstreamCall, error: unknown): boolean =>
  error instanceof GatewayError && UNWELL.has(error.code) && !call.signal.aborted && !(error instanceof AnswerTooLong);

/**
 * Creates the circuit breakers, one for each queue. Open after failures in a row; then one call tries after the pause, a
 * control call at once, because a kill must not wait. Any answer closes it.
 */
export function createBreaker({ clock, report, failures = 5, pause = 5000 }: BreakerOptions): Breaker {
  const circuits = new Map<string, Circuit>();
  const circuitOf = (queue: string): Circuit => {
    let circuit = circuits.get(queue);
    if (circuit === undefined) {
      circuit = { failures: 0, open: false, tryAt: 0, trying: false };
      circuits.set(queue, circuit);
    }
    return circuit;
  };

  return {
    admit({ queue, class: cls }) {
      const circuit = circuitOf(queue);
      if (!circuit.open) return;
      // A clock that was set back must not keep it open.
      const left = Math.min(pause, circuit.tryAt - clock.now());
      if (!circuit.trying && (left <= 0 || cls === 'control')) {
        circuit.trying = true;
        return;
      }
      const retryAfter = Math.max(1, Math.ceil(left / 1000));
      throw new GatewayError('GW_UPSTREAM_DOWN', 'vovserver does not answer at the moment; nothing was sent.', {
        retryAfter,
        internal: 'the circuit of the queue is open',
      });
    },
    answered(queue) {
      const circuit = circuitOf(queue);
      circuit.failures = 0;
      circuit.trying = false;
      if (!circuit.open) return;
      circuit.open = false;
      report.log.info({ event: 'upstream_circuit_closed', queue }, 'vovserver answers again; calls go');
    },
    failed(call, error) {
      const { queue } = call;
      const circuit = circuitOf(queue);
      circuit.trying = false;
      if (!isUnwell(call, error)) return;
      circuit.failures += 1;
      if (circuit.failures < failures) return;
      circuit.tryAt = clock.now() + pause;
      if (circuit.open) return;
      circuit.open = true;
      const code = error instanceof GatewayError ? error.code : 'GW_INTERNAL';
      const fields = { event: 'upstream_circuit_open', queue, code, count: circuit.failures };
      report.log.warn(fields, 'vovserver failed several times in a row; calls are stopped for a while');
    },
    unused(queue) {
      circuitOf(queue).trying = false;
    },
  };
}
