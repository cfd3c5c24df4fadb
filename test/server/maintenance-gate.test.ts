import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { createFreezeGate } from '../../src/server/freeze-gate.ts';
import type { Gate, Turn, UpstreamCall } from '../../src/upstream/index.ts';

/** A gate whose turns come when the test says so, and a queue that it may freeze. */
function createRig() {
  const given: { ok: boolean | null; seconds: number }[] = [];
  const turn: Turn = { done: (result) => void given.push(result) };
  const waiting: (() => void)[] = [];
  const rig = { frozen: false, underWay: 0, at: 'once' as 'once' | 'later', given, waiting };
  const inner: Gate = {
    take: () => (rig.at === 'once' ? turn : new Promise<Turn>((resolve) => void waiting.push(() => resolve(turn)))),
  };
  const gate = createFreezeGate(inner, {
    admit() {
      if (rig.frozen) throw new GatewayError('GW_MAINTENANCE', 'Frozen.');
    },
    began() {
      rig.underWay += 1;
      return {
        [Symbol.dispose]() {
          rig.underWay -= 1;
        },
      };
    },
  });
  const callOf = (cls: UpstreamCall['class'], method: string) =>
    ({ queue: 'q', class: cls, method }) as unknown as UpstreamCall;
  return Object.assign(rig, { gate, submission: callOf('submit', 'POST'), callOf });
}

const isFrozen = (error: unknown): boolean => error instanceof GatewayError && error.code === 'GW_MAINTENANCE';

describe('the gate of a queue that may be frozen', () => {
  it('counts what may start work until it is done', async () => {
    const rig = createRig();
    const turn = await rig.gate.take(rig.submission);
    assert.equal(rig.underWay, 1);
    turn.done({ ok: true, seconds: 2 });
    assert.deepEqual([rig.underWay, rig.given], [0, [{ ok: true, seconds: 2 }]]);
  });

  it('asks for no turn while it is frozen', () => {
    const rig = createRig();
    Object.assign(rig, { frozen: true, at: 'later' });
    assert.throws(() => rig.gate.take(rig.submission), isFrozen);
    assert.equal(rig.waiting.length, 0);
  });

  it('refuses what waited for its turn when the freeze began, and gives the turn back', async () => {
    const rig = createRig();
    rig.at = 'later';
    const taken = rig.gate.take(rig.submission);
    rig.frozen = true;
    rig.waiting[0]?.();
    await assert.rejects(Promise.resolve(taken), isFrozen);
    assert.deepEqual([rig.underWay, rig.given.length], [0, 1]);
  });

  it('lets reads and kills through, and does not count them', async () => {
    const rig = createRig();
    rig.frozen = true;
    for (const call of [rig.callOf('read', 'GET'), rig.callOf('control', 'PUT'), rig.callOf('control', 'DELETE')]) {
      const turn = await rig.gate.take(call);
      assert.equal(rig.underWay, 0);
      turn.done({ ok: true, seconds: 0 });
    }
    assert.throws(() => rig.gate.take(rig.callOf('control', 'PATCH')), isFrozen);
  });
});
