import { Client, type Dispatcher } from 'undici';
import { type Clock, messageOf } from '../kernel/index.ts';
import { codeOf, kindOf, type SendFailure, UpstreamFailure } from './failure.ts';
import type { Opened } from './open-socket.ts';

/** Opens a socket for a call that the gateway makes for itself. */
export type Opener = (done: (error: UpstreamFailure | null, opened: Opened | null) => void) => void;

/** A call of the gateway's own whose answer fits into memory. */
export interface SmallCall {
  readonly origin: string;
  readonly open: Opener;
  readonly client: Client.Options;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer | null;
  /** Milliseconds for all of it. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

export type SmallAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly contentType: string;
      readonly body: Buffer;
      /** Pin of the key of the server that answered; null on plain HTTP. */
      readonly pin: string | null;
    }
  | { readonly kind: 'failed'; readonly failure: SendFailure };

/** Answers of the gateway's own calls are small; a longer one is nonsense. */
const MAX_ANSWER = 64 * 1024;

/**
 * Makes one call on a connection of its own, which is closed afterwards. Never rejects. The answer is bounded to
 * 64 KiB; a longer one is a failure of kind `invalid`.
 */
export function callOnce(call: SmallCall): Promise<SmallAnswer> {
  return new Promise((resolve) => {
    let pin: string | null = null;
    let sent = false;
    let begun = false;
    let status = 0;
    let contentType = '';
    let size = 0;
    const chunks: Buffer[] = [];
    const connect: NonNullable<Client.Options['connect']> = (_options, callback) => {
      call.open((error, opened) => {
        if (opened === null) return callback(error ?? new UpstreamFailure('connect', 'no connection'), null);
        pin = opened.seen?.pin ?? null;
        callback(null, opened.socket);
      });
    };
    const client = new Client(call.origin, { ...call.client, connect, pipelining: 1, allowH2: false });
    client.on('error' as 'drain', () => undefined);

    const finish = (answer: SmallAnswer): void => {
      timer[Symbol.dispose]();
      call.signal?.removeEventListener('abort', onAbort);
      resolve(answer);
      client.destroy(null, () => undefined);
    };
    const fail = (error: unknown): void => {
      const kind = kindOf(error);
      const code = codeOf(error);
      const reason = code === '' ? messageOf(error) : `${code}: ${messageOf(error)}`;
      const failure: SendFailure = sent
        ? { sent: 'possibly_sent', kind, reason, answerBegun: begun, reused: false }
        : { sent: 'not_sent', kind, reason };
      finish({ kind: 'failed', failure });
    };
    const onAbort = (): void => fail(new UpstreamFailure('aborted', 'given up'));
    const timer = call.clock.after(call.timeout, () => {
      fail(new UpstreamFailure('timeout', `no complete answer within ${call.timeout} ms`));
    });
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {
        sent = true;
      },
      onResponseStart(_controller, code, headers) {
        begun = true;
        status = code;
        contentType = String(headers['content-type'] ?? '');
      },
      onResponseData(_controller, chunk) {
        size += chunk.length;
        if (size > MAX_ANSWER) fail(new UpstreamFailure('invalid', `the answer is longer than ${MAX_ANSWER} bytes`));
        else chunks.push(chunk);
      },
      onResponseEnd() {
        if (status < 200 || status > 599) return fail(new UpstreamFailure('invalid', `status ${status}`));
        finish({ kind: 'answer', status, contentType, body: Buffer.concat(chunks), pin });
      },
      onResponseError: (_controller, error) => fail(error),
    };
    if (call.signal?.aborted) return onAbort();
    call.signal?.addEventListener('abort', onAbort, { once: true });
    const { path, method, headers, body } = call;
    client.dispatch({ path, method, headers, body }, handler);
  });
}

/** The body as a JSON object, or null when it is none. */
export function jsonObject(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Describes an answer that is not the expected JSON, for people: HTML is what a wrong port or a proxy sends. */
export function describeNonJson(contentType: string, status: number): string {
  const type =
    contentType
      .split(';')[0]
      ?.trim()
      .slice(0, 64)
      .replace(/[^\x20-\x7e]/g, '?') ?? '';
  if (type === 'text/html')
    return `an HTML page (status ${status}) instead of JSON; the URL may not be vovserver’s web port`;
  return `status ${status} with ${type === '' ? 'no content type' : type} instead of JSON`;
}
