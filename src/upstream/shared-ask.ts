import { failureToError } from './failure.ts';
import type { CallerGone, Carrier, Credential, GoneListener, UpstreamCall, WholeAnswer } from './ports.ts';
import { shareKeyOf } from './share-key.ts';

/** Whoever asks first goes for all who come before the answer of the one before; see {@link createSharedAsk}. */
export type SharedAsk = (call: UpstreamCall, credential: Credential, maxBytes: number) => Promise<WholeAnswer>;

/** One call for all who wait for it. It is cancelled when the last of them has gone; it is its call's caller. */
class AskFlight implements CallerGone {
  readonly answer = Promise.withResolvers<WholeAnswer>();
  aborted = false;
  readonly #listeners = new Set<GoneListener>();
  #waiting = 0;

  constructor() {
    // Told to each member; nobody may be left.
    this.answer.promise.catch(() => undefined);
  }

  async join({ signal, method }: UpstreamCall): Promise<WholeAnswer> {
    const gone = Promise.withResolvers<never>();
    const leave = (): void => {
      gone.reject(failureToError({ sent: 'not_sent', kind: 'aborted', reason: 'the caller went away' }, method));
      this.#waiting -= 1;
      if (this.#waiting > 0) return;
      this.aborted = true;
      const event = new Event('abort');
      for (const listener of this.#listeners) listener.handleEvent(event);
    };
    const listener: GoneListener = { handleEvent: leave };
    this.#waiting += 1;
    signal.addEventListener('abort', listener);
    if (signal.aborted) leave();
    try {
      return await Promise.race([this.answer.promise, gone.promise]);
    } finally {
      signal.removeEventListener('abort', listener);
    }
  }

  addEventListener(_type: 'abort', listener: GoneListener): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: GoneListener): void {
    this.#listeners.delete(listener);
  }
}

/** The call under way for a key, and the one that follows. */
interface Pair {
  next: { readonly flight: AskFlight; readonly begin: () => void } | null;
}

/**
 * Shares whole answers as the carrier shares streamed ones with `join: next`: at most one call per account, target and Accept
 * is under way, and whoever comes meanwhile waits for the next one, so that no answer is older than its question.
 */
export function createSharedAsk(carrier: Pick<Carrier, 'ask'>, epoch: (queue: string) => string): SharedAsk {
  const running = new Map<string, Pair>();

  return (call, credential, maxBytes) => {
    const shared = shareKeyOf(call, [], epoch(call.queue));
    if (shared === null) return carrier.ask(call, credential, maxBytes);
    const key = `${maxBytes} ${shared}`;

    const go = async (flight: AskFlight): Promise<void> => {
      try {
        flight.answer.resolve(await carrier.ask({ ...call, signal: flight }, credential, maxBytes));
      } catch (error) {
        flight.answer.reject(error);
      }
      const { next } = running.get(key) ?? { next: null };
      if (next === null) {
        running.delete(key);
        return;
      }
      running.set(key, { next: null });
      next.begin();
    };
    const launch = (): { readonly flight: AskFlight; readonly begin: () => void } => {
      const flight = new AskFlight();
      return { flight, begin: () => void go(flight) };
    };

    const pair = running.get(key);
    if (pair !== undefined) {
      pair.next ??= launch();
      return pair.next.flight.join(call);
    }
    running.set(key, { next: null });
    const { flight, begin } = launch();
    const joined = flight.join(call);
    begin();
    return joined;
  };
}
