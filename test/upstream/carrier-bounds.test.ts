import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { AnswerTooLong } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { CONFIG, codesOf, createFakeRoad, only, settle, shared } from './fake-upstream.ts';

const down = new GatewayError('GW_UPSTREAM_DOWN', 'down', { retryAfter: 5 });

describe('an answer that is too long to be shared', () => {
  it('makes each go by itself with a turn, and the key is remembered for 30 s', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    const callers = await shared(road, [{}, {}, {}]);
    only(road.going).fail(new AnswerTooLong(CONFIG.maxBytes));
    await settle();
    assert.deepEqual([road.going.length, road.gate.open], [3, 3]);
    assert.ok(road.going.every(({ kind }) => kind === 'forward'));
    callers.push(road.call());
    assert.equal(road.going.length, 4, 'nobody waits for nothing');
    for (const going of [...road.going]) going.answer();
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', 'answered', 'answered', 'answered']);
    assert.deepEqual(road.told, ['own', ...Array(4).fill('too_large')]);
    await clock.advance(30_000);
    await shared(road, [{}, {}]);
  });

  it('is known from one that was streamed', async () => {
    const road = createFakeRoad();
    const callers = [road.call(), road.call(), road.call()];
    only(road.going).answer({ body: Buffer.alloc(CONFIG.maxBytes + 1) });
    await settle();
    assert.ok(road.going.length === 2 && road.going.every(({ kind }) => kind === 'forward'));
    for (const going of [...road.going]) going.answer();
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', 'answered', 'answered']);
    assert.deepEqual(road.told, ['own', 'too_large', 'too_large']);
  });
});

describe('a reader that is slower than vovserver', () => {
  it('holds up nobody longer than a second', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    const slow = road.call();
    const waiting = road.call();
    slow.response.stuck = true;
    await clock.advance(999);
    assert.equal(road.going.length, 1);
    await clock.advance(1);
    assert.equal(road.going.length, 2);
    const third = road.call();
    road.going[0]?.answer();
    await settle();
    assert.equal(only(road.going).kind, 'forward', 'the end of the slow one begins nothing');
    only(road.going).answer();
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([slow, waiting, third]), ['answered', 'answered', 'answered']);
  });

  it('is waited for while it keeps up', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    const callers = [road.call(), road.call()];
    await clock.advance(5000);
    only(road.going).answer();
    await settle();
    only(road.going).answer();
    await clock.advance(5000);
    assert.deepEqual(codesOf(callers), ['answered', 'answered']);
  });
});

describe('bounds', () => {
  it('of memory: an answer counts until its last reader has it', async () => {
    const road = createFakeRoad({ heldBytes: 1500 });
    const callers = await shared(road, [{}, {}]);
    assert.equal(road.call({ target: '/api/v3/other' }).ended, null);
    road.call({ target: '/api/v3/other' });
    assert.equal(road.going.length, 3, 'two reads of another key go by themselves');
    for (const going of [...road.going]) going.answer({ body: Buffer.alloc(600) });
    await settle();
    for (let round = 0; round < 2; round += 1) road.call({ target: '/api/v3/third' });
    assert.equal(road.going.length, 2, '600 bytes are still held');
    for (const { response } of callers) response.close();
    for (const going of [...road.going]) going.answer();
    await settle();
    await shared(road, [{ target: '/api/v3/third' }, { target: '/api/v3/third' }]);
  });

  it('of memory: who was slow to read makes room after half a minute, when others need it', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ heldBytes: 150_000, clock });
    road.state.config = { ...CONFIG, maxBytes: 100_000 };
    const slow = await shared(road, [{}, {}]);
    only(road.going).answer({ body: Buffer.alloc(90_000) });
    await settle();
    const cut = (): boolean[] => slow.map(({ response }) => response.destroyed);
    await clock.advance(29_999);
    road.call({ target: '/b' });
    assert.deepEqual(cut(), [false, false]);
    await clock.advance(1);
    assert.deepEqual(cut(), [false, false], 'nobody needs it');
    road.call({ target: '/b' });
    assert.deepEqual(cut(), [true, true]);
    for (const going of [...road.going]) going.answer();
    await settle();
    await shared(road, [{ target: '/b' }, { target: '/b' }]);
  });

  it('of memory: reached while a turn is waited for, all go by themselves', async () => {
    const road = createFakeRoad({ heldBytes: 1000 });
    for (const target of ['/a', '/a', '/a', '/b', '/b', '/b']) road.call({ target });
    for (const going of [...road.going]) going.answer();
    await settle();
    const kinds = road.going.map(({ kind, call }) => `${kind} ${call.target}`);
    assert.deepEqual(kinds, ['ask /a', 'forward /b', 'forward /b']);
    assert.equal(road.gate.open, 3);
  });

  it('of keys: above it reads go by themselves; those that ended make room', async () => {
    const road = createFakeRoad({ keys: 2 });
    for (const target of ['/a', '/b', '/c', '/c']) road.call({ target });
    assert.equal(road.going.length, 4);
    for (const going of [...road.going]) going.answer();
    await settle();
    await shared(road, [{ target: '/c' }, { target: '/c' }]);
  });
});

describe('one call of a key', () => {
  it('stays one when somebody comes in the moment in which nobody was left', async () => {
    for (let moments = 0; moments < 12; moments += 1) {
      const road = createFakeRoad();
      road.call();
      const gone = road.call();
      gone.leave();
      only(road.going).answer();
      for (let moment = 0; moment < moments; moment += 1) await undefined;
      const callers = [road.call()];
      await undefined;
      callers.push(road.call());
      await settle();
      only(road.going).answer();
      await settle();
      for (const going of [...road.going]) going.answer();
      await settle();
      assert.deepEqual(codesOf(callers), ['answered', 'answered'], `after ${moments}`);
    }
  });
});

describe('settings that change', () => {
  it('count for the next call; who waits keeps what it waits for', async () => {
    const road = createFakeRoad();
    const callers = [road.call(), road.call(), road.call()];
    road.state.config = { ...CONFIG, join: 'off' };
    road.call();
    road.call();
    assert.equal(road.going.length, 3);
    for (const going of [...road.going]) going.answer();
    await settle();
    assert.equal(only(road.going).kind, 'ask');
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', 'answered', 'answered']);
    road.state.config = { ...CONFIG, join: 'running' };
    const two = [road.call(), road.call()];
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf(two), ['answered', 'answered']);
  });
});

describe('a call into memory', () => {
  it('takes a turn and gives it back, however it ends', async () => {
    const road = createFakeRoad();
    const credential = { get: () => Promise.reject(down), renew: () => Promise.reject(down) };
    for (const end of ['answer', 'refused', 'fail', 'long'] as const) {
      const asked = road.carrier.ask(callOf({ method: 'POST' }), credential, 10);
      await settle();
      const going = only(road.going);
      assert.deepEqual([going.kind, going.maxBytes, road.gate.open], ['ask', 10, 1]);
      if (end === 'answer') going.answer();
      else if (end === 'refused') going.answer({ status: 503 });
      else going.fail(end === 'long' ? new AnswerTooLong(10) : down);
      if (end === 'fail' || end === 'long') await assert.rejects(asked, GatewayError);
      else await asked;
    }
    assert.deepEqual(
      road.gate.done.map(({ ok }) => ok),
      [true, false, false, true],
    );
    assert.equal(road.gate.open, 0);
  });
});
