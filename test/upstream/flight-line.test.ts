import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { codesOf, createFakeRoad, only, type Road, settle } from './fake-upstream.ts';

/** A road without a turn: who asks waits. */
function fullRoad(): Road {
  const road = createFakeRoad();
  road.gate.limit = 0;
  return road;
}

const namesOf = (road: Road): unknown[] => [...road.gate.waiting].map(({ call }) => call.identity);

/** Gives the turn of one identity. */
function give(road: Road, identity: string): void {
  road.gate.limit = road.gate.open + 1;
  for (const one of road.gate.waiting) if (one.call.identity === identity) one.give();
  road.gate.limit = 0;
}

describe('who wants what somebody else waits for', () => {
  it('stands in the line in its own name, and its turn is enough for both', async () => {
    const road = fullRoad();
    const ann = [road.call({ identity: 'ann' }), road.call({ identity: 'ann' })];
    const ben = [road.call({ identity: 'ben' }), road.call({ identity: 'ben' })];
    assert.deepEqual(namesOf(road), ['ann', 'ben'], 'one place each');
    give(road, 'ben');
    await settle();
    assert.equal(only(road.going).call.identity, 'ben', 'it goes in the name in which the turn came');
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([...ann, ...ben]), ['answered', 'answered', 'answered', 'answered']);
    give(road, 'ann');
    await settle();
    assert.deepEqual([road.gate.open, road.gate.waiting.size, road.gate.done.length], [0, 0, 2]);
    assert.deepEqual(road.gate.done[1], { ok: null, seconds: Number.NaN }, 'the other turn is given back unused');
  });

  it('gives its place up when another’s turn came first', async () => {
    const road = fullRoad();
    road.gate.limit = 1;
    const running = road.call({ identity: 'zoe' });
    const callers = ['ann', 'ben', 'carl'].map((identity) => road.call({ identity }));
    const elsewhere = road.call({ identity: 'dan', target: '/api/v3/jobs/9' });
    road.gate.limit = 0;
    only(road.going).answer();
    await settle();
    assert.equal(running.ended, 'answered');
    assert.deepEqual(namesOf(road), ['dan', 'ann', 'ben', 'carl']);
    give(road, 'carl');
    await settle();
    assert.deepEqual(namesOf(road), ['dan'], 'nobody stands in the line for nothing');
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([...callers, elsewhere]), ['answered', 'answered', 'answered', null]);
  });

  it('keeps its place when the other leaves, and loses it with its last caller', async () => {
    const road = fullRoad();
    const ann = road.call({ identity: 'ann' });
    const ben = [road.call({ identity: 'ben' }), road.call({ identity: 'ben' })];
    ann.leave();
    await settle();
    assert.deepEqual(namesOf(road), ['ben']);
    ben[0]?.leave();
    await settle();
    assert.deepEqual(namesOf(road), ['ben'], 'the other one of ben stands there now');
    ben[1]?.leave();
    await settle();
    assert.deepEqual(namesOf(road), []);
    road.gate.limit = 1;
    const next = road.call({ identity: 'ann' });
    only(road.going).answer();
    await settle();
    assert.equal(next.ended, 'answered');
  });

  it('goes with the others when the line has no place for it', async () => {
    const road = fullRoad();
    const ann = road.call({ identity: 'ann' });
    const { take } = road.gate;
    road.gate.take = () => {
      throw new GatewayError('GW_SATURATED', 'full', { retryAfter: 2 });
    };
    const ben = road.call({ identity: 'ben' });
    await settle();
    assert.equal(ben.ended, null);
    road.gate.take = take;
    give(road, 'ann');
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([ann, ben]), ['answered', 'answered']);
  });

  it('asks itself when the last place of the others was refused', async () => {
    const road = fullRoad();
    const ann = road.call({ identity: 'ann' });
    const { take } = road.gate;
    road.gate.take = () => {
      throw new GatewayError('GW_SATURATED', 'full', { retryAfter: 2 });
    };
    const ben = road.call({ identity: 'ben' });
    road.gate.take = take;
    for (const { refuse } of road.gate.waiting) refuse();
    await settle();
    assert.deepEqual(codesOf([ann, ben]), ['GW_SATURATED', null]);
    assert.deepEqual(namesOf(road), ['ben']);
    give(road, 'ben');
    await settle();
    only(road.going).answer();
    await settle();
    assert.equal(ben.ended, 'answered');
  });

  it('takes no more than eight places for one read', async () => {
    const road = fullRoad();
    const callers = Array.from({ length: 20 }, (_, nth) => road.call({ identity: `p${nth}` }));
    assert.equal(road.gate.waiting.size, 8);
    give(road, 'p7');
    await settle();
    only(road.going).answer();
    await settle();
    assert.ok(callers.every(({ ended }) => ended === 'answered'));
  });

  it('uses its own account and credential, also where all accounts share one answer', async () => {
    const road = fullRoad();
    const target = '/api/v3/project/1/version';
    const ann = road.call({ target, identity: 'ann', account: 'ann' });
    const ben = road.call({ target, identity: 'ben', account: 'ben' });
    await settle();
    give(road, 'ben');
    await settle();
    assert.equal(only(road.going).call.account, 'ben');
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([ann, ben]), ['answered', 'answered']);
  });
});
