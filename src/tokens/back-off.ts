import type { GatewayError } from '../kernel/index.ts';

const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** Failures in a row, and until when nothing is tried because of them. */
export interface BackOff {
  readonly failures: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly error: GatewayError;
}

/** Pause in milliseconds after the n-th failure in a row: 1 s doubling to 60 s, up to half as much again by `random`. */
export function pauseAfter(failures: number, random: number): number {
  const base = FIRST_MS * 2 ** Math.min(Math.max(failures, 1) - 1, 10);
  return Math.min(LONGEST_MS, base * (1 + random / 2));
}

/** The back-off after one more failure. */
export function backOff(before: BackOff | null, error: GatewayError, now: number, random: number): BackOff {
  const failures = (before?.failures ?? 0) + 1;
  return { failures, until: now + pauseAfter(failures, random), error };
}
