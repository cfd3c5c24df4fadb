import type { Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { type KeyValue, type ScriptValue, StoreUnavailable } from '../platform/index.ts';
import { type Allowance, addUnits } from './allowance.ts';
import type { Meter } from './meter.ts';
import { takeScript } from './take-script.ts';

/** After a failed call the store is left alone for this long, so that requests do not queue up behind time-outs. */
const AWAY_MS = 250;
/** Shortest time that an empty bucket is not asked again; bounded by a share of the window for small buckets. */
const HOLD_MS = 10;
const WARN_EVERY_MS = 60_000;

const ONE = takeScript(1);
const TWO = takeScript(2);

/** Takes units from the buckets in the store. */
export interface Taker {
  /** Whether the store need not be asked now, because it would not answer. */
  away(now: number): boolean;
  /**
   * Takes `want` units (negative: gives back, 0: looks) and notes in the allowance what the store said. Gives the
   * number granted, or null when the store is away. Never throws.
   */
  take(allowance: Allowance, want: number): Promise<number | null>;
  /** The same, and what is granted becomes leased units of the allowance. */
  lease(allowance: Allowance, want: number): Promise<number | null>;
}

function noteMeter(meter: Meter, answer: readonly ScriptValue[], at: number, now: number): number {
  meter.remaining = Number(answer[at]);
  meter.wholeAt = now + Number(answer[at + 1]);
  return Number(answer[at + 2]);
}

function noteAnswer(allowance: Allowance, answer: readonly ScriptValue[], now: number): void {
  const { main, extra } = allowance;
  const mainNext = noteMeter(main, answer, 1, now);
  const extraNext = extra === null ? 0 : noteMeter(extra, answer, 4, now);
  const next = Math.max(mainNext, extraNext);
  const denying = extra !== null && extraNext > mainNext ? extra : main;
  if (next === 0) {
    allowance.holdUntil = 0;
    return;
  }
  allowance.denying = denying;
  allowance.retryAt = now + next;
  allowance.holdUntil = now + Math.max(next, Math.min(HOLD_MS, denying.window / 50));
}

/** Creates the {@link Taker} of a limiter. */
export function createTaker({ kv, clock, report }: { kv: KeyValue; clock: Clock; report: Report }): Taker {
  let awayUntil = 0;
  let warnAt = 0;
  const noteFailure = (error: unknown): void => {
    const now = clock.elapsed();
    awayUntil = now + AWAY_MS;
    // An absent store is reported by its adapter; anything else is a fault that nobody else would tell.
    if (error instanceof StoreUnavailable || now < warnAt) return;
    warnAt = now + WARN_EVERY_MS;
    report.log.warn({ event: 'limits_store_failed', error }, 'the store refused a rate limit call; limits are local');
  };
  const take = async (allowance: Allowance, want: number, keep: boolean): Promise<number | null> => {
    try {
      const script = allowance.extra === null ? ONE : TWO;
      const answer = await kv.run(script, allowance.keys, [want, ...allowance.terms]);
      const granted = Number(answer[0]);
      noteAnswer(allowance, answer, clock.elapsed());
      // In the same turn, since `remaining` already lacks what was granted.
      if (keep) addUnits(allowance, granted);
      return granted;
    } catch (error) {
      noteFailure(error);
      return null;
    }
  };
  return {
    away: (now) => now < awayUntil || kv.state() === 'down',
    take: (allowance, want) => take(allowance, want, false),
    lease: (allowance, want) => take(allowance, want, true),
  };
}
