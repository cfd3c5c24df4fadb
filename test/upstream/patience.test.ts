import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { createUpstream } from '../../src/upstream/index.ts';
import { PlainWay } from '../../src/upstream/plain-way.ts';
import { createWaiters } from '../../src/upstream/waiters.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { createFakeGate } from './fake-gate.ts';
import { createRawServer, createToldReport, queueOf } from './rig.ts';

async function deadUrl(): Promise<string> {
  await using server = await createRawServer(() => undefined);
  return `http://127.0.0.1:${server.port}`;
}

describe('who waits for a server', () => {
  it('waits no longer than may be, whatever it wants', async () => {
    const clock = createManualClock();
    await using upstream = createUpstream({
      queues: [queueOf(await deadUrl())],
      report: createToldReport(),
      clock,
      longestWait: () => 20_000,
    });
    await upstream.login('night', 'alice', new Secret('password'));
    let ended = false;
    const wait = async (): Promise<void> => {
      try {
        await upstream.admit(callOf({ waitMs: 300_000 }));
      } finally {
        ended = true;
      }
    };
    const late = assert.rejects(wait, { code: 'GW_UPSTREAM_DOWN' });
    await clock.advance(19_000);
    assert.equal(ended, false);
    await clock.advance(1000);
    await late;
  });

  it('is one of a few of its identity, who make room as they go', async () => {
    const clock = createManualClock();
    const { wait, wake } = createWaiters(clock);
    const here = new AbortController().signal;
    const short = wait(1000, here, 'alice');
    const all = Array.from({ length: 40 }, () => wait(5000, here, 'alice'));
    const other = wait(5000, here, 'bob');
    await clock.advance(1000);
    assert.equal(await short, false);
    const late = [wait(5000, here, 'alice'), wait(5000, here, 'alice')];
    wake();
    assert.equal((await Promise.all(all)).filter(Boolean).length, 31);
    assert.equal(await other, true);
    assert.deepEqual(await Promise.all(late), [true, false]);
  });

  for (const { wants, left } of [
    { wants: 30_000, left: 20_000 },
    { wants: 300_000, left: 50_000 },
    { wants: 5000, left: 0 },
    { wants: undefined, left: undefined },
  ]) {
    it(`that wants ${wants} ms has ${left} ms left for its turn after ten seconds`, async () => {
      const clock = createManualClock();
      const gate = createFakeGate();
      const way = new PlainWay({
        upstream: {
          admit: () => clock.sleep(10_000),
          forward: () => Promise.reject(new Error('unused')),
          ask: () => Promise.reject(new Error('unused')),
          longestWait: () => 60_000,
        },
        gate,
        clock,
        report: { log: createToldReport().log, coalesced: () => undefined },
      });
      const taken = way.take(wants === undefined ? callOf() : callOf({ waitMs: wants }));
      await clock.advance(10_000);
      (await taken).done({ ok: null, seconds: Number.NaN });
      assert.equal(gate.asked[0]?.waitMs, left);
    });
  }
});
