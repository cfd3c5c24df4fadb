import type { ServerResponse } from 'node:http';
import { ERROR_CODES, type GatewayError } from '../kernel/index.ts';

/** What the problem document of an error holds (RFC 9457), with the vendor's `error` string under /api/. */
export function problemOf(error: GatewayError, requestId: string, vendorShape: boolean): Record<string, unknown> {
  return {
    type: `urn:vov-gateway:error:${error.code}`,
    title: ERROR_CODES[error.code].title,
    status: error.status,
    detail: error.detail,
    code: error.code,
    request_id: requestId,
    ...(vendorShape ? { error: error.detail } : {}),
  };
}

/**
 * Answers with JSON that no cache may keep. `head` holds further header fields: name, value, … Gives the bytes of the body.
 */
export function answerJson(
  res: ServerResponse,
  head: readonly string[],
  status: number,
  contentType: string,
  body: unknown,
  headOnly = false,
): number {
  const text = `${JSON.stringify(body)}\n`;
  const length = Buffer.byteLength(text);
  const cache = head.includes('Cache-Control') ? [] : ['Cache-Control', 'no-store'];
  res.writeHead(status, [...head, 'Content-Type', contentType, 'Content-Length', String(length), ...cache]);
  res.end(headOnly ? undefined : text);
  return headOnly ? 0 : length;
}

/** Seconds until a retry where nobody knows better: somebody has to mend it, or soon will have. */
const RETRY_AFTER = '30';

/** Value of Retry-After, which every 429 and 503 has (RFC 9110, 15.6.4; RFC 6585, 4); undefined for others that name none. */
export function retryAfterOf(error: GatewayError): string | undefined {
  const mayRetry = error.status === 429 || error.status === 503;
  return error.retryAfterField ?? (mayRetry ? RETRY_AFTER : undefined);
}

/** Answers with a problem document, or cuts the connection when an answer has already begun. Gives the bytes of the body. */
export function answerError(
  res: ServerResponse,
  head: readonly string[],
  error: GatewayError,
  requestId: string,
  options: { vendorShape: boolean; headOnly: boolean },
): number {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return 0;
  }
  const own = Object.entries(error.headers).flat();
  const retryAfter = retryAfterOf(error);
  if (retryAfter !== undefined) own.push('Retry-After', retryAfter);
  const problem = problemOf(error, requestId, options.vendorShape);
  return answerJson(res, [...head, ...own], error.status, 'application/problem+json', problem, options.headOnly);
}

/** A whole answer of vovserver, or what is shown of it. */
export interface SeenAnswer {
  readonly status: number;
  /** Name, value, …; without Content-Length and Transfer-Encoding. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Writes a whole answer with the caller's own head. Gives the bytes of its body. */
export function answerWhole(res: ServerResponse, head: readonly string[], answer: SeenAnswer): number {
  const { status, headers, body } = answer;
  res.writeHead(status, [...head, ...headers, 'Content-Length', String(body.length)]);
  res.end(body);
  return body.length;
}
