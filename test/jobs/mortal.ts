import type { SubmissionWay } from '../../src/jobs/index.ts';
import { type KeyValue, StoreUnavailable } from '../../src/platform/index.ts';

const never = (): Promise<never> => new Promise(() => undefined);

/** A process that can die at any of its steps: calls of the store and of vovserver. */
export interface Mortal {
  readonly kv: KeyValue;
  way(way: SubmissionWay): SubmissionWay;
  /** Dies at the `step`-th step from now (1 is the next), before or after it took effect. */
  dieAt(step: number, applied: boolean): void;
  /** The store fails from the `step`-th step from now for so many steps, before or after they took effect. */
  loseStore(step: number, count: number, applied: boolean): void;
  /** Resolves when it has died. */
  readonly died: Promise<'died'>;
}

/** Creates one on a store; a dead one never gets an answer again. */
export function createMortal(store: KeyValue): Mortal {
  const death = Promise.withResolvers<'died'>();
  let dead = false;
  let dies: { step: number; readonly applied: boolean } | null = null;
  let loses: { step: number; count: number; readonly applied: boolean } | null = null;

  const live = async <T>(act: () => Promise<T>): Promise<T> => {
    if (dead) return never();
    if (dies !== null) dies.step -= 1;
    if (dies?.step !== 0) return act();
    const { applied } = dies;
    dead = true;
    if (applied) await act().catch(() => undefined);
    death.resolve('died');
    return never();
  };
  const onStore = <T>(act: () => Promise<T>): Promise<T> =>
    live(async () => {
      if (loses === null) return act();
      loses.step -= 1;
      if (loses.step > 0) return act();
      loses.count -= 1;
      const { applied, count } = loses;
      if (count <= 0) loses = null;
      if (applied) await act();
      throw new StoreUnavailable('lost by the test');
    });
  return {
    died: death.promise,
    dieAt: (step, applied) => {
      dies = { step, applied };
    },
    loseStore: (step, count, applied) => {
      loses = { step, count, applied };
    },
    way: (way) => ({
      send: (body, lost) => live(() => way.send(body, lost)),
      read: (target) => live(() => way.read(target)),
    }),
    kv: {
      ...store,
      get: (key) => onStore(() => store.get(key)),
      set: (...args) => onStore(() => store.set(...args)),
      compareAndSet: (...args) => onStore(() => store.compareAndSet(...args)),
      run: (...args) => onStore(() => store.run(...args)),
    },
  };
}
