import type { WebAnswer, WebRequest } from '../../kernel/index.ts';
import type { AccessTokenInfo, Caller } from '../ports.ts';
import { missingToken } from '../refusals.ts';
import { oauthJson } from './oauth-error.ts';
import { CLIENT_ID, required } from './oauth-form.ts';
import type { OAuthParts } from './routes.ts';

/** POST /oauth/revoke (RFC 7009): who holds a token may end it; an unknown one has ended already. */
export async function revokeToken({ tokens }: OAuthParts, request: WebRequest): Promise<WebAnswer> {
  const info = await tokens.inspect(required(request, 'token'));
  if (info !== null) await tokens.revoke(info.id);
  return oauthJson({});
}

/** POST /oauth/introspect (RFC 7662): one's own tokens, for operators and admins everybody's; nothing is said of others. */
export async function introspectToken(
  parts: OAuthParts,
  request: WebRequest,
  caller: Caller | null,
): Promise<WebAnswer> {
  if (caller === null) throw missingToken();
  const info = await parts.tokens.inspect(required(request, 'token'));
  if (info === null || !maySee(caller, info)) return oauthJson({ active: false });
  const seconds = (ms: number): number => Math.floor(ms / 1000);
  return oauthJson({
    active: true,
    scope: info.scopes.join(' '),
    client_id: CLIENT_ID,
    username: info.user,
    token_type: 'Bearer',
    exp: seconds(info.expiresAt),
    iat: seconds(info.createdAt),
    sub: info.subject,
    iss: parts.publicUrl(request),
    jti: info.id,
  });
}

function maySee({ identity }: Caller, info: AccessTokenInfo): boolean {
  return info.subject === identity.subject || identity.roles.some((role) => role === 'operator' || role === 'admin');
}
