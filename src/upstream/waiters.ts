import type { Clock } from '../kernel/index.ts';
import type { CallerGone } from './ports.ts';

/** Callers who want to wait until a server is found. */
export interface Waiters {
  /** True when woken; false when the time is over, the caller went away or too many, also of `whose`, wait already. */
  wait(ms: number, gone: CallerGone, whose?: string): Promise<boolean>;
  wake(): void;
}

/** Most who wait at once, and of one identity, so that no one takes the room of all. */
const MOST = 1024;
const MOST_OF_ONE = 32;

/** Creates an empty waiting room. */
export function createWaiters(clock: Clock): Waiters {
  const waiting = new Set<(woken: boolean) => void>();
  const each = new Map<string, number>();
  const enter = (whose: string | undefined, by: 1 | -1): void => {
    if (whose === undefined) return;
    const count = (each.get(whose) ?? 0) + by;
    if (count > 0) each.set(whose, count);
    else each.delete(whose);
  };
  return {
    wait(ms, gone, whose) {
      const isFull = waiting.size >= MOST || (whose !== undefined && (each.get(whose) ?? 0) >= MOST_OF_ONE);
      if (ms <= 0 || gone.aborted || isFull) return Promise.resolve(false);
      enter(whose, 1);
      return new Promise((resolve) => {
        const onAbort = { handleEvent: (): void => end(false) };
        const end = (woken: boolean): void => {
          waiting.delete(end);
          enter(whose, -1);
          timer[Symbol.dispose]();
          gone.removeEventListener('abort', onAbort);
          resolve(woken);
        };
        const timer = clock.after(ms, () => end(false));
        gone.addEventListener('abort', onAbort);
        waiting.add(end);
      });
    },
    wake() {
      for (const end of [...waiting]) end(true);
    },
  };
}
