import type { Clock } from '../kernel/index.ts';
import type { Allowance, Source } from './allowance.ts';
import { decideLocally } from './local-share.ts';
import { giveBackLocally, type Meter } from './meter.ts';
import type { Taker } from './taker.ts';

/** Whether a sign-in may be tried, and who knew it. */
export interface AttemptAnswer {
  readonly allowed: boolean;
  readonly source: Source;
  /** Says how it ended: a failed attempt stays charged, any other is given back. Once, and only when allowed. */
  settle(failed: boolean): Promise<void>;
}

/** Charges sign-ins before they are tried, so that those under way at once cannot exceed the limit. */
export interface Attempts {
  /**
   * Takes one attempt from both meters or none. Where the attempts under way here hold the last units, it waits for
   * them: of many right sign-ins at once none is refused. Never throws.
   */
  begin(allowance: Allowance): Promise<AttemptAnswer>;
}

/** The attempts of one meter that are not settled yet, and those who wait for one of their units. */
interface UnderWay {
  count: number;
  /** Units given back so far. */
  returned: number;
  waiting: (() => void)[];
}

const metersOf = ({ main, extra }: Allowance): readonly Meter[] => (extra === null ? [main] : [main, extra]);

function leave(underWay: UnderWay, returned: boolean): void {
  underWay.count -= 1;
  if (returned) underWay.returned += 1;
  const { waiting } = underWay;
  // With nothing under way any more nobody else would wake them.
  for (const wake of waiting.splice(0, underWay.count === 0 ? waiting.length : Number(returned))) wake();
}

/** Creates the {@link Attempts} of a limiter; with the store away each replica counts its share by itself. */
export function createAttempts(options: {
  readonly taker: Taker;
  readonly clock: Clock;
  readonly replicas: () => number;
}): Attempts {
  const { taker, clock, replicas } = options;
  const byMeter = new WeakMap<Meter, UnderWay>();
  const underWayOf = (meter: Meter): UnderWay => {
    const known = byMeter.get(meter) ?? { count: 0, returned: 0, waiting: [] };
    byMeter.set(meter, known);
    return known;
  };
  const take = async (allowance: Allowance): Promise<{ readonly allowed: boolean; readonly source: Source }> => {
    const granted = taker.away(clock.elapsed()) ? null : await taker.take(allowance, 1);
    if (granted !== null) return { allowed: granted > 0, source: 'store' };
    return { allowed: decideLocally(allowance, clock.elapsed(), replicas()), source: 'local' };
  };
  const giveBack = async (allowance: Allowance, source: Source): Promise<void> => {
    if (source === 'local') for (const meter of metersOf(allowance)) giveBackLocally(meter, replicas());
    else if (!taker.away(clock.elapsed())) await taker.take(allowance, -1);
  };
  const enter = (allowance: Allowance, source: Source): AttemptAnswer => {
    const entered = metersOf(allowance).map(underWayOf);
    for (const underWay of entered) underWay.count += 1;
    return {
      allowed: true,
      source,
      async settle(failed) {
        if (!failed) await giveBack(allowance, source);
        for (const underWay of entered) leave(underWay, !failed);
      },
    };
  };
  return {
    async begin(allowance) {
      // Every attempt of the source has its main meter.
      const ofSource = underWayOf(allowance.main);
      for (;;) {
        const { returned } = ofSource;
        const { allowed, source } = await take(allowance);
        if (allowed) return enter(allowance, source);
        const denying = underWayOf(allowance.denying);
        if (denying.count > 0) await new Promise<void>((resolve) => denying.waiting.push(resolve));
        else if (ofSource.returned === returned) return { allowed: false, source, settle: async () => undefined };
      }
    },
  };
}
