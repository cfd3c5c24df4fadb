// Decides whether and when a call may go: rate, quota, fair queue, concurrency.
export { rateLimitHeaders } from './headers.ts';
export { createLimiter, type LimiterOptions } from './limiter.ts';
export {
  createMaintenance,
  type Freeze,
  freezeText,
  type Maintenance,
  startsWork,
} from './maintenance.ts';
export {
  choiceKey,
  createFailoverStore,
  FAILOVER_CHANNEL,
  type FailoverAnswer,
  type FailoverChoice,
  type FailoverOrder,
  type FailoverStore,
  orderKey,
  readChoice,
  readOrder,
} from './maintenance-orders.ts';
export { type AnnouncedMaintenance, createMaintenanceStore, type MaintenanceStore } from './maintenance-store.ts';
export { createRecordWatch } from './maintenance-watch.ts';
export type { Admission, Attempt, HeldTurn, Lane, LaneState, Limiter, PolicyState, TurnAsk, Turns } from './ports.ts';
export { livingReplicas, replicaKey } from './replica-count.ts';
export { createTurns, type TurnsOptions } from './turns/create-turns.ts';
