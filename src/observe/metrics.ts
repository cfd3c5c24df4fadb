import { collectDefaultMetrics, Registry } from 'prom-client';
import { createEventLoopDelay } from './event-loop.ts';
import { describe, describeMetrics, type MetricKey } from './metric-table.ts';
import {
  type Cell,
  cellSamples,
  createCells,
  createHistogramCells,
  type HistogramCell,
  histogramSamples,
  observe,
  type Sample,
  type Series,
  toMetric,
} from './series.ts';

/** Gauges of prom-client that break Prometheus's naming rules, and its second view of the event loop. */
const UNWANTED = /_(active_(handles|requests|resources)_total)$|_eventloop_lag_/;

/** Series of durations with the buckets of their description. */
export interface Durations {
  observe(cell: HistogramCell, seconds: number): void;
  at(...values: string[]): HistogramCell;
}

/** The metrics of one gateway on a registry of their own. */
export interface Metrics extends Disposable {
  readonly registry: Registry;
  /** The series of a counter or gauge. */
  cells(key: MetricKey): Series<Cell>;
  durations(key: MetricKey): Durations;
  /** Replaces the samples of a gauge by what `samples` gives at each scrape. */
  atScrape(key: MetricKey, samples: () => readonly Sample[]): void;
}

/** Registers every metric of the table, and those of the process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const cells = new Map<string, Series<Cell>>();
  const durations = new Map<string, Durations>();
  const computed = new Map<string, () => readonly Sample[]>();
  const loop = createEventLoopDelay();

  for (const description of describeMetrics()) {
    const { name, labels, buckets = [] } = description;
    if (description.type === 'histogram') {
      const series = createHistogramCells(labels, buckets);
      durations.set(name, { at: series.at, observe: (cell, seconds) => observe(cell, buckets, seconds) });
      registry.registerMetric(toMetric(description, () => histogramSamples(name, series, buckets)));
    } else if (description.type === 'summary') {
      registry.registerMetric(toMetric(description, () => loop.samples(name)));
    } else {
      const series = createCells(labels);
      cells.set(name, series);
      registry.registerMetric(toMetric(description, () => computed.get(name)?.() ?? cellSamples(series)));
    }
  }
  // The precision only slows down prom-client's own watch of the event loop, whose gauges are removed below.
  collectDefaultMetrics({ register: registry, prefix: 'vovgw_', eventLoopMonitoringPrecision: 3_600_000 });
  for (const { name } of registry.getMetricsAsArray()) if (UNWANTED.test(name)) registry.removeSingleMetric(name);

  const known = <T>(map: Map<string, T>, key: MetricKey): T => {
    const found = map.get(describe(key).name);
    if (found === undefined) throw new TypeError(`metric ${key} is not of this type`);
    return found;
  };
  return {
    registry,
    cells: (key) => known(cells, key),
    durations: (key) => known(durations, key),
    atScrape(key, samples) {
      known(cells, key);
      computed.set(describe(key).name, samples);
    },
    [Symbol.dispose]() {
      loop[Symbol.dispose]();
    },
  };
}
