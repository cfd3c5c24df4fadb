import { ProviderUnreachable } from '../oidc/unreachable.ts';

/**
 * Lets at most `width` calls run at a time and `queue` wait. Throws {@link ProviderUnreachable} when more come: they would
 * only wait in vain.
 */
export function createGate(width: number, queue: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running < width) running++;
    else {
      if (waiting.length >= queue) throw new ProviderUnreachable('too many questions wait already', { retryAfter: 1 });
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // The place is handed over, so that nobody slips in between.
      if (next === undefined) running--;
      else next();
    }
  };
}
