import { decodeJwt, decodeProtectedHeader } from 'jose';
import { TokenRefused } from '../oidc/verify-token.ts';

/** What a token looks like before anything of it is believed. */
export type BearerForm = { readonly kind: 'jwt'; readonly issuer: string } | { readonly kind: 'opaque' };

const MAX_TOKEN = 8192;
/** RFC 6750, section 2.1. */
const FORM = /^[A-Za-z0-9._~+/-]+=*$/;

/** Looks at a token; touches nothing. Throws {@link TokenRefused} for what no provider issues. */
export function bearerForm(token: string): BearerForm {
  if (token.length > MAX_TOKEN) throw new TokenRefused('the token is longer than 8 KiB');
  if (!FORM.test(token)) throw new TokenRefused('the token has characters that no token has');
  if (!isSigned(token)) return { kind: 'opaque' };
  try {
    const { iss } = decodeJwt(token);
    if (typeof iss === 'string') return { kind: 'jwt', issuer: iss };
  } catch (error) {
    throw new TokenRefused('the claims of the token cannot be read', { cause: error });
  }
  throw new TokenRefused('the token names no issuer');
}

function isSigned(token: string): boolean {
  if (token.split('.').length !== 3) return false;
  try {
    return decodeProtectedHeader(token).alg !== undefined;
  } catch {
    return false;
  }
}
