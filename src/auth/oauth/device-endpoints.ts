import type { WebAnswer, WebRequest } from '../../kernel/index.ts';
import { OAuthError, oauthJson } from './oauth-error.ts';
import { askedScopes, checkClient, parameter, required } from './oauth-form.ts';
import type { OAuthParts } from './routes.ts';

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** POST /oauth/device_authorization (RFC 8628, section 3.1); `host` names the asking machine to whoever approves. */
export async function authorizeDevice(parts: OAuthParts, request: WebRequest): Promise<WebAnswer> {
  checkClient(request);
  const { providers, device } = parts.config().signIn;
  if (providers.length === 0) {
    throw new OAuthError(
      'unsupported_grant_type',
      'Nobody can sign in here to approve a login: no identity provider is configured. ' +
        'Ask the administrator for an access token (vovgw token create).',
    );
  }
  const scopes = askedScopes(request, device.scopes);
  const host = parameter(request, 'host') ?? '';
  const start = await parts.devices.start({ scopes, host, address: request.address });
  const page = `${parts.publicUrl(request)}/ui/device`;
  return oauthJson({
    device_code: start.deviceCode.reveal(),
    user_code: start.userCode,
    verification_uri: page,
    verification_uri_complete: `${page}?user_code=${start.userCode}`,
    expires_in: start.expiresIn,
    interval: start.interval,
  });
}

const REASONS = {
  authorization_pending: 'Nobody has decided on the code yet.',
  slow_down: 'The polls come too fast; wait 5 s more between them.',
  access_denied: 'The login was refused in the browser.',
  expired_token: 'The code has expired; begin again.',
  invalid_grant: 'There is no such device code, or its token was handed out already.',
} as const;

/** POST /oauth/token for the device grant (RFC 8628, section 3.4); the token is handed out once over all replicas. */
export async function grantToken(parts: OAuthParts, request: WebRequest): Promise<WebAnswer> {
  const grant = required(request, 'grant_type');
  if (grant !== DEVICE_GRANT) {
    throw new OAuthError('unsupported_grant_type', `The only grant_type is ${DEVICE_GRANT}.`);
  }
  checkClient(request);
  const answer = await parts.devices.poll(required(request, 'device_code'), request.requestId);
  if (answer.kind !== 'granted') throw new OAuthError(answer.kind, REASONS[answer.kind]);
  const { token, info } = answer;
  return oauthJson({
    access_token: token.reveal(),
    token_type: 'Bearer',
    expires_in: Math.floor((info.expiresAt - parts.clock.now()) / 1000),
    scope: info.scopes.join(' '),
  });
}
