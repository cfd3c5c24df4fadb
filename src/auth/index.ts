// Finds out who is calling: SAML, OIDC, session cookie, access token, the vendor's token endpoint.
export { type AccessTokensOptions, createAccessTokens } from './access-tokens.ts';
export { invalidToken, missingToken, readCredential } from './credential.ts';
export type { AccessTokenInfo, AccessTokens, Caller, NewAccessToken, PresentedCredential } from './ports.ts';
export { createTokenEndpoint, type LoginForm, type Passthrough, type TokenEndpoint } from './token-endpoint.ts';
export { tokenIdOf } from './token-text.ts';
