// Decides whether and when a call may go: rate, quota, fair queue, concurrency.
export { rateLimitHeaders } from './headers.ts';
export { createLimiter, type LimiterOptions } from './limiter.ts';
export type { Admission, Attempt, HeldTurn, Lane, LaneState, Limiter, PolicyState, TurnAsk, Turns } from './ports.ts';
export { createTurns, type TurnsOptions } from './turns/create-turns.ts';
