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

/** How many calls run at a time, and how many wait. */
export interface GateSize {
  readonly width: number;
  readonly queue: number;
}

/** A gate for all together with one before it for each caller, so that nobody fills the places of the others. */
export function createFairGate(all: GateSize, each: GateSize): <T>(who: string, work: () => Promise<T>) => Promise<T> {
  const whole = createGate(all.width, all.queue);
  const own = new Map<string, { readonly gate: ReturnType<typeof createGate>; count: number }>();
  return async (who, work) => {
    const entry = own.get(who) ?? { gate: createGate(each.width, each.queue), count: 0 };
    own.set(who, entry);
    entry.count += 1;
    try {
      return await entry.gate(() => whole(work));
    } finally {
      entry.count -= 1;
      if (entry.count === 0) own.delete(who);
    }
  };
}
