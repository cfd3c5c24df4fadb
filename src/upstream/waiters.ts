import type { Clock } from '../kernel/index.ts';
import type { CallerGone } from './ports.ts';

/** Callers who want to wait until a server is found. */
export interface Waiters {
  /** True when woken; false when the time is over, the caller went away or too many wait already. */
  wait(ms: number, gone: CallerGone): Promise<boolean>;
  wake(): void;
}

/** Most who wait at once. */
const MOST = 1024;
/** Longest wait, milliseconds, whatever the caller wants. */
const LONGEST = 300_000;

/** Creates an empty waiting room. */
export function createWaiters(clock: Clock): Waiters {
  const waiting = new Set<(woken: boolean) => void>();
  return {
    wait(ms, gone) {
      if (ms <= 0 || gone.aborted || waiting.size >= MOST) return Promise.resolve(false);
      return new Promise((resolve) => {
        const onAbort = { handleEvent: (): void => end(false) };
        const end = (woken: boolean): void => {
          waiting.delete(end);
          timer[Symbol.dispose]();
          gone.removeEventListener('abort', onAbort);
          resolve(woken);
        };
        const timer = clock.after(Math.min(ms, LONGEST), () => end(false));
        gone.addEventListener('abort', onAbort);
        waiting.add(end);
      });
    },
    wake() {
      for (const end of [...waiting]) end(true);
    },
  };
}
