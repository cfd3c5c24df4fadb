import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import type { Holder } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { CONFIG, codesOf, createFakeRoad, only, settle } from './fake-upstream.ts';
import { countingCredential } from './rig.ts';

/** A credential that can end; counts how often it was asked for. */
function createHolder(): Holder & { ended: boolean; asked: number } {
  return {
    ended: false,
    asked: 0,
    async stillHolds() {
      this.asked += 1;
      if (this.ended) throw new GatewayError('GW_UNAUTHENTICATED', 'This token was revoked.');
    },
  };
}

/** Serves whoever waits. */
function open(road: ReturnType<typeof createFakeRoad>): void {
  road.gate.limit = Number.POSITIVE_INFINITY;
  for (const { give } of road.gate.waiting) give();
}

describe('a credential that ends while its call waits', () => {
  for (const method of ['GET', 'POST']) {
    it(`${method}: 401, nothing goes, and the turn is given back`, async () => {
      const road = createFakeRoad();
      road.gate.limit = 0;
      const holder = createHolder();
      const caller = road.call({ method, holder });
      holder.ended = true;
      open(road);
      await settle();
      assert.deepEqual(codesOf([caller]), ['GW_UNAUTHENTICATED']);
      assert.deepEqual([road.begun.length, road.gate.given, road.gate.open], [0, 1, 0]);
      assert.deepEqual(road.gate.done, [{ ok: null, seconds: Number.NaN }]);
    });
  }

  it('is not asked for when there was no wait, and asked for once when it holds', async () => {
    const road = createFakeRoad();
    const holder = createHolder();
    road.call({ holder });
    only(road.going).answer();
    await settle();
    assert.equal(holder.asked, 0);
    road.gate.limit = 0;
    const waits = road.call({ holder });
    open(road);
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual([waits.ended, holder.asked], ['answered', 1]);
  });

  it('takes the turn of nobody else who wants the same', async () => {
    const road = createFakeRoad();
    road.gate.limit = 0;
    const [revoked, good] = [createHolder(), createHolder()];
    const mine = { identity: 'ann', token: 'one', holder: revoked };
    const callers = [road.call(mine), road.call(mine), road.call({ ...mine, token: 'two', holder: good })];
    const ben = road.call({ identity: 'ben', token: 'three', holder: good });
    revoked.ended = true;
    for (const { call, give } of road.gate.waiting) if (call.identity === 'ann') give();
    await settle();
    assert.deepEqual(codesOf([...callers, ben]), ['GW_UNAUTHENTICATED', 'GW_UNAUTHENTICATED', null, null]);
    open(road);
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([...callers, ben]).slice(2), ['answered', 'answered']);
    assert.equal(road.gate.open, 0);
  });

  it('gets no answer of a call that others made go', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    const revoked = createHolder();
    const first = road.call({ identity: 'zoe' });
    const callers = [road.call({ identity: 'ann', holder: revoked }), road.call({ identity: 'ben' })];
    await clock.advance(2000);
    revoked.ended = true;
    only(road.going).answer();
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([first, ...callers]), ['answered', 'GW_UNAUTHENTICATED', 'answered']);
  });

  it('does not go by itself when the answer of the others is not for it', async () => {
    const road = createFakeRoad();
    const revoked = createHolder();
    road.call();
    const callers = [road.call(), road.call({ token: 'revoked', holder: revoked })];
    only(road.going).answer();
    await settle();
    revoked.ended = true;
    only(road.going).answer({ headers: ['vary', 'x-own'] });
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', 'GW_UNAUTHENTICATED']);
    assert.equal(road.going.length, 0);
  });

  it('counts, too, when it was a server that was waited for', async () => {
    const road = createFakeRoad();
    const holder = createHolder();
    const found = Promise.withResolvers<void>();
    const { carrier } = createFakeRoad({
      gate: road.gate,
      settings: () => ({ ...CONFIG, join: 'off' }),
      upstream: {
        epoch: () => 'e',
        admit: () => found.promise,
        ask: () => Promise.reject(new Error('it went')),
        forward: () => Promise.reject(new Error('it went')),
      },
    });
    const asked = carrier.ask(callOf({ holder }), countingCredential('alice'), 1000);
    holder.ended = true;
    found.resolve();
    await assert.rejects(asked, { code: 'GW_UNAUTHENTICATED' });
    assert.equal(road.gate.open, 0);
  });
});
