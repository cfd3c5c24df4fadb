// Brokers one valid vovserver JWT per vovserver account: obtain, cache, replace early, drop.
export { type BrokerHandle, createBroker } from './broker.ts';
export type { BrokerConfig, BrokerOptions } from './broker-parts.ts';
export {
  createEnrolledPasswords,
  type EnrolledPasswords,
  type EnrolledPasswordsOptions,
} from './enrolled-passwords.ts';
export { createEnrolments, type EnrolmentsHandle, type EnrolmentsOptions } from './enrolments.ts';
export { createForgetAccount, type ForgetAccount, type ForgetAccountOptions } from './forget-account.ts';
export { tokenFromLogin } from './jwt-life.ts';
export { createLoginPools, type LoginPoolOptions } from './login-pool.ts';
export { createSlots, type Slots } from './login-slots.ts';
export type { AccountState, Broker, CredentialSource, EnrolmentActor, Enrolments, Password } from './ports.ts';
export { createSources, type Sources, type SourcesOptions } from './sources/sources.ts';
