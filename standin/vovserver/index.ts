// A faithful stand-in for vovserver's REST API v3, with every unknown a switch and every fault on demand.
export { type Control, createControl } from './control.ts';
export { FAULT_KINDS, type FaultKind, type FaultRule, type Faults, NO_FAULTS } from './faults.ts';
export type { Job, JobState } from './job.ts';
export type { JobEntry, Ledger, LoginEntry, MalformedEntry, RequestEntry } from './ledger.ts';
export { MARKER } from './pages.ts';
export { DEFAULT_PROFILE, PROFILE_CHOICES, type Profile, readSwitch } from './profile.ts';
export type { Stats } from './stats.ts';
export { LEVELS, type Level, type SecurityRule, type User, type UserTable } from './users.ts';
export {
  createVovserver,
  type RestartOptions,
  type RotateOptions,
  TRANSPORTS,
  type Transport,
  type Vovserver,
  type VovserverOptions,
} from './vovserver.ts';
