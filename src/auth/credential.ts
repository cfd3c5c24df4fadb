import { GatewayError } from '../kernel/index.ts';
import type { PresentedCredential } from './ports.ts';

const REALM = 'Bearer realm="vov-gateway"';
/** `Bearer x`, and the colon form of the vendor's scripts (tutorial, getToken.py). */
const BEARER = /^bearer(?: +|: *)([^\s,]+)$/i;
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i;

/** 401 without a hint which part was wrong (RFC 6750, section 3.1). */
export function invalidToken(): GatewayError {
  return new GatewayError('GW_UNAUTHENTICATED', 'The access token is not valid.', {
    headers: { 'WWW-Authenticate': `${REALM}, error="invalid_token"` },
  });
}

/** 401 for a request that presents nothing. */
export function missingToken(): GatewayError {
  return new GatewayError('GW_UNAUTHENTICATED', 'Send an access token: Authorization: Bearer <token>.', {
    headers: { 'WWW-Authenticate': REALM },
  });
}

function fromBasic(encoded: string): PresentedCredential {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) throw invalidToken();
  return { scheme: 'basic', username: text.slice(0, colon), token: text.slice(colon + 1) };
}

/**
 * Reads the Authorization header from raw headers (name, value, …): `Bearer x`, `Bearer:x`, or Basic with the token as
 * the password. Null when there is none. Throws GW_BAD_REQUEST for several, GW_UNAUTHENTICATED for any other form.
 */
export function readCredential(rawHeaders: readonly string[]): PresentedCredential | null {
  let value: string | null = null;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length !== 13 || name.toLowerCase() !== 'authorization') continue;
    if (value !== null) throw new GatewayError('GW_BAD_REQUEST', 'There is more than one Authorization header.');
    value = rawHeaders[at + 1] ?? '';
  }
  if (value === null) return null;
  const token = BEARER.exec(value)?.[1];
  if (token !== undefined) return { scheme: 'bearer', username: null, token };
  const encoded = BASIC.exec(value)?.[1];
  if (encoded !== undefined) return fromBasic(encoded);
  throw invalidToken();
}
