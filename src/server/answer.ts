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

/** Answers with JSON that no cache may keep. */
export function answerJson(
  res: ServerResponse,
  status: number,
  contentType: string,
  body: unknown,
  headOnly = false,
): void {
  const text = `${JSON.stringify(body)}\n`;
  res.statusCode = status;
  res.setHeader('Content-Type', contentType);
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.setHeader('Cache-Control', 'no-store');
  res.end(headOnly ? undefined : text);
}

/** Answers with a problem document, or cuts the connection when an answer has already begun. */
export function answerError(
  res: ServerResponse,
  error: GatewayError,
  requestId: string,
  options: { vendorShape: boolean; headOnly: boolean },
): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  if (error.retryAfter !== undefined) res.setHeader('Retry-After', String(error.retryAfter));
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value);
  answerJson(
    res,
    error.status,
    'application/problem+json',
    problemOf(error, requestId, options.vendorShape),
    options.headOnly,
  );
}
