import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createMemoryEntries } from '../../src/platform/memory-entries.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { appendScript, conformance } from './conformance.ts';
import { openMemoryWorld } from './store-world.ts';

conformance('memory', openMemoryWorld);

test('memory: a value ends exactly at its time, however it was given', async () => {
  const clock = createManualClock();
  await using kv = createMemoryKeyValue({ clock });
  await kv.set('set', 'x', 100);
  await kv.compareAndSet('cas', null, 'x', 100);
  await kv.increment('count', 1, 100);
  await clock.advance(99);
  await kv.increment('count', 1, 100);
  for (const key of ['set', 'cas', 'count']) assert.notEqual(await kv.get(key), null);
  await clock.advance(1);
  for (const key of ['set', 'cas', 'count']) {
    assert.equal(await kv.get(key), null);
    assert.equal(await kv.delete(key), false);
  }
  assert.equal(await kv.set('set', 'y', null, { onlyIfAbsent: true }), true);
});

test('memory: what has ended does not stay, even when nobody asks for it', async () => {
  const clock = createManualClock();
  const entries = createMemoryEntries(clock);
  for (let index = 0; index < 100; index += 1) entries.putText(`k${index}`, 'x', index + 1);
  entries.putText('kept', 'x', null);
  entries.addMember('set', 'x');
  assert.equal(entries.size(), 102);
  await clock.advance(60);
  entries.sweep();
  assert.equal(entries.size(), 42);
  entries.clear();
  assert.equal(entries.size(), 0);
});

test('memory: a message comes later than the call that sent it, and not to those who have left meanwhile', async () => {
  await using kv = createMemoryKeyValue({ clock: createManualClock() });
  const heard: string[] = [];
  const leaving = await kv.subscribe('c', (text) => heard.push(`leaving ${text}`));
  await using _ = await kv.subscribe('c', (text) => heard.push(text));
  const publishing = kv.publish('c', 'x');
  assert.deepEqual(heard, []);
  await leaving[Symbol.asyncDispose]();
  await publishing;
  await kv.ping();
  assert.deepEqual(heard, ['x']);
});

test('memory: a listener may publish and subscribe', async () => {
  await using kv = createMemoryKeyValue({ clock: createManualClock() });
  const heard: string[] = [];
  await using _ = await kv.subscribe('c', (text) => {
    heard.push(text);
    if (text.length < 5) void kv.publish('c', `${text}.`);
  });
  await kv.publish('c', '.');
  for (let turn = 0; turn < 20; turn += 1) await kv.ping();
  assert.deepEqual(heard, ['.', '..', '...', '....', '.....']);
});

test('memory: a counter stops at what a number can hold exactly', async () => {
  await using kv = createMemoryKeyValue({ clock: createManualClock() });
  await kv.set('n', String(Number.MAX_SAFE_INTEGER), null);
  await assert.rejects(kv.increment('n', 1, 1000), RangeError);
  assert.equal(await kv.increment('n', -1, 1000), Number.MAX_SAFE_INTEGER - 1);
});

test('memory: scripts see the clock and the values of the store', async () => {
  const clock = createManualClock(5000);
  await using kv = createMemoryKeyValue({ clock });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.string(), fc.integer({ min: -1000, max: 1000 }))), async (calls) => {
      await Promise.all([kv.delete('t:{x}'), kv.delete('n:{x}')]);
      let [text, count] = ['', 0];
      for (const [part, by] of calls) {
        text += part;
        count += by;
        assert.deepEqual(await kv.run(appendScript, ['t:{x}', 'n:{x}'], [part, by]), [text, count]);
      }
    }),
  );
  const now = { name: 'now', keys: 0, lua: 'return {}', memory: (store: { now(): number }) => [store.now()] };
  assert.deepEqual(await kv.run(now, [], []), [5000]);
});
