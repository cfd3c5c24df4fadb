import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { duration, durationText, size, sizeText } from '../../src/config/values.ts';

describe('durations', () => {
  it('read a number and a unit', () => {
    const cases: [string, number][] = [
      ['500ms', 500],
      ['20s', 20_000],
      ['1.5m', 90_000],
      ['4h', 14_400_000],
      ['90d', 7_776_000_000],
      ['0s', 0],
      ['2.3d', 198_720_000],
      ['0.4ms', 0],
    ];
    for (const [text, ms] of cases) assert.equal(duration().parse(text), ms, text);
    for (const text of ['', '5', 's', '-1s', '1 s', '1S', '1w', '1s ', '.5s', '1e3s', '١s']) {
      assert.ok(!duration().safeParse(text).success, text);
    }
    assert.ok(!duration().safeParse(5).success);
  });

  it('come back from their text', () => {
    fc.assert(fc.property(fc.nat(10_000_000_000), (ms) => assert.equal(duration().parse(durationText(ms)), ms)));
    assert.deepEqual([0, 999, 1000, 90_000, 3_600_000, 86_400_000].map(durationText), [
      '0ms',
      '999ms',
      '1s',
      '90s',
      '1h',
      '1d',
    ]);
  });
});

describe('sizes', () => {
  it('read a whole number and a unit', () => {
    const cases: [string, number][] = [
      ['512B', 512],
      ['64KiB', 65_536],
      ['1MiB', 1_048_576],
      ['2GiB', 2_147_483_648],
    ];
    for (const [text, bytes] of cases) assert.equal(size().parse(text), bytes, text);
    for (const text of ['', '1', '1KB', '1.5MiB', 'MiB', '-1B', '1kib'])
      assert.ok(!size().safeParse(text).success, text);
  });

  it('come back from their text', () => {
    fc.assert(fc.property(fc.nat(10_000_000_000), (bytes) => assert.equal(size().parse(sizeText(bytes)), bytes)));
    assert.deepEqual([0, 1000, 1024, 1_048_576].map(sizeText), ['0B', '1000B', '1KiB', '1MiB']);
  });
});
