import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import type { UpstreamCall } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type Caller, createFakeRoad, type Road, settle } from './fake-upstream.ts';

function readersRoad(limit = Number.POSITIVE_INFINITY): Road & { clock: ReturnType<typeof createManualClock> } {
  const clock = createManualClock();
  const road = createFakeRoad({ clock });
  road.gate.limit = limit;
  return { ...road, clock };
}

/** A reader that takes nothing of its answer, by a target of its own. */
function stuck(road: Road, nth: number, more: Partial<UpstreamCall> = {}): Caller {
  const caller = road.call({ target: `/api/v3/jobs/${nth}`, ...more });
  caller.response.stuck = true;
  return caller;
}

const isCut = ({ response }: Caller): boolean => response.destroyed;

describe('a reader that is slower than vovserver', () => {
  it('holds its turn no longer than a second and a half, and what it cost is the time until it held up', async () => {
    const road = readersRoad(1);
    const slow = stuck(road, 1);
    const next = road.call({ target: '/api/v3/jobs/2' });
    await road.clock.advance(999);
    assert.deepEqual([road.gate.open, road.going.length], [1, 1]);
    await road.clock.advance(501);
    assert.deepEqual([road.gate.done, road.going.length], [[{ ok: true, seconds: 0.5 }], 2]);
    for (const going of [...road.going]) going.answer();
    await settle();
    assert.deepEqual([slow.ended, next.ended, road.gate.open], ['answered', 'answered', 0]);
    assert.equal(road.gate.done.length, 2, 'no turn is given back twice');
  });

  it('keeps it while it only pauses now and then', async () => {
    const road = readersRoad(1);
    const reader = stuck(road, 1);
    for (let look = 0; look < 6; look += 1) {
      await road.clock.advance(500);
      reader.response.stuck = look % 2 === 1;
    }
    assert.deepEqual([road.gate.done, road.gate.open], [[], 1]);
    road.going[0]?.answer();
    await settle();
    assert.deepEqual(road.gate.done, [{ ok: true, seconds: 3 }]);
  });

  it('is one of two of an account and sixteen of a queue that may be served without a turn', async () => {
    const road = readersRoad();
    const readers = Array.from({ length: 20 }, (_, nth) => stuck(road, nth, { account: `user${nth}` }));
    await road.clock.advance(2000);
    assert.equal(road.gate.open, 4);
    stuck(road, 99, { queue: 'day' });
    await road.clock.advance(500);
    assert.equal(road.gate.open, 5);
    await road.clock.advance(400);
    road.going[0]?.answer();
    await settle();
    await road.clock.advance(100);
    assert.equal(road.gate.open, 0, 'who is done makes room, another queue has sixteen of its own');
    assert.equal(readers.filter(isCut).length, 3, 'there was none for the other three');
    assert.equal(road.going.length, 17);
    for (const going of [...road.going]) going.answer();
    await settle();
    assert.equal(readers.filter(({ ended }) => ended === 'answered').length, 17);
    assert.equal(road.gate.done.length, 21);
  });

  it('ends where there are too many: no turn of a lane of two is held longer than three seconds', async () => {
    const road = readersRoad(2);
    const mine = [1, 2, 3, 4].map((nth) => stuck(road, nth));
    await road.clock.advance(1000);
    assert.deepEqual([road.gate.open, road.going.length], [2, 4], 'two go on without, the next two have the turns');
    const other = road.call({ account: 'bob', target: '/api/v3/jobs/9' });
    await settle();
    assert.equal(road.gate.waiting.size, 1);
    await road.clock.advance(3000);
    assert.equal(road.gate.waiting.size, 0);
    road.going.find(({ call }) => call.account === 'bob')?.answer();
    await settle();
    assert.equal(other.ended, 'answered');
    assert.deepEqual(mine.map(isCut), [true, true, false, false], 'who stands still longest ends first');
    assert.equal(road.gate.open, 0);
    assert.deepEqual(
      road.log.map(({ level, fields }) => [level, fields.event, fields.account, fields.queue]),
      Array.from({ length: 2 }, () => ['warn', 'slow_reader_cut', 'alice', 'night']),
    );
  });

  it('that takes a little has ten seconds there; then the newest of whoever has most of them ends', async () => {
    const road = readersRoad();
    const first = stuck(road, 1, { account: 'team', identity: 'ann' });
    await road.clock.advance(500);
    const second = stuck(road, 2, { account: 'team', identity: 'ann' });
    const third = stuck(road, 3, { account: 'team', identity: 'ben' });
    const slow = [first, second, third];
    for (let look = 0; look < 19; look += 1) {
      for (const { response } of slow) response.taken += 1000;
      await road.clock.advance(500);
    }
    assert.deepEqual([road.gate.open, slow.map(isCut)], [1, [false, false, false]]);
    for (const { response } of slow) response.taken += 1000;
    await road.clock.advance(500);
    assert.deepEqual([road.gate.open, slow.map(isCut)], [0, [false, true, false]]);
  });

  it('ends after half a minute in which it took nothing, wherever it is; a sender that pauses is none', async () => {
    const road = readersRoad();
    const dead = stuck(road, 1);
    const slow = stuck(road, 2, { account: 'bob' });
    const quiet = road.call({ account: 'carl', target: '/api/v3/jobs/3' });
    await road.clock.advance(29_500);
    slow.response.taken += 1;
    assert.equal(isCut(dead), false);
    await road.clock.advance(500);
    assert.deepEqual([dead, slow, quiet].map(isCut), [true, false, false]);
    await road.clock.advance(29_500);
    assert.equal(isCut(slow), false);
    await road.clock.advance(500);
    assert.deepEqual([dead, slow, quiet].map(isCut), [true, true, false]);
    road.going[0]?.answer();
    await settle();
    assert.deepEqual([quiet.ended, road.gate.open], ['answered', 0]);
  });

  it('is not cut because somebody set the clock', async () => {
    const road = readersRoad();
    const reader = stuck(road, 1);
    await road.clock.advance(1000);
    road.clock.step(3_600_000);
    await road.clock.advance(1000);
    assert.equal(isCut(reader), false);
  });

  it('that goes away afterwards gives nothing back twice', async () => {
    const road = readersRoad();
    const slow = stuck(road, 1);
    await road.clock.advance(2000);
    slow.leave();
    await settle();
    assert.deepEqual([road.gate.done.length, road.gate.open], [1, 0]);
  });

  it('costs no timer when nobody reads', async () => {
    const clock = createManualClock();
    let timers = 0;
    const counted = {
      ...clock,
      after: (ms: number, fn: () => void) => {
        timers += 1;
        return clock.after(ms, fn);
      },
    };
    const road = createFakeRoad({ clock: counted });
    road.call();
    road.going[0]?.answer();
    await settle();
    await clock.advance(60_000);
    assert.equal(timers, 1);
  });
});

