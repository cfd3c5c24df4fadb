import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './manual-clock.ts';

test('timers fire in order of time, and of their making at the same time', async () => {
  const clock = createManualClock(1000);
  const fired: string[] = [];
  const note = (name: string) => () => fired.push(`${name} ${clock.now()}`);
  clock.after(30, note('c'));
  clock.after(10, note('a'));
  clock.after(10, note('b'));
  clock.every(20, note('every'));
  clock.after(60, note('late'));
  await clock.advance(45);
  assert.deepEqual(fired, ['a 1010', 'b 1010', 'every 1020', 'c 1030', 'every 1040']);
  assert.equal(clock.now(), 1045);
});

test('disposed timers do not fire, also when disposed by another timer', async () => {
  const clock = createManualClock();
  const fired: string[] = [];
  const gone = clock.every(10, () => fired.push('gone'));
  clock.after(25, () => gone[Symbol.dispose]());
  await clock.advance(100);
  assert.deepEqual(fired, ['gone', 'gone']);
});

test('what promises start during a step belongs to the step', async () => {
  const clock = createManualClock(0);
  const slept: number[] = [];
  const loop = async (): Promise<void> => {
    for (let round = 0; round < 5; round += 1) {
      await clock.sleep(10);
      slept.push(clock.now());
    }
  };
  void loop();
  await clock.advance(35);
  assert.deepEqual(slept, [10, 20, 30]);
  await clock.advance(100);
  assert.deepEqual(slept, [10, 20, 30, 40, 50]);
});

test('a sleep ends with the reason of its signal', async () => {
  const clock = createManualClock();
  const abort = new AbortController();
  const sleeping = assert.rejects(clock.sleep(1000, abort.signal), /enough/);
  await clock.advance(10);
  abort.abort(new Error('enough'));
  await sleeping;
  await assert.rejects(clock.sleep(1000, abort.signal), /enough/);
});
