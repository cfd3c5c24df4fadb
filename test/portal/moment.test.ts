import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { render } from '../../src/portal/markup.ts';
import { distance, exactLength, lengthOf, moment } from '../../src/portal/moment.ts';

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000] as const;

describe('lengths of time', () => {
  const rounded: readonly [number, string][] = [
    [0, '0 seconds'],
    [-5, '0 seconds'],
    [SECOND, '1 second'],
    [59_999, '59 seconds'],
    [MINUTE, '1 minute'],
    [HOUR - 1, '59 minutes'],
    [HOUR, '1 hour'],
    [DAY - 1, '23 hours'],
    [DAY, '1 day'],
    [400 * DAY, '400 days'],
  ];
  for (const [ms, text] of rounded) it(`${ms} ms is ${text}`, () => assert.equal(lengthOf(ms), text));

  const exact: readonly [number, string][] = [
    [DAY, '1 day'],
    [36 * HOUR, '36 hours'],
    [90 * MINUTE, '90 minutes'],
    [90 * SECOND, '90 seconds'],
    [MINUTE, '1 minute'],
  ];
  for (const [ms, text] of exact) it(`${ms} ms is exactly ${text}`, () => assert.equal(exactLength(ms), text));

  it('that are exact can be read back', () => {
    const sizes: Record<string, number> = { day: DAY, hour: HOUR, minute: MINUTE, second: SECOND };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40_000_000 }), (seconds) => {
        const [n = '', unit = ''] = exactLength(seconds * SECOND).split(' ');
        assert.equal(Number(n) * (sizes[unit.replace(/s$/, '')] ?? 0), seconds * SECOND);
      }),
    );
  });
});

describe('how far a time is', () => {
  const now = Date.UTC(2026, 10, 25);
  const known: readonly [number, string][] = [
    [now, 'just now'],
    [now - 59_000, 'just now'],
    [now + 59_000, 'in less than a minute'],
    [now - MINUTE, '1 minute ago'],
    [now + 3 * HOUR, 'in 3 hours'],
    [now - 2 * DAY, '2 days ago'],
  ];
  for (const [at, text] of known) it(`${at - now} ms is “${text}”`, () => assert.equal(distance(at, now), text));
});

describe('a time on a page', () => {
  it('is the same instant for people and for programs, to the minute and to the second', () => {
    const latest = Date.UTC(9999, 11, 31);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: latest }), (at) => {
        const [, machine = '', day, time] =
          /^<time datetime="([^"]+)">(\S+) (\S+)\u00a0UTC<\/time>$/.exec(render(moment(at))) ?? [];
        assert.equal(Date.parse(machine), Math.floor(at / SECOND) * SECOND);
        assert.equal(Date.parse(`${day}T${time}:00Z`), Math.floor(at / MINUTE) * MINUTE);
      }),
    );
  });

  it('says how far it is when it is told what now is', () => {
    assert.match(render(moment(DAY, 0)), /<\/time> <span class="far">in 1 day<\/span>$/);
  });
});