describe('what a turn tells when it is given back', () => {
  const down = new GatewayError('GW_UPSTREAM_DOWN', 'down');
  const ends: Record<string, readonly [(road: Road, caller: Caller) => void, { ok: boolean | null; seconds: number }]> =
    {
      'an answer': [(road) => road.going[0]?.answer(), { ok: true, seconds: 2 }],
      'vovserver’s own error': [(road) => road.going[0]?.answer({ status: 503 }), { ok: false, seconds: 2 }],
      'no answer in time': [
        (road) => road.going[0]?.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', 'late')),
        { ok: false, seconds: 2 },
      ],
      'no connection: no time of vovserver': [(road) => road.going[0]?.fail(down), { ok: false, seconds: Number.NaN }],
      'no credential: nothing of vovserver': [
        (road) => road.going[0]?.fail(new GatewayError('GW_CREDENTIAL_UNAVAILABLE', 'none')),
        { ok: null, seconds: Number.NaN },
      ],
      'a caller who left: only the time it took': [(_road, caller) => caller.leave(), { ok: null, seconds: 2 }],
    };
  for (const [what, [end, told]] of Object.entries(ends)) {
    it(what, async () => {
      const road = readersRoad();
      const caller = road.call();
      await road.clock.advance(2000);
      end(road, caller);
      await settle();
      assert.deepEqual(road.gate.done, [told]);
    });
  }

  it('a turn that nobody needed any more', async () => {
    const road = readersRoad(0);
    const caller = road.call();
    road.gate.limit = 1;
    for (const { give } of road.gate.waiting) give();
    caller.leave();
    await settle();
    assert.deepEqual(road.gate.done, [{ ok: null, seconds: Number.NaN }]);
  });
});
