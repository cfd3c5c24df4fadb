// Finds out who is calling: SAML, OIDC, session cookie, access token, the vendor's token endpoint.
export type { AccessTokenInfo, AccessTokens, Caller, NewAccessToken, PresentedCredential } from './ports.ts';
