import type { Allowance } from './allowance.ts';
import { localRemaining, localWait, takeLocally } from './meter.ts';

/**
 * Decides a call without the store: this replica's share of each limit is one of `replicas`. Takes one unit from every
 * meter, or none from any and notes which one denied and until when.
 */
export function decideLocally(allowance: Allowance, now: number, replicas: number): boolean {
  const { main, extra } = allowance;
  if (localRemaining(main, now, replicas) > 0 && (extra === null || localRemaining(extra, now, replicas) > 0)) {
    takeLocally(main, now, replicas);
    if (extra !== null) takeLocally(extra, now, replicas);
    return true;
  }
  const mainWait = localWait(main, now, replicas);
  const extraWait = extra === null ? 0 : localWait(extra, now, replicas);
  allowance.denying = extra !== null && extraWait > mainWait ? extra : main;
  allowance.retryAt = now + Math.max(mainWait, extraWait);
  return false;
}
