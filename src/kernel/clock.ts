/** Time as an argument: everything that waits or compares times takes a Clock, so that tests can own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Whole milliseconds since a moment that is none of the calendar's; nobody sets this clock. For lengths of time. */
  elapsed(): number;
  /** Calls `fn` once after `ms` milliseconds; dispose to cancel. Does not keep the process alive. */
  after(ms: number, fn: () => void): Disposable;
  /** Calls `fn` every `ms` milliseconds until disposed. Does not keep the process alive. */
  every(ms: number, fn: () => void): Disposable;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

const disposable = (dispose: () => void): Disposable => ({ [Symbol.dispose]: dispose });

/** The clock of the running process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => Math.floor(performance.now()),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return disposable(() => clearTimeout(timer));
  },
  every(ms, fn) {
    const timer = setInterval(fn, ms);
    timer.unref();
    return disposable(() => clearInterval(timer));
  },
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};
