import type { SubmissionWay } from '../jobs/index.ts';
import { type Account, GatewayError } from '../kernel/index.ts';
import type { Broker } from '../tokens/index.ts';
import type { CallerGone, Carrier, UpstreamCall } from '../upstream/index.ts';

/** An answer to a submission or to a question about jobs is kept up to this size. */
const ANSWER_BYTES = 4_194_304;

/** Aborts when one of both does; disposing it only stops the listening. */
function eitherOf(...both: readonly CallerGone[]): Disposable & { readonly signal: CallerGone } {
  const ends = new AbortController();
  const listener = { handleEvent: (): void => ends.abort() };
  for (const one of both) {
    if (one.aborted) ends.abort();
    else one.addEventListener('abort', listener);
  }
  return {
    signal: ends.signal,
    [Symbol.dispose]() {
      for (const one of both) one.removeEventListener('abort', listener);
    },
  };
}

/** True when the call ended before anything of it was sent. */
const unsent = (error: unknown): boolean => error instanceof GatewayError && error.status === 503;

const takenOver = (cause: unknown): GatewayError =>
  new GatewayError('GW_KEY_IN_PROGRESS', 'Another replica goes on with this submission.', { retryAfter: 2, cause });

/**
 * The way to vovserver of one submission or control call, as its account: to send it once, and to ask about jobs. A caller
 * that goes away, and a submission that was lost, end what still waits; what may have been executed is carried to its end.
 */
export function createJobWay(carrier: Carrier, broker: Broker, call: UpstreamCall, account: Account): SubmissionWay {
  const credential = broker.credentialFor(account);
  return {
    async send(bytes, lost) {
      using ends = lost === undefined ? eitherOf(call.signal) : eitherOf(call.signal, lost);
      const sending = { ...call, body: { kind: 'bytes', bytes }, signal: ends.signal, seeThrough: true } as const;
      try {
        return await carrier.ask(sending, credential, ANSWER_BYTES);
      } catch (error) {
        if (lost?.aborted === true && unsent(error)) throw takenOver(error);
        throw error;
      }
    },
    gone: () => call.signal.aborted,
    read(target) {
      // What is asked for the sake of a kill must not wait behind reads.
      const cls = call.class === 'control' ? 'control' : 'read';
      const question = { ...call, method: 'GET', target, route: 'jobs', class: cls } as const;
      return carrier.ask({ ...question, rawHeaders: [], body: { kind: 'none' } }, credential, ANSWER_BYTES);
    },
  };
}
