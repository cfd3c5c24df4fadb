import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { OidcConfig } from '../../config/index.ts';
import type { Clock } from '../../kernel/index.ts';
import { TokenRefused, typeOf, verifyToken } from './verify-token.ts';

/** Claims of an ID token that is good for this sign-in. */
export interface IdTokenClaims extends JWTPayload {
  readonly sub: string;
}

/**
 * Verifies an ID token whole, signature included (OpenID Connect Core 1.0, section 3.1.3.7). openid-client has compared the
 * claims already, but leaves the signature of a token that came straight from the token endpoint. Throws
 * {@link TokenRefused}, ProviderUnreachable.
 */
export async function checkIdToken(
  token: string,
  nonce: string,
  config: OidcConfig,
  keys: JWTVerifyGetKey,
  clock: Clock,
): Promise<IdTokenClaims> {
  const { issuer, clientId, algorithms, clockSkew } = config;
  const required = ['sub', 'exp', 'iat', 'nonce'];
  const checks = { issuer, audience: [clientId], algorithms, clockSkew, required };
  const { header, claims } = await verifyToken(token, keys, checks, clock);
  if (!['', 'jwt'].includes(typeOf(header)))
    throw new TokenRefused('the ID token says that it is another kind of token');
  if (claims.nonce !== nonce) throw new TokenRefused('the nonce is of another sign-in');
  const azp = claims.azp;
  if (azp !== undefined && azp !== clientId) throw new TokenRefused('azp names another client');
  if (Array.isArray(claims.aud) && claims.aud.length > 1 && azp === undefined) {
    throw new TokenRefused('several audiences without azp');
  }
  const { sub } = claims;
  if (typeof sub !== 'string' || sub === '') throw new TokenRefused('sub is empty');
  return { ...claims, sub };
}
