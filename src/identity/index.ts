// Maps an assertion from any login method to one Identity and its vovserver account. Pure.
export { type AccountRules, createAccountRules } from './account-rules.ts';
export { printable, userNameFault } from './names.ts';
export type { AccountDecision, Assertion, IdentityDecision } from './ports.ts';
