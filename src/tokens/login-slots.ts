/** Bounds how many steps run at once; the others wait in order of arrival. */
export interface Slots {
  /** Rejects with the signal's reason when it aborts first. */
  take(signal: AbortSignal): Promise<Disposable>;
}

/** Creates slots; `limit` is asked each time, so that a changed configuration counts at once. */
export function createSlots(limit: () => number): Slots {
  const waiting = new Set<() => void>();
  let taken = 0;
  const wakeNext = (): void => {
    const [next] = waiting;
    if (next !== undefined && taken < limit()) next();
  };
  const occupy = (): Disposable => {
    taken += 1;
    let free = false;
    return {
      [Symbol.dispose]() {
        if (free) return;
        free = true;
        taken -= 1;
        wakeNext();
      },
    };
  };
  return {
    take(signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (waiting.size === 0 && taken < limit()) return resolve(occupy());
        const leave = (): void => {
          waiting.delete(start);
          signal.removeEventListener('abort', onAbort);
        };
        const onAbort = (): void => {
          leave();
          reject(signal.reason);
        };
        const start = (): void => {
          leave();
          resolve(occupy());
          wakeNext();
        };
        waiting.add(start);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
  };
}
