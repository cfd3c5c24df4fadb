import { type Clock, GatewayError } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';

/** How often calls to a queue may be repeated, so that a failing vovserver is not hit twice by everything. */
export interface RetryBudget {
  /** A call goes for the first time. */
  called(queue: string): void;
  /** Takes one repeat; false when none is left: then the caller gets its error at once. */
  take(queue: string): boolean;
}

export interface RetryBudgetOptions {
  readonly clock: Clock;
  readonly report: Pick<Report, 'retry'>;
  /** Repeats that each call adds; default 0.1. */
  readonly share?: number;
  /** Repeats that each second adds, so that few calls can be repeated, too; default 0.3. */
  readonly perSecond?: number;
  /** Most that are saved up; default 30. */
  readonly most?: number;
}

interface Bucket {
  left: number;
  /** When time was last added. */
  at: number;
}

/**
 * Creates the retry budget, a token bucket for each queue: in any stretch of time at most `most` repeats, and beyond them
 * one for ten calls and three for ten seconds.
 */
export function createRetryBudget(options: RetryBudgetOptions): RetryBudget {
  const { clock, report, share = 0.1, perSecond = 0.3, most = 30 } = options;
  const buckets = new Map<string, Bucket>();
  const bucketOf = (queue: string): Bucket => {
    let bucket = buckets.get(queue);
    if (bucket === undefined) {
      bucket = { left: most, at: clock.now() };
      buckets.set(queue, bucket);
    }
    return bucket;
  };
  return {
    called(queue) {
      const bucket = bucketOf(queue);
      bucket.left = Math.min(most, bucket.left + share);
    },
    take(queue) {
      const bucket = bucketOf(queue);
      const now = clock.now();
      // A clock that was set back adds nothing.
      bucket.left = Math.min(most, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond);
      bucket.at = now;
      // Ten tenths are a little less than one.
      const enough = bucket.left >= 1 - 1e-9;
      if (enough) bucket.left -= 1;
      report.retry(queue, enough ? 'sent' : 'refused');
      return enough;
    },
  };
}

/** The answer to a call that might go again but is not let: 503, and nothing was executed that changes anything. */
export function retriesSpent(internal: string): GatewayError {
  const detail = 'vovserver did not answer, and too many calls were repeated lately. Nothing was changed.';
  return new GatewayError('GW_UPSTREAM_DOWN', detail, { internal, retryAfter: 1 });
}
