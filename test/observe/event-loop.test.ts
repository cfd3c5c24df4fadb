import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventLoopDelay, type EventLoopDelay } from '../../src/observe/event-loop.ts';

/** The samples as a map from quantile or suffix to value. */
function read(loop: EventLoopDelay): Map<string, number> {
  return new Map(
    loop.samples('d').map(({ metricName = '', labels, value }) => [metricName || String(labels.quantile), value]),
  );
}

/** Waits for a turn of the watch, holds the event loop, and waits until that was seen. */
async function hold(ms: number): Promise<void> {
  await sleep(60);
  const end = Date.now() + ms;
  while (Date.now() < end);
  await sleep(60);
}

describe('the delay of the event loop', () => {
  it('gives the four quantiles in order, sum and count', async () => {
    using loop = createEventLoopDelay();
    await hold(100);
    const samples = read(loop);
    assert.deepEqual([...samples.keys()], ['0.5', '0.9', '0.99', '1', 'd_sum', 'd_count']);
    const quantiles = [...samples.values()].slice(0, 4);
    assert.deepEqual(
      quantiles,
      [...quantiles].sort((a, b) => a - b),
    );
  });

  it('sees that the event loop was held', async () => {
    using loop = createEventLoopDelay();
    await hold(200);
    const samples = read(loop);
    // Far below the 0.2 s that it was held, far above the interval of the watch.
    assert.ok((samples.get('1') ?? 0) > 0.1, String(samples.get('1')));
    assert.ok((samples.get('d_sum') ?? 0) > 0.1, String(samples.get('d_sum')));
  });

  it('starts its quantiles anew at each reading, and keeps sum and count', async () => {
    using loop = createEventLoopDelay();
    await hold(200);
    const first = read(loop);
    const second = read(loop);
    assert.deepEqual([...second.values()].slice(0, 4), [0, 0, 0, 0]);
    assert.equal(second.get('d_sum'), first.get('d_sum'));
    assert.equal(second.get('d_count'), first.get('d_count'));
  });

  it('sees nothing any more once it is disposed', async () => {
    const loop = createEventLoopDelay();
    loop[Symbol.dispose]();
    await hold(50);
    assert.equal(read(loop).get('d_count'), 0);
  });
});
