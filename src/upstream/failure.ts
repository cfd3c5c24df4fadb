import { GatewayError } from '../kernel/index.ts';

/** Why a call got no usable answer; the words of the metric label. */
export type FailureKind = 'connect' | 'tls' | 'timeout' | 'reset' | 'invalid' | 'aborted' | 'wrong_queue' | 'untrusted';

/** No byte of the request left: whatever the method, it may be sent again. */
export interface NotSent {
  readonly sent: 'not_sent';
  readonly kind: FailureKind;
  readonly reason: string;
}

/** Bytes of the request may have left: only a safe method may be sent again (RFC 9110 §9.2.2). */
export interface PossiblySent {
  readonly sent: 'possibly_sent';
  readonly kind: FailureKind;
  readonly reason: string;
  /** True when the first byte of an answer had arrived. */
  readonly answerBegun: boolean;
  /** True when the connection had carried an answer before, so that the server may just have closed it. */
  readonly reused: boolean;
}

export type SendFailure = NotSent | PossiblySent;

/** An error with its kind, thrown into undici and met again in the error callback. */
export class UpstreamFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, reason: string) {
    super(reason);
    this.name = 'UpstreamFailure';
    this.kind = kind;
  }
}

const KIND_OF_CODE: Readonly<Record<string, FailureKind>> = {
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_ABORTED: 'aborted',
  UND_ERR_DESTROYED: 'reset',
  UND_ERR_CLOSED: 'reset',
  UND_ERR_INFO: 'reset',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'reset',
};

/** The code of a Node or undici error, or an empty string. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** The kind of an error from undici, from a socket or of our own, decided by type and code, never by text. */
export function kindOf(error: unknown): FailureKind {
  if (error instanceof UpstreamFailure) return error.kind;
  const code = codeOf(error);
  return KIND_OF_CODE[code] ?? (code.startsWith('ERR_SSL_') ? 'tls' : 'invalid');
}

/** True for methods that change nothing (RFC 9110 §9.2.1) and may therefore be sent a second time. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/** Seconds that a caller is asked to wait while vovserver is away. */
const RETRY_AFTER_DOWN = 5;

/** vovserver failed a call whose caller had left; it went on all the same, so the failure is none of the caller's. */
export class FailedUnheard extends GatewayError {
  constructor({ code, detail, internal }: GatewayError) {
    super(code, detail, internal === undefined ? {} : { internal });
  }
}

function notSentError({ kind, reason }: NotSent): GatewayError {
  const internal = reason;
  if (kind === 'tls') {
    return new GatewayError('GW_UPSTREAM_TLS', 'vovserver failed the TLS policy of this queue; nothing was sent.', {
      internal,
    });
  }
  if (kind === 'invalid') {
    return new GatewayError(
      'GW_UPSTREAM_INVALID',
      'The request could not be sent to vovserver; nothing was executed.',
      {
        internal,
      },
    );
  }
  const detail =
    kind === 'timeout'
      ? 'No connection to vovserver became free in time; nothing was executed.'
      : 'vovserver is not reachable; nothing was executed.';
  return new GatewayError('GW_UPSTREAM_DOWN', detail, { internal, retryAfter: RETRY_AFTER_DOWN });
}

/** The answer that the caller gets for a failed call: 503 or 502 when nothing was sent, 504 when the outcome is unknown. */
export function failureToError(failure: SendFailure, method: string): GatewayError {
  if (failure.sent === 'not_sent') return notSentError(failure);
  const internal = failure.reason;
  if (!isSafe(method)) {
    const detail = `vovserver may have executed this ${method}, but its answer was lost. It was not sent again.`;
    return new GatewayError('GW_OUTCOME_UNKNOWN', detail, { internal });
  }
  if (failure.kind === 'tls') {
    return new GatewayError('GW_UPSTREAM_TLS', 'vovserver failed the TLS policy of this queue.', { internal });
  }
  if (failure.kind === 'timeout' || failure.kind === 'aborted') {
    return new GatewayError('GW_UPSTREAM_TIMEOUT', 'vovserver did not answer within the time limit.', { internal });
  }
  if (failure.kind === 'reset' && !failure.answerBegun) {
    const detail = 'vovserver closed the connection without an answer.';
    return new GatewayError('GW_UPSTREAM_DOWN', detail, { internal, retryAfter: RETRY_AFTER_DOWN });
  }
  const detail = failure.answerBegun
    ? 'The answer of vovserver was no valid HTTP or ended early.'
    : 'vovserver closed the connection without an answer.';
  return new GatewayError('GW_UPSTREAM_INVALID', detail, { internal });
}
