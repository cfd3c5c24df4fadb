import { GatewayError, type RouteClass, type TokenScope } from '../kernel/index.ts';

const SCOPE_OF_CLASS: Readonly<Record<RouteClass, TokenScope>> = {
  read: 'read',
  list: 'read',
  submit: 'submit',
  control: 'control',
  // The token endpoint is met without a token; whoever asks there holds at least this.
  login: 'read',
};

/** The scope that a route of this class needs. */
export function requiredScope(cls: RouteClass): TokenScope {
  return SCOPE_OF_CLASS[cls];
}

/** Lets a call pass whose token has the scope of the route; throws GW_SCOPE_MISSING otherwise (RFC 6750, section 3.1). */
export function checkScope(scopes: ReadonlySet<TokenScope>, needed: TokenScope): void {
  if (scopes.has(needed)) return;
  throw new GatewayError('GW_SCOPE_MISSING', `This call needs an access token with the scope "${needed}".`, {
    headers: { 'WWW-Authenticate': `Bearer realm="vov-gateway", error="insufficient_scope", scope="${needed}"` },
  });
}
