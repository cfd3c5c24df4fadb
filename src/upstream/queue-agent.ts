import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { GatewayError } from '../kernel/index.ts';
import type { UpstreamRecord } from '../observe/index.ts';
import { codeOf, failureToError, kindOf, type SendFailure, UpstreamFailure } from './failure.ts';
import type { QueueAgent } from './ports.ts';
import type { QueueLink } from './queue-link.ts';

type Created = (error: Error | null, stream: Duplex) => void;
type Connect = (done: Created) => void;

// No connection is kept: each request then has a handshake of its own that the policy judges, and a stray reply of one
// request can never be the next one's.
const ONCE = { keepAlive: false } as const;

class PlainAgent extends HttpAgent {
  readonly #connect: Connect;

  constructor(connect: Connect) {
    super(ONCE);
    this.#connect = connect;
  }

  override createConnection(_options: ClientRequestArgs, done?: Created): undefined {
    if (done !== undefined) this.#connect(done);
  }
}

class SecureAgent extends HttpsAgent {
  readonly #connect: Connect;

  constructor(connect: Connect) {
    super({ ...ONCE, maxCachedSessions: 0 });
    this.#connect = connect;
  }

  override createConnection(_options: ClientRequestArgs, done?: Created): undefined {
    if (done !== undefined) this.#connect(done);
  }
}

/** What became of a request whose error this is, for the caller and for the metrics. */
export function judgeError(
  error: unknown,
  answerBegun: boolean,
): { readonly error: GatewayError; readonly result: UpstreamRecord['result'] } {
  const kind = kindOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const reason = codeOf(error) === '' ? message : `${codeOf(error)}: ${message}`;
  const early = error instanceof UpstreamFailure && (kind === 'connect' || kind === 'tls');
  const failure: SendFailure = early
    ? { sent: 'not_sent', kind, reason }
    : { sent: 'possibly_sent', kind, reason, answerBegun, reused: false };
  return { error: failureToError(failure, 'GET'), result: kind === 'untrusted' ? 'connect' : kind };
}

const agents = new WeakMap<object, QueueAgent>();

/**
 * The agent for Node's own HTTP client that reaches the server of a queue in use now, under its TLS policy. Another
 * server, configuration or TLS file means another agent, so it is asked for with each request. Throws GatewayError when
 * the server failed its policy or is known to be another queue.
 */
export async function agentFor(link: QueueLink): Promise<QueueAgent> {
  if (!link.steady) await link.admit(null);
  const { line, config } = link;
  await line.admitPassword();
  const known = agents.get(line);
  if (known !== undefined) return known;
  const connect: Connect = (done) =>
    line.openAside((error, opened) => {
      if (opened !== null) return done(null, opened.socket);
      // The type has no place for “no socket”; with an error Node does not look at it.
      done(error ?? new UpstreamFailure('connect', 'no connection'), undefined as unknown as Duplex);
    });
  const agent = line.origin.startsWith('https:') ? new SecureAgent(connect) : new PlainAgent(connect);
  const made: QueueAgent = { agent, origin: line.origin, timeouts: config.timeouts };
  agents.set(line, made);
  return made;
}
