// Brokers one valid vovserver JWT per vovserver account: obtain, cache, replace early, drop.
export { createBroker } from './broker.ts';
export type { BrokerConfig, BrokerOptions } from './broker-parts.ts';
export { tokenFromLogin } from './jwt-life.ts';
export { createSlots, type Slots } from './login-slots.ts';
export type { AccountState, Broker, CredentialSource, Enrolments, Password } from './ports.ts';
export { createSources, type Sources, type SourcesOptions } from './sources/sources.ts';
