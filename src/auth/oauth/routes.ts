import type { WebAnswer, WebRequest } from '../../kernel/index.ts';
import type { AccessTokens } from '../ports.ts';
import type { Visitor, WebRoute } from '../sign-in.ts';
import { authorizeDevice, grantToken } from './device-endpoints.ts';
import type { DeviceParts, Devices } from './devices.ts';
import { resourceMetadata, serverMetadata } from './metadata.ts';
import { answering } from './oauth-error.ts';
import { introspectToken, revokeToken } from './token-endpoints.ts';

/** What the OAuth endpoints need. */
export interface OAuthParts extends Pick<DeviceParts, 'config' | 'clock'> {
  readonly devices: Pick<Devices, 'start' | 'poll'>;
  readonly tokens: Pick<AccessTokens, 'inspect' | 'revoke'>;
  /** URL of the gateway as its callers see it, without a slash at the end. */
  readonly publicUrl: (request: WebRequest) => string;
}

type Handle = (parts: OAuthParts, request: WebRequest, visitor: Visitor) => WebAnswer | Promise<WebAnswer>;

const ENDPOINTS: readonly (readonly [WebRoute['method'], string, WebRoute['needs'], Handle])[] = [
  ['POST', '/oauth/device_authorization', 'nothing', authorizeDevice],
  ['POST', '/oauth/token', 'nothing', grantToken],
  ['POST', '/oauth/revoke', 'nothing', revokeToken],
  ['POST', '/oauth/introspect', 'caller', (parts, request, { caller }) => introspectToken(parts, request, caller)],
  ['GET', '/.well-known/oauth-authorization-server', 'nothing', serverMetadata],
  ['GET', '/.well-known/oauth-protected-resource', 'nothing', (parts, req) => resourceMetadata(parts, req, '')],
  // RFC 9728, section 3.1: the path of the resource follows the well-known one.
  [
    'GET',
    '/.well-known/oauth-protected-resource/api/v3',
    'nothing',
    (parts, req) => resourceMetadata(parts, req, '/api/v3'),
  ],
];

/** The gateway's own OAuth endpoints; refusals are JSON as RFC 6749, section 5.2 says. */
export function createOAuthRoutes(parts: OAuthParts): WebRoute[] {
  return ENDPOINTS.map(([method, path, needs, handle]) => ({
    method,
    path,
    door: 'oauth',
    needs,
    handle: (request, visitor) => answering(() => handle(parts, request, visitor)),
  }));
}
