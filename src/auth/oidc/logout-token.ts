import type { JWTVerifyGetKey } from 'jose';
import type { OidcConfig } from '../../config/index.ts';
import type { Clock, WebRequest } from '../../kernel/index.ts';
import { isObject } from './provider-calls.ts';
import { TokenRefused, typeOf, verifyToken } from './verify-token.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const MAX_TOKEN = 16_384;
/** Milliseconds; a logout token is delivered at once, and its `jti` must be remembered for as long as it could come again. */
const MAX_AGE = 600_000;

/** A logout token that passed every check but that of its first use. */
export interface LogoutToken {
  readonly jti: string;
  /** Names of the sessions to end. */
  readonly keys: readonly string[];
  /** Milliseconds that the `jti` must be remembered. */
  readonly lifeMs: number;
}

/** The names of a session at an OIDC provider, as back-channel logout says them. */
export const sessionKey = {
  sid: (sid: string): string => `sid:${sid}`,
  sub: (sub: string): string => `sub:${sub}`,
};

const filled = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/**
 * Verifies a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). Throws {@link TokenRefused},
 * ProviderUnreachable.
 */
export async function checkLogoutToken(
  request: WebRequest,
  config: OidcConfig,
  keys: JWTVerifyGetKey,
  clock: Clock,
): Promise<LogoutToken> {
  const [token, ...more] = request.form.getAll('logout_token');
  if (request.method !== 'POST' || token === undefined || more.length > 0 || token.length > MAX_TOKEN) {
    throw new TokenRefused('the request does not carry exactly one logout token');
  }
  const { issuer, clientId, algorithms, clockSkew } = config;
  const required = ['iat', 'exp', 'jti', 'events'];
  const checks = { issuer, audience: [clientId], algorithms, clockSkew, required };
  const { header, claims } = await verifyToken(token, keys, checks, clock);
  // Providers that are older than the explicit type write JWT or nothing.
  if (!['', 'jwt', 'logout+jwt'].includes(typeOf(header))) throw new TokenRefused('it is another kind of token');
  const { events, nonce, jti } = claims;
  if (!isObject(events) || !isObject(events[EVENT])) throw new TokenRefused('it is not about a back-channel logout');
  if (nonce !== undefined) throw new TokenRefused('a logout token must not have a nonce');
  const id = filled(jti);
  if (id === null) throw new TokenRefused('jti is empty');
  if (Number(claims.iat) * 1000 < clock.now() - MAX_AGE - clockSkew) throw new TokenRefused('it is too old');
  return { jti: id, keys: [keyOf(claims.sid, claims.sub)], lifeMs: MAX_AGE + 2 * clockSkew };
}

function keyOf(sid: unknown, sub: unknown): string {
  const session = filled(sid);
  if (session !== null) return sessionKey.sid(session);
  const subject = filled(sub);
  if (subject === null) throw new TokenRefused('it names neither a session nor a subject');
  return sessionKey.sub(subject);
}
