import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  cellSamples,
  createCells,
  createHistogramCells,
  histogramSamples,
  observe,
  type Sample,
} from '../../src/observe/series.ts';

const word = fc.constantFrom('a', 'b', 'c', 'GET', '/api/v3/jobs/{id}', 'main-queue.1');

describe('series of numbers', () => {
  it('counts each combination of label values on its own', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word)), (events) => {
        const series = createCells(['x', 'y']);
        const expected = new Map<string, number>();
        for (const [x, y] of events) {
          series.at(x, y).value += 1;
          expected.set(`${x} ${y}`, (expected.get(`${x} ${y}`) ?? 0) + 1);
        }
        const seen = cellSamples(series).map(({ labels, value }) => [`${labels.x} ${labels.y}`, value] as const);
        assert.deepEqual(new Map(seen), expected);
        assert.equal(seen.length, expected.size);
      }),
    );
  });

  it('has one cell without labels', () => {
    const series = createCells([]);
    series.at().value += 2;
    assert.equal(series.at().value, 2);
    assert.deepEqual(cellSamples(series), [{ labels: {}, value: 2 }]);
  });

  it('never has more than 129 values of one label, whatever comes', () => {
    const series = createCells(['route']);
    for (let i = 0; i < 5000; i += 1) series.at(`/path/${i}`).value += 1;
    const samples = cellSamples(series);
    assert.equal(samples.length, 129);
    assert.equal(samples.find(({ labels }) => labels.route === 'other')?.value, 5000 - 128);
    assert.equal(
      samples.reduce((sum, { value }) => sum + value, 0),
      5000,
    );
  });

  it('turns odd label values into other', () => {
    const series = createCells(['route']);
    for (const odd of ['', 'a b', 'a"b', 'a\nb', '{le="1"}', 'x'.repeat(129), 'ü', '\u0000']) series.at(odd).value += 1;
    assert.deepEqual(cellSamples(series), [{ labels: { route: 'other' }, value: 8 }]);
  });

  it('exposes only label values of the allowed form', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (values) => {
        const series = createCells(['v']);
        for (const value of values) series.at(value).value += 1;
        for (const { labels } of cellSamples(series)) assert.match(String(labels.v), /^[A-Za-z0-9_/{}.:+*-]{1,128}$/);
      }),
    );
  });

  it('forgets a series that is removed, and starts it anew', () => {
    const series = createCells(['queue']);
    series.at('a').value = 5;
    series.at('b').value = 6;
    series.remove('a');
    assert.deepEqual(cellSamples(series), [{ labels: { queue: 'b' }, value: 6 }]);
    series.at('a').value += 1;
    assert.deepEqual(cellSamples(series), [
      { labels: { queue: 'b' }, value: 6 },
      { labels: { queue: 'a' }, value: 1 },
    ]);
    series.remove('never seen');
    assert.equal(cellSamples(series).length, 2);
  });
});

const BUCKETS = [0.01, 0.1, 1] as const;

/** The value of one sample of a histogram by its suffix and upper bound. */
const sampleOf = (samples: readonly Sample[], suffix: string, le?: string | number): number | undefined =>
  samples.find(({ metricName, labels }) => metricName === `d_${suffix}` && labels.le === le)?.value;

describe('series of histograms', () => {
  it('count what is not above each bound', () => {
    const seconds = fc.array(fc.double({ min: 0, max: 5, noNaN: true }));
    fc.assert(
      fc.property(seconds, (values) => {
        const series = createHistogramCells(['r'], BUCKETS);
        for (const value of values) observe(series.at('x'), BUCKETS, value);
        const samples = histogramSamples('d', series, BUCKETS);
        if (values.length === 0) return assert.deepEqual(samples, []);
        for (const bound of BUCKETS) {
          assert.equal(sampleOf(samples, 'bucket', bound), values.filter((value) => value <= bound).length);
        }
        assert.equal(sampleOf(samples, 'bucket', '+Inf'), values.length);
        assert.equal(sampleOf(samples, 'count'), values.length);
        assert.equal(
          sampleOf(samples, 'sum'),
          values.reduce((sum, value) => sum + value, 0),
        );
      }),
    );
  });

  it('put a value on a bound into its bucket', () => {
    const series = createHistogramCells([], BUCKETS);
    observe(series.at(), BUCKETS, 0.1);
    const samples = histogramSamples('d', series, BUCKETS);
    assert.equal(sampleOf(samples, 'bucket', 0.01), 0);
    assert.equal(sampleOf(samples, 'bucket', 0.1), 1);
  });

  it('leave out what is no duration', () => {
    const series = createHistogramCells([], BUCKETS);
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY]) observe(series.at(), BUCKETS, value);
    assert.equal(sampleOf(histogramSamples('d', series, BUCKETS), 'count'), 0);
    assert.equal(sampleOf(histogramSamples('d', series, BUCKETS), 'sum'), 0);
  });

  it('keep label values apart', () => {
    const series = createHistogramCells(['r'], BUCKETS);
    observe(series.at('a'), BUCKETS, 0.5);
    observe(series.at('b'), BUCKETS, 0.5);
    observe(series.at('b'), BUCKETS, 0.5);
    const counts = histogramSamples('d', series, BUCKETS).filter(({ metricName }) => metricName === 'd_count');
    assert.deepEqual(
      counts.map(({ labels, value }) => [labels.r, value]),
      [
        ['a', 1],
        ['b', 2],
      ],
    );
  });
});
