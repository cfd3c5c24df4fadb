import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createManualClock } from '../world/manual-clock.ts';
import { CONFIG, createFakeRoad, settle } from './fake-upstream.ts';

const ROUTE = '/api/v3/project/1/{field}';
const cachedFor = (life: number): (typeof CONFIG)['cache'] => [{ route: ROUTE, life }];

function reloadRoad() {
  const clock = createManualClock();
  const road = createFakeRoad({ clock });
  const reload = (cache: (typeof CONFIG)['cache']): void => {
    road.state.config = { ...CONFIG, cache };
  };
  /** How a read was answered (Cache-Status). */
  const read = async (): Promise<string | undefined> => {
    const { response, result } = road.call({ target: '/api/v3/project/1/name', route: ROUTE });
    await settle();
    for (const going of [...road.going]) going.answer({ headers: ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'] });
    await result;
    return response.rawHead[response.rawHead.indexOf('cache-status') + 1];
  };
  reload(cachedFor(60_000));
  return { ...road, clock, reload, read };
}

describe('the settings of the micro-cache change', () => {
  it('to a shorter life: what was stored for longer is not used', async () => {
    const { clock, reload, read } = reloadRoad();
    assert.equal(await read(), 'vovgw; fwd=miss; stored');
    assert.equal(await read(), 'vovgw; hit; ttl=60');
    await clock.advance(4000);
    reload(cachedFor(1000));
    assert.equal(await read(), 'vovgw; fwd=miss; stored');
    await clock.advance(1000);
    assert.equal(await read(), 'vovgw; fwd=stale; stored');
  });

  it('away and back: nobody sees an answer again that is older than what was seen meanwhile', async () => {
    const { reload, read, begun } = reloadRoad();
    await read();
    reload([]);
    await read();
    assert.equal(begun.length, 2);
    reload(cachedFor(60_000));
    assert.equal(await read(), 'vovgw; fwd=miss; stored');
    assert.equal(await read(), 'vovgw; hit; ttl=60');
  });

  it('while a call runs: its answer is stored for nobody', async () => {
    const { reload, read, call, going } = reloadRoad();
    const slow = call({ target: '/api/v3/project/1/name', route: ROUTE });
    await settle();
    reload(cachedFor(1000));
    going[0]?.answer({ headers: ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'] });
    await slow.result;
    assert.equal(await read(), 'vovgw; fwd=miss; stored');
  });
});
