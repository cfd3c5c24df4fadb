// Finds out who is calling: SAML, OIDC, session cookie, access token, the vendor's token endpoint.
export { type AccessTokensOptions, createAccessTokens } from './access-tokens.ts';
export { type BearersOptions, createBearers } from './bearers/bearers.ts';
export type { LoginForm } from './login-form.ts';
export { createDevices, type DeviceParts, type Devices } from './oauth/devices.ts';
export { createOAuthRoutes, type OAuthParts } from './oauth/routes.ts';
export { createOidcProvider, type OidcProviderOptions } from './oidc/oidc-provider.ts';
export { createPeople, type PeopleOptions } from './people/people.ts';
export type {
  AccessTokenInfo,
  AccessTokenPage,
  AccessTokens,
  Caller,
  Granted,
  NewAccessToken,
  PresentedCredential,
} from './ports.ts';
export { createProviders, type Providers, type ProvidersOptions } from './providers.ts';
export { readCredential } from './read-credential.ts';
export { invalidToken, missingToken } from './refusals.ts';
export { createSamlProvider, type SamlProviderOptions } from './saml/saml-provider.ts';
export { createFlows, type FlowsOptions } from './sessions/flows.ts';
export { toReturnTarget } from './sessions/return-target.ts';
export { createSessions, type SessionsOptions } from './sessions/sessions.ts';
export { createUsedOnce } from './sessions/used-once.ts';
export * from './sign-in.ts';
export { createSignInRoutes, type SignInRoutesOptions } from './sign-in-routes.ts';
export {
  createTokenEndpoint,
  type Passthrough,
  type TokenEndpoint,
  type TokenEndpointOptions,
  type TokenGrant,
} from './token-endpoint.ts';
export { tokenIdOf } from './token-format.ts';
