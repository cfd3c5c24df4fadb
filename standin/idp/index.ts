// The demo identity provider: three people, OpenID Connect and SAML over one login; for demo, compose and tests.
export { createIdp } from './idp.ts';
export { createSigningKey, type SigningKey } from './keys.ts';
export { PEOPLE, type Person } from './people.ts';
export type { AccessTokenOptions, Faults, Idp, IdpOptions, RotationStep } from './ports.ts';
