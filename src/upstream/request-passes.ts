import { GatewayError } from '../kernel/index.ts';
import type { UpstreamCall, UpstreamToken } from './ports.ts';

/** A request on its way up: what came from the caller, and the header list (name, value, name, value, …) that will go. */
export interface RequestDraft {
  readonly call: UpstreamCall;
  readonly token: UpstreamToken;
  readonly form: 'colon' | 'space';
  readonly headers: string[];
}

/** One step that every request passes; throws GatewayError to refuse it. */
export type RequestPass = (draft: RequestDraft) => void;

/** `list`: several lines may be joined by a comma; `single`: a second line makes the message ambiguous. */
const ALLOWED: ReadonlyMap<string, 'list' | 'single'> = new Map([
  ['accept', 'list'],
  ['accept-language', 'list'],
  ['content-type', 'single'],
  ['if-none-match', 'list'],
  ['if-modified-since', 'single'],
  ['prefer', 'list'],
  ['user-agent', 'single'],
]);

/** Bounded: header names in the spelling that callers use, so that most need no lower-casing. */
const spelling = new Map<string, string>();

function lowerCase(name: string): string {
  let lower = spelling.get(name);
  if (lower === undefined) {
    lower = name.toLowerCase();
    if (spelling.size < 256) spelling.set(name, lower);
  }
  return lower;
}

function addAllowed(headers: string[], name: string, value: string): void {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] !== name) continue;
    if (ALLOWED.get(name) === 'single') {
      throw new GatewayError('GW_BAD_REQUEST', `The header ${name} stands in the request more than once.`);
    }
    headers[at + 1] = `${headers[at + 1]}, ${value}`;
    return;
  }
  headers.push(name, value);
}

/**
 * Takes from the caller's headers what vovserver needs and nothing else. An allow-list, so that all of these stay
 * behind without being named: Authorization and Cookie, hop-by-hop fields (RFC 9110 §7.6.1), TE and Trailer,
 * Forwarded and X-Forwarded-* (GHSA-7x63-xv5r-3p2x), X-Original-* and X-Rewrite-*, method overrides, Expect, and
 * twins with an underscore (CVE-2025-64484).
 */
export function takeAllowed({ call, headers }: RequestDraft): void {
  const raw = call.rawHeaders;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = lowerCase(raw[at] ?? '');
    if (ALLOWED.has(name)) addAllowed(headers, name, raw[at + 1] ?? '');
  }
}

/** Drops what the caller's `Connection` header names: meant for the next hop only (RFC 9110 §7.6.1). */
export function dropConnectionNamed({ call, headers }: RequestDraft): void {
  const raw = call.rawHeaders;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (lowerCase(raw[at] ?? '') !== 'connection') continue;
    const value = raw[at + 1] ?? '';
    if (value === 'keep-alive' || value === 'close') continue;
    const named = new Set(value.split(',').map((name) => name.trim().toLowerCase()));
    for (let out = headers.length - 2; out >= 0; out -= 2) {
      if (named.has(headers[out] ?? '')) headers.splice(out, 2);
    }
  }
}

/** States the length of a streamed body when the caller stated it; other lengths are counted (RFC 9112 §6.3, CL.TE). */
export function stateLength({ call: { body }, headers }: RequestDraft): void {
  if (body.kind !== 'stream') return;
  const stated = body.stream.headers['content-length'];
  if (stated === undefined) return;
  if (!/^\d{1,15}$/.test(stated)) throw new GatewayError('GW_BAD_REQUEST', 'The header Content-Length is no number.');
  if (Number(stated) > body.maxBytes) throw bodyTooLarge(body.maxBytes);
  headers.push('content-length', stated);
}

/** Asks for an unencoded answer, so that no compression bomb is ever asked for and bodies pass as they are. */
export function askIdentity({ headers }: RequestDraft): void {
  headers.push('accept-encoding', 'identity');
}

/** Sets the JWT: `Bearer:jwt`, the vendor's documented colon form, or `Bearer jwt` (RFC 6750) by configuration. */
export function authorize({ token, form, headers }: RequestDraft): void {
  headers.push('authorization', `${token.tokenType}${form === 'colon' ? ':' : ' '}${token.accessToken.reveal()}`);
}

/** Sets the gateway's own request id and W3C trace context, never the caller's unchecked ones. */
export function trace({ call, headers }: RequestDraft): void {
  headers.push('x-request-id', call.requestId, 'traceparent', call.traceparent);
}

/** The passes in their order. Host is set by the connection itself and is always the server's own. */
export const requestPasses: readonly RequestPass[] = [
  takeAllowed,
  dropConnectionNamed,
  stateLength,
  askIdentity,
  authorize,
  trace,
];

/** The refusal of a body beyond its limit in bytes. */
export function bodyTooLarge(maxBytes: number): GatewayError {
  return new GatewayError('GW_BODY_TOO_LARGE', `The body exceeds the limit of ${maxBytes} bytes of this route.`);
}

/** Runs all passes and gives the header list for vovserver. Throws GatewayError. */
export function passRequest(call: UpstreamCall, token: UpstreamToken, form: 'colon' | 'space'): string[] {
  const draft: RequestDraft = { call, token, form, headers: [] };
  for (const pass of requestPasses) pass(draft);
  return draft.headers;
}
