import { randomBytes, randomUUID } from 'node:crypto';

const REQUEST_ID = /^[A-Za-z0-9_.-]{8,128}$/;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);

/** The caller's X-Request-Id when it is 8 to 128 harmless characters, else a new one. */
export function requestIdFrom(header: string | string[] | undefined): string {
  return typeof header === 'string' && REQUEST_ID.test(header) ? header : randomUUID();
}

/** A W3C traceparent in the caller's trace with a span of this gateway, or in a new trace (W3C Trace Context, 3.2). */
export function traceparentFrom(header: string | string[] | undefined): string {
  const span = randomBytes(8).toString('hex');
  const match = typeof header === 'string' ? TRACEPARENT.exec(header) : null;
  if (match !== null && match[1] !== NO_TRACE && match[2] !== NO_SPAN) return `00-${match[1]}-${span}-${match[3]}`;
  return `00-${randomBytes(16).toString('hex')}-${span}-00`;
}
