// Decides whether and when a call may go: rate, quota, fair queue, concurrency.
export type { Admission, Limiter, PolicyState } from './ports.ts';
