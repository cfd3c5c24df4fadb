import { GatewayError } from '../../src/kernel/index.ts';
import type { Gate, Turn, UpstreamCall } from '../../src/upstream/index.ts';

/** A gate with so many turns that counts everything; a turn that is given back twice throws. */
export interface FakeGate extends Gate {
  limit: number;
  /** Calls that asked, in order. */
  readonly asked: UpstreamCall[];
  readonly done: { readonly ok: boolean | null; readonly seconds: number }[];
  given: number;
  open: number;
  peak: number;
  /** Who waits for a turn. */
  readonly waiting: Set<{ readonly call: UpstreamCall; give(): void; refuse(): void }>;
}

export const saturated = (): GatewayError =>
  new GatewayError('GW_SATURATED', 'All turns are taken.', { retryAfter: 3 });

export function createFakeGate(limit = Number.POSITIVE_INFINITY): FakeGate {
  const serve = (): void => {
    for (const one of gate.waiting) {
      if (gate.open >= gate.limit) return;
      one.give();
    }
  };
  const give = (): Turn => {
    gate.given += 1;
    gate.open += 1;
    gate.peak = Math.max(gate.peak, gate.open);
    let back = false;
    return {
      done(result) {
        if (back) throw new Error('a turn was given back twice');
        back = true;
        gate.open -= 1;
        gate.done.push(result);
        serve();
      },
    };
  };
  const wait = (call: UpstreamCall): Promise<Turn> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        gate.waiting.delete(one);
        call.signal.removeEventListener('abort', gone);
      };
      const one = {
        call,
        give() {
          leave();
          resolve(give());
        },
        refuse() {
          leave();
          reject(saturated());
        },
      };
      const gone = { handleEvent: () => one.refuse() };
      gate.waiting.add(one);
      call.signal.addEventListener('abort', gone);
    });
  const gate: FakeGate = {
    limit,
    asked: [],
    done: [],
    given: 0,
    open: 0,
    peak: 0,
    waiting: new Set(),
    take(call) {
      gate.asked.push(call);
      return gate.open < gate.limit ? give() : wait(call);
    },
  };
  return gate;
}
