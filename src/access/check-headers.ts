import { GatewayError } from '../kernel/index.ts';

const DEFAULT_LIMITS = { headerCount: 100 };
const METHOD = /^[A-Z][A-Z-]{0,31}$/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE_REFUSED = /[\x00-\x08\x0a-\x1f\x7f]/;
const CONTENT_LENGTH = /^[0-9]{1,15}$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

interface Framing {
  host: number;
  contentLength: number;
  transferEncoding: number;
}

/**
 * Checks the head of one request in one pass over its raw headers (name, value, name, value, …): method, names, values,
 * Host (RFC 9112, section 3.2), framing (section 6: one plain Content-Length or exactly `chunked`, never both) and Expect.
 * Throws GW_BAD_REQUEST naming the field, or GW_HEADERS_TOO_LARGE when there are more than `headerCount`.
 */
export function checkHeaders(
  rawHeaders: readonly string[],
  method: string,
  httpVersion: string,
  limits: { readonly headerCount: number } = DEFAULT_LIMITS,
): void {
  if (!METHOD.test(method)) throw bad(`The method ${shown(method)} is not a method of HTTP.`);
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw bad(`HTTP version ${shown(httpVersion)} is not served.`);
  if (rawHeaders.length > 2 * limits.headerCount) {
    throw new GatewayError('GW_HEADERS_TOO_LARGE', `There are more than ${limits.headerCount} request headers.`);
  }
  const seen: Framing = { host: 0, contentLength: 0, transferEncoding: 0 };
  for (let at = 0; at < rawHeaders.length; at += 2) checkField(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '', seen);
  checkFraming(seen, httpVersion);
}

function checkField(name: string, value: string, seen: Framing): void {
  if (!FIELD_NAME.test(name)) throw bad(`The header name ${shown(name)} holds a character that is not allowed.`);
  if (FIELD_VALUE_REFUSED.test(value)) throw bad(`The header ${shown(name)} holds a control character.`);
  switch (name.toLowerCase()) {
    case 'host':
      seen.host++;
      if (!HOST.test(value)) throw bad('The Host header must be one host name or address with an optional port.');
      return;
    case 'content-length':
      seen.contentLength++;
      if (!CONTENT_LENGTH.test(value)) throw bad('Content-Length must be one plain decimal number.');
      return;
    case 'transfer-encoding':
      seen.transferEncoding++;
      if (value !== 'chunked') throw bad('Transfer-Encoding must be exactly "chunked".');
      return;
    case 'expect':
      if (value.toLowerCase() !== '100-continue') throw bad('Expect must be 100-continue or absent.');
      return;
  }
}

function checkFraming(seen: Framing, httpVersion: string): void {
  if (seen.host !== 1)
    throw bad(seen.host === 0 ? 'The Host header is missing.' : 'There is more than one Host header.');
  if (seen.contentLength > 1) throw bad('There is more than one Content-Length header.');
  if (seen.transferEncoding > 1) throw bad('There is more than one Transfer-Encoding header.');
  if (seen.transferEncoding === 0) return;
  if (seen.contentLength > 0) throw bad('Content-Length and Transfer-Encoding exclude each other.');
  if (httpVersion === '1.0') throw bad('Transfer-Encoding does not exist in HTTP/1.0.');
}

function bad(detail: string): GatewayError {
  return new GatewayError('GW_BAD_REQUEST', detail);
}

function shown(text: string): string {
  return `"${text.slice(0, 40).replace(/[^\x20-\x7e]/g, '?')}"`;
}
