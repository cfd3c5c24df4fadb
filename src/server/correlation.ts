import { randomBytes } from 'node:crypto';

const REQUEST_ID = /^[A-Za-z0-9_.-]{8,128}$/;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
/** Random bytes are drawn in stock: asking the system for a few at a time costs more than all the rest here. */
const STOCK_BYTES = 4096;

/** Makes and checks the ids that tie a request's traces together. */
export interface Correlation {
  /** The caller's X-Request-Id when it is 8 to 128 harmless characters, else a new one. */
  requestId(header: string | string[] | undefined): string;
  /** A W3C traceparent in the caller's trace with a span of this gateway, or in a new trace (W3C Trace Context, 3.2). */
  traceparent(header: string | string[] | undefined): string;
}

/** Creates a {@link Correlation}. */
export function createCorrelation(): Correlation {
  let stock = '';
  let at = 0;
  const hex = (length: number): string => {
    if (at + length > stock.length) {
      stock = randomBytes(STOCK_BYTES).toString('hex');
      at = 0;
    }
    at += length;
    return stock.slice(at - length, at);
  };
  return {
    requestId: (header) => (typeof header === 'string' && REQUEST_ID.test(header) ? header : hex(32)),
    traceparent(header) {
      const match = typeof header === 'string' ? TRACEPARENT.exec(header) : null;
      if (match !== null && match[1] !== NO_TRACE && match[2] !== NO_SPAN)
        return `00-${match[1]}-${hex(16)}-${match[3]}`;
      return `00-${hex(32)}-${hex(16)}-00`;
    },
  };
}
