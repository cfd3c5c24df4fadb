// Decides whether and when a call may go: rate, quota, fair queue, concurrency.
export { rateLimitHeaders } from './headers.ts';
export { createLimiter, type LimiterOptions } from './limiter.ts';
export type { Admission, Attempt, Limiter, PolicyState } from './ports.ts';
