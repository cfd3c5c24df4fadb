// Maps an assertion from any login method to one Identity and its vovserver account. Pure.
export { type AccountRules, createAccountRules } from './account-rules.ts';
export { createIdentityRules, type IdentityRules } from './identity-rules.ts';
export type { MappingConfig } from './mapping.ts';
export { isAccountName, printable, userNameFault } from './names.ts';
export type { AccountDecision, Assertion, IdentityDecision, RememberedPerson } from './ports.ts';
