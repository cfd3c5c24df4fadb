import type { SubmissionWay } from '../jobs/index.ts';
import type { Account } from '../kernel/index.ts';
import type { Broker } from '../tokens/index.ts';
import type { Carrier, UpstreamCall } from '../upstream/index.ts';

/** An answer to a submission or to a question about jobs is kept up to this size. */
const ANSWER_BYTES = 4_194_304;

/** The way to vovserver of one submission or control call, as its account: to send it once, and to ask about jobs. */
export function createJobWay(carrier: Carrier, broker: Broker, call: UpstreamCall, account: Account): SubmissionWay {
  const credential = broker.credentialFor(account);
  return {
    send: (bytes) => carrier.ask({ ...call, body: { kind: 'bytes', bytes } }, credential, ANSWER_BYTES),
    read: (target) => {
      const question = { ...call, method: 'GET', target, route: 'jobs', class: 'read' as const };
      return carrier.ask({ ...question, rawHeaders: [], body: { kind: 'none' } }, credential, ANSWER_BYTES);
    },
  };
}
