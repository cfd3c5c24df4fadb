import { GatewayError } from '../kernel/index.ts';
import type { PresentedCredential } from './ports.ts';
import { malformedCredential } from './refusals.ts';

const BEARER = /^bearer(?: +|: ?)([A-Za-z0-9\-._~+/]+=*) *$/i;
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i;
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * Reads the Authorization header out of the raw header list: `Bearer x` (RFC 6750), `Bearer:x` (the vendor's tutorial,
 * page 20) or Basic with the token as the password (RFC 7617). Null when there is none; throws GW_BAD_REQUEST for more
 * than one and GW_UNAUTHENTICATED for one that cannot be read.
 */
export function readCredential(rawHeaders: readonly string[]): PresentedCredential | null {
  const value = authorizationOf(rawHeaders);
  if (value === null) return null;
  const bearer = BEARER.exec(value)?.[1];
  if (bearer !== undefined) return { scheme: 'bearer', username: null, token: bearer };
  const basic = BASIC.exec(value)?.[1];
  if (basic === undefined) throw malformedCredential();
  return readBasic(basic);
}

function authorizationOf(rawHeaders: readonly string[]): string | null {
  let value: string | null = null;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length !== 13 || name.toLowerCase() !== 'authorization') continue;
    if (value !== null) throw new GatewayError('GW_BAD_REQUEST', 'There is more than one Authorization header.');
    value = rawHeaders[at + 1] ?? '';
  }
  return value;
}

function readBasic(encoded: string): PresentedCredential {
  const bytes = Buffer.from(encoded, 'base64');
  const text = bytes.toString('utf8');
  const colon = text.indexOf(':');
  const canonical = bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '');
  if (!canonical || colon === -1 || CONTROL.test(text) || text.includes('\ufffd')) throw malformedCredential();
  return { scheme: 'basic', username: text.slice(0, colon), token: text.slice(colon + 1) };
}
