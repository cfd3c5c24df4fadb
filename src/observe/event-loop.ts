import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Sample } from './series.ts';

/** Milliseconds between two looks at the event loop. */
const RESOLUTION = 20;
const QUANTILES = [0.5, 0.9, 0.99, 1] as const;

/** Watches how late the event loop is. */
export interface EventLoopDelay extends Disposable {
  /** Quantiles since the last call, and the sum and count since the start, in seconds. */
  samples(name: string): Sample[];
}

/** Starts watching the event loop of this process. */
export function createEventLoopDelay(): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.enable();
  let sum = 0;
  let count = 0;
  // The histogram records whole intervals; the delay is what exceeds the interval that was asked for.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION / 1000);
  return {
    samples(name) {
      const seen = histogram.count;
      const samples: Sample[] = QUANTILES.map((quantile) => ({
        labels: { quantile },
        value: seen === 0 ? 0 : late(quantile === 1 ? histogram.max : histogram.percentile(quantile * 100)),
      }));
      if (seen > 0) sum += late(histogram.mean) * seen;
      count += seen;
      histogram.reset();
      return [
        ...samples,
        { metricName: `${name}_sum`, labels: {}, value: sum },
        { metricName: `${name}_count`, labels: {}, value: count },
      ];
    },
    [Symbol.dispose]() {
      histogram.disable();
    },
  };
}
