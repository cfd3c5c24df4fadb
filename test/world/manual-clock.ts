import type { Clock } from '../../src/kernel/index.ts';

interface Timer {
  at: number;
  readonly order: number;
  readonly every: number | null;
  readonly fn: () => void;
}

/** Lets everything run that is ready: promise chains and what they start, but no real I/O. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
};

/** A clock that a test moves. */
export interface ManualClock extends Clock {
  /** Fires what falls due in order of time, and lets promises settle before the first and after each. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock ahead, or with a negative number back; nothing falls due by that. */
  step(ms: number): void;
}

/** A clock that stands still but for `advance` and `step`. Starts at `start`, milliseconds since the epoch. */
export function createManualClock(start = Date.UTC(2026, 0, 1)): ManualClock {
  let now = 0;
  let set = start;
  let order = 0;
  const timers = new Set<Timer>();
  const add = (ms: number, every: number | null, fn: () => void): Disposable => {
    const timer: Timer = { at: now + Math.max(0, ms), order: order++, every, fn };
    timers.add(timer);
    return { [Symbol.dispose]: () => void timers.delete(timer) };
  };
  const nextUntil = (end: number): Timer | undefined =>
    [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  const fire = (timer: Timer): void => {
    now = Math.max(now, timer.at);
    if (timer.every === null) timers.delete(timer);
    else timer.at += timer.every;
    timer.fn();
  };
  return {
    now: () => set + now,
    elapsed: () => now,
    step(ms) {
      set += ms;
    },
    after: (ms, fn) => add(ms, null, fn),
    every: (ms, fn) => add(ms, Math.max(1, ms), fn),
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const onAbort = (): void => {
          timer[Symbol.dispose]();
          reject(signal?.reason);
        };
        const timer = add(ms, null, () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        });
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (let timer = nextUntil(end); timer !== undefined; timer = nextUntil(end)) {
        fire(timer);
        await settle();
      }
      now = end;
    },
  };
}
