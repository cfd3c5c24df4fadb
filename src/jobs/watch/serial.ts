/** Runs steps one after the other, in the order in which they came. */
export type Serial = <T>(step: () => Promise<T>) => Promise<T>;

/** Creates one; a step that fails does not hold up the next. */
export function createSerial(): Serial {
  let last: Promise<unknown> = Promise.resolve();
  return (step) => {
    const done = last.then(step, step);
    last = done.catch(() => undefined);
    return done;
  };
}
