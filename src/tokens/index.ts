// Brokers one valid vovserver JWT per vovserver account: obtain, cache, replace early, drop.
export type { Broker, CredentialSource, Password } from './ports.ts';
