import type { Clock } from '../kernel/index.ts';

/**
 * Place of the first look, in order of preference, that ended with true; null when none did. Once one has, those before it
 * are waited for at most `grace` milliseconds, so that a silent candidate holds nobody up.
 */
export function firstInOrder(
  looks: readonly Promise<boolean>[],
  grace: number,
  clock: Pick<Clock, 'after'>,
): Promise<number | null> {
  return new Promise((resolve) => {
    const ended: (boolean | undefined)[] = looks.map(() => undefined);
    let timer: Disposable | null = null;
    const finish = (place: number | null): void => {
      timer?.[Symbol.dispose]();
      resolve(place);
    };
    const settle = (): void => {
      const first = ended.findIndex((good) => good !== false);
      if (first < 0) finish(null);
      else if (ended[first] === true) finish(first);
      else if (ended.includes(true)) timer ??= clock.after(grace, () => finish(ended.indexOf(true)));
    };
    settle();
    for (const [place, look] of looks.entries()) {
      void look.then((good) => {
        ended[place] = good;
        settle();
      });
    }
  });
}
