import { SCOPES, type WebAnswer, type WebRequest } from '../../kernel/index.ts';
import { DEVICE_GRANT } from './device-endpoints.ts';
import type { OAuthParts } from './routes.ts';

/** GET /.well-known/oauth-authorization-server (RFC 8414, with RFC 8628, section 4). */
export function serverMetadata({ config, publicUrl }: OAuthParts, request: WebRequest): WebAnswer {
  const issuer = publicUrl(request);
  const { providers, device } = config().signIn;
  const grants = providers.length === 0 ? [] : [DEVICE_GRANT];
  const body = {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    device_authorization_endpoint: `${issuer}/oauth/device_authorization`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    grant_types_supported: grants,
    // There is no authorization endpoint, but the member is required.
    response_types_supported: [],
    scopes_supported: device.scopes,
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    introspection_endpoint_auth_methods_supported: ['Bearer'],
  };
  return { kind: 'json', body };
}

/** GET /.well-known/oauth-protected-resource (RFC 9728) of the resource at `path`. */
export function resourceMetadata({ publicUrl }: OAuthParts, request: WebRequest, path: string): WebAnswer {
  const issuer = publicUrl(request);
  const body = {
    resource: `${issuer}${path}`,
    authorization_servers: [issuer],
    scopes_supported: SCOPES,
    bearer_methods_supported: ['header'],
    resource_name: 'vovserver REST API through vov-gateway',
  };
  return { kind: 'json', body };
}
