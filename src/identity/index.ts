// Maps an assertion from any login method to one Identity and its vovserver account. Pure.
export type { AccountDecision } from './ports.ts';
