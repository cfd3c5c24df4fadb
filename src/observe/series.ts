import type { Metric } from 'prom-client';

/** Longest list of values that one label may take; what comes later counts as `other`. */
const VALUES_PER_LABEL = 128;
const LABEL_VALUE = /^[A-Za-z0-9_/{}.:+*-]{1,128}$/;
const OTHER = 'other';

/** What is known of a metric before it has a value. */
export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds; histograms only. */
  readonly buckets?: readonly number[];
}

/** One exposed number. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** A number that grows or is set. */
export interface Cell {
  value: number;
}

/** Counts by bucket; the last count is that above all bounds. */
export interface HistogramCell {
  readonly counts: number[];
  sum: number;
}

/** All series of one metric, found by label values in the order of the description. */
export interface Series<C> {
  at(...values: string[]): C;
  remove(...values: string[]): void;
  entries(): readonly (readonly [labels: Readonly<Record<string, string>>, cell: C])[];
}

interface Node<C> {
  readonly next: Map<string, Node<C>>;
  cell: C | undefined;
}

/**
 * Finds the cell of label values through nested maps: no key is built and nothing is hashed again per call, which
 * is why prom-client's own children (validated and joined into a key on each call) are not used on the hot path.
 * Values are bounded: odd ones, and those beyond 128 per label, become `other`.
 */
export function createSeries<C>(labels: readonly string[], create: () => C): Series<C> {
  const root: Node<C> = { next: new Map(), cell: undefined };
  const known = labels.map(() => new Set<string>());
  const all: [Readonly<Record<string, string>>, C][] = [];

  const bounded = (value: string, depth: number): string => {
    const seen = known[depth];
    if (seen === undefined || seen.has(value)) return value;
    if (seen.size >= VALUES_PER_LABEL || !LABEL_VALUE.test(value)) return OTHER;
    seen.add(value);
    return value;
  };
  const step = (node: Node<C>, value: string, depth: number): Node<C> => {
    const found = node.next.get(value);
    if (found !== undefined) return found;
    const safe = bounded(value, depth);
    const next = node.next.get(safe) ?? { next: new Map(), cell: undefined };
    node.next.set(safe, next);
    return next;
  };
  const find = (values: readonly string[]): Node<C> => {
    let node = root;
    for (let depth = 0; depth < labels.length; depth += 1) node = step(node, values[depth] ?? OTHER, depth);
    return node;
  };
  const createAt = (node: Node<C>, values: readonly string[]): C => {
    const cell = create();
    node.cell = cell;
    all.push([Object.fromEntries(labels.map((label, i) => [label, bounded(values[i] ?? OTHER, i)])), cell]);
    return cell;
  };
  return {
    at(...values) {
      const node = find(values);
      return node.cell ?? createAt(node, values);
    },
    remove(...values) {
      const node = find(values);
      const index = all.findIndex(([, cell]) => cell === node.cell);
      if (index >= 0) all.splice(index, 1);
      node.cell = undefined;
    },
    entries: () => all,
  };
}

/** Series of plain numbers, starting at 0. */
export const createCells = (labels: readonly string[]): Series<Cell> => createSeries(labels, () => ({ value: 0 }));

/** Series of histograms. */
export const createHistogramCells = (labels: readonly string[], buckets: readonly number[]): Series<HistogramCell> =>
  createSeries(labels, () => ({ counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 }));

/** Counts one value in a histogram's cell; what is no duration is left out. */
export function observe(cell: HistogramCell, buckets: readonly number[], value: number): void {
  if (!(value >= 0) || value === Number.POSITIVE_INFINITY) return;
  let i = 0;
  while (i < buckets.length && value > (buckets[i] ?? Number.POSITIVE_INFINITY)) i += 1;
  cell.counts[i] = (cell.counts[i] ?? 0) + 1;
  cell.sum += value;
}

/** The samples of plain numbers. */
export const cellSamples = (series: Series<Cell>): Sample[] =>
  series.entries().map(([labels, cell]) => ({ labels, value: cell.value }));

/** The samples of histograms as Prometheus wants them: cumulative buckets, sum and count. */
export function histogramSamples(name: string, series: Series<HistogramCell>, buckets: readonly number[]): Sample[] {
  return series.entries().flatMap(([labels, cell]) => {
    let count = 0;
    const samples: Sample[] = cell.counts.map((n, i) => {
      count += n;
      return { metricName: `${name}_bucket`, labels: { le: buckets[i] ?? '+Inf', ...labels }, value: count };
    });
    samples.push({ metricName: `${name}_sum`, labels, value: cell.sum });
    samples.push({ metricName: `${name}_count`, labels, value: count });
    return samples;
  });
}

/** A metric that prom-client's Registry can expose, its samples taken when it is scraped. */
export function toMetric(description: MetricDescription, samples: () => readonly Sample[]): Metric {
  const { name, help, type } = description;
  const exposed = { name, help, type, get: async () => ({ name, help, type, values: samples(), aggregator: 'sum' }) };
  // prom-client's type names its own classes; its Registry reads only `name` and `get()`.
  return exposed as unknown as Metric;
}
