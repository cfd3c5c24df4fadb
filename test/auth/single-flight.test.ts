import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { putBounded } from '../../src/auth/bounded-put.ts';
import { createSingleFlight } from '../../src/auth/single-flight.ts';

/** A question whose answers the test gives. */
function createQuestion() {
  const open: { key: string; answer: (value: string) => void; fail: (error: unknown) => void }[] = [];
  const ask = (key: string): Promise<string> =>
    new Promise((answer, fail) => {
      open.push({ key, answer, fail });
    });
  return { open, ask };
}

describe('createSingleFlight', () => {
  it('asks once for all who ask at the same time, and again afterwards', async () => {
    const { open, ask } = createQuestion();
    const kept: string[] = [];
    const flights = createSingleFlight(ask, (key, value) => kept.push(`${key}=${value}`), assert.fail);
    const both = [flights.ask('a'), flights.ask('a'), flights.ask('b')];
    assert.deepEqual(
      open.map(({ key }) => key),
      ['a', 'b'],
    );
    open[0]?.answer('1');
    open[1]?.answer('2');
    assert.deepEqual(await Promise.all(both), ['1', '1', '2']);
    assert.deepEqual(kept, ['a=1', 'b=2']);
    const again = flights.ask('a');
    assert.equal(open.length, 3);
    open[2]?.answer('3');
    assert.equal(await again, '3');
  });

  it('hands an abandoned answer out but does not keep it, and does not disturb its successor', async () => {
    const { open, ask } = createQuestion();
    const kept: string[] = [];
    const flights = createSingleFlight(ask, (key, value) => kept.push(`${key}=${value}`), assert.fail);
    const old = flights.ask('a');
    flights.abandon();
    const young = flights.ask('a');
    assert.equal(open.length, 2);
    open[0]?.answer('old');
    assert.equal(await old, 'old');
    assert.equal(flights.ask('a'), young);
    open[1]?.answer('young');
    assert.equal(await young, 'young');
    assert.deepEqual(kept, ['a=young']);
  });

  it('lets an error be rescued or thrown, and asks again after it', async () => {
    const { open, ask } = createQuestion();
    const flights = createSingleFlight(ask, assert.fail, (key, error) => {
      if (key === 'a') return 'rescued';
      throw error;
    });
    const [a, b] = [flights.ask('a'), flights.ask('b')];
    open[0]?.fail(new Error('lost'));
    open[1]?.fail(new Error('lost'));
    assert.equal(await a, 'rescued');
    await assert.rejects(b, /lost/);
    const again = flights.ask('b');
    assert.equal(open.length, 3);
    open[2]?.fail(new Error('lost again'));
    await assert.rejects(again, /lost again/);
  });
});

describe('putBounded', () => {
  it('lets the oldest leave and counts what is put again as the newest', () => {
    const map = new Map<string, number>();
    for (const key of ['a', 'b', 'c']) putBounded(map, key, 1, 3);
    putBounded(map, 'a', 2, 3);
    putBounded(map, 'd', 1, 3);
    assert.deepEqual(
      [...map],
      [
        ['c', 1],
        ['a', 2],
        ['d', 1],
      ],
    );
  });
});
