import { type Maintenance, startsWork } from '../limits/index.ts';
import type { Gate, Turn, UpstreamCall } from '../upstream/index.ts';

/** Nothing went, so nothing is learnt of it. */
const UNUSED = { ok: null, seconds: Number.NaN } as const;

/**
 * A gate that lets what may start work through only while its queue is not frozen, also when the freeze began while the call
 * waited for its turn; such calls are counted until they are done.
 */
export function createFreezeGate(gate: Gate, maintenance: Pick<Maintenance, 'admit' | 'began'>): Gate {
  const begin = ({ queue }: UpstreamCall, turn: Turn): Turn => {
    try {
      maintenance.admit(queue);
    } catch (error) {
      turn.done(UNUSED);
      throw error;
    }
    const underWay = maintenance.began(queue);
    return {
      done(result) {
        underWay[Symbol.dispose]();
        turn.done(result);
      },
    };
  };
  return {
    take(call) {
      if (!startsWork(call)) return gate.take(call);
      maintenance.admit(call.queue);
      const taken = gate.take(call);
      return taken instanceof Promise ? taken.then((turn) => begin(call, turn)) : begin(call, taken);
    },
  };
}
