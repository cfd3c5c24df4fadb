import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KeyValue, type Script, StoreUnavailable } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';

/** One shared store as two replicas see it. */
export interface StoreWorld extends AsyncDisposable {
  readonly one: KeyValue;
  /** Another replica's view; the same object where there can be only one process. */
  readonly two: KeyValue;
  /** Lets some time pass. */
  pass(ms: number): Promise<void>;
}

type Open = () => Promise<StoreWorld>;

const unique = (name: string): string => `${name}:{${randomUUID()}}`;

/** Appends to a text and counts: strings and whole numbers in both directions. */
export const appendScript: Script = {
  name: 'append',
  keys: 2,
  lua: `
    local text = (redis.call('GET', KEYS[1]) or '') .. ARGV[1]
    local count = (tonumber(redis.call('GET', KEYS[2])) or 0) + tonumber(ARGV[2])
    redis.call('SET', KEYS[1], text)
    redis.call('SET', KEYS[2], string.format('%.0f', count), 'PX', 60000)
    return {text, count}`,
  memory(store, keys, args) {
    const [textKey, countKey] = keys as [string, string];
    const text = (store.get(textKey) ?? '') + String(args[0]);
    const count = Number(store.get(countKey) ?? '0') + Number(args[1]);
    store.set(textKey, text, null);
    store.set(countKey, String(count), 60_000);
    return [text, count];
  },
};

const brokenScript: Script = {
  name: 'broken',
  keys: 1,
  lua: `return {'a', false, 'b'}`,
  memory: () => ['a', 0.5, 'b'],
};

/** The body of a test: an open world to work in. */
type Body = (world: StoreWorld) => Promise<void>;

function valueTests(check: (name: string, body: Body) => void): void {
  check('gives back what was set, to every replica', async ({ one, two }) => {
    const key = unique('text');
    assert.equal(await one.get(key), null);
    for (const value of ['plain', '', 'ü €  \u0000\r\n$5\r\n', 'x'.repeat(200_000)]) {
      assert.equal(await one.set(key, value, null), true);
      assert.equal(await two.get(key), value);
    }
  });

  check('ends a value after its time to live, and not the one that replaced it', async ({ one, pass }) => {
    const [brief, kept] = [unique('brief'), unique('kept')];
    await one.set(brief, '1', 40);
    await one.set(kept, '1', 40);
    await one.set(kept, '2', null);
    await eventually('the value ends', async () => {
      await pass(20);
      return (await one.get(brief)) === null;
    });
    await pass(60);
    assert.equal(await one.get(kept), '2');
  });

  check('sets only what is absent when asked to', async ({ one, two }) => {
    const key = unique('first');
    assert.equal(await one.set(key, 'one', 60_000, { onlyIfAbsent: true }), true);
    assert.equal(await two.set(key, 'two', 60_000, { onlyIfAbsent: true }), false);
    assert.equal(await two.get(key), 'one');
    assert.equal(await two.delete(key), true);
    assert.equal(await two.set(key, 'two', null, { onlyIfAbsent: true }), true);
  });

  check('one of many racing for an absent key wins', async ({ one, two }) => {
    const key = unique('race');
    const wins = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? one : two).compareAndSet(key, null, String(index), null)),
    );
    assert.equal(wins.filter(Boolean).length, 1);
    assert.equal(await one.get(key), String(wins.indexOf(true)));
  });

  check('compares before it sets, deletes or creates', async ({ one }) => {
    const key = unique('compare');
    assert.equal(await one.compareAndSet(key, 'x', 'y', null), false);
    assert.equal(await one.compareAndSet(key, null, '', 60_000), true);
    assert.equal(await one.compareAndSet(key, null, 'y', null), false);
    assert.equal(await one.compareAndSet(key, '', 'y', null), true);
    assert.equal(await one.compareAndSet(key, 'x', null, null), false);
    assert.equal(await one.get(key), 'y');
    assert.equal(await one.compareAndSet(key, 'y', null, null), true);
    assert.equal(await one.get(key), null);
    assert.equal(await one.compareAndSet(key, null, null, null), true);
  });

  check('behaves as a map under any sequence of commands', async ({ one, two }) => {
    const value = fc.option(fc.constantFrom('', 'a', 'b', '0', '17'), { nil: null });
    const step = fc.record({ key: fc.nat(1), expected: value, next: value, kind: fc.nat(3), second: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const model = new Map<string, string>();
        const keys = [unique('p'), unique('q')];
        for (const { key: index, expected, next, kind, second } of steps) {
          const kv = second ? two : one;
          const key = keys[index] ?? '';
          const before = model.get(key) ?? null;
          if (kind === 0) assert.equal(await kv.get(key), before);
          else if (kind === 1) assert.equal(await kv.delete(key), model.delete(key));
          else if (kind === 2) {
            await kv.set(key, next ?? 'set', null);
            model.set(key, next ?? 'set');
          } else {
            assert.equal(await kv.compareAndSet(key, expected, next, null), before === expected);
            if (before === expected && next === null) model.delete(key);
            else if (before === expected && next !== null) model.set(key, next);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
}

function counterTests(check: (name: string, body: Body) => void): void {
  check('counts over replicas without losing one', async ({ one, two }) => {
    const key = unique('count');
    await Promise.all(Array.from({ length: 40 }, (_, index) => (index % 2 ? one : two).increment(key, 3, 60_000)));
    assert.equal(await one.increment(key, -20, 60_000), 100);
    assert.equal(await two.get(key), '100');
  });

  check('a counter ends by the life it was created with, however often it is used', async ({ one, pass }) => {
    const key = unique('window');
    assert.equal(await one.increment(key, 1, 120), 1);
    await eventually('the counter starts anew', async () => {
      await pass(20);
      return (await one.increment(key, 1, 120)) === 1;
    });
  });

  check('refuses what is no whole number, on either side', async ({ one }) => {
    const key = unique('text');
    await one.set(key, 'no number', null);
    const refused = (error: unknown): boolean => error instanceof Error && !(error instanceof StoreUnavailable);
    await assert.rejects(one.increment(key, 1, 1000), refused);
    await assert.rejects(one.increment(unique('count'), 0.5, 1000), RangeError);
    assert.equal(await one.get(key), 'no number');
    assert.equal(one.state(), 'up');
  });

  check('refuses a time to live that is none', async ({ one }) => {
    for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const key = unique('ttl');
      await assert.rejects(one.set(key, 'x', ttl), RangeError);
      await assert.rejects(one.compareAndSet(key, null, 'x', ttl), RangeError);
      await assert.rejects(one.increment(key, 1, ttl), RangeError);
      assert.equal(await one.get(key), null);
    }
    assert.equal(await one.set(unique('ttl'), 'x', 1000.5), true);
  });
}

function setTests(check: (name: string, body: Body) => void): void {
  check('keeps sets', async ({ one, two }) => {
    const key = unique('set');
    assert.deepEqual(await one.members(key), []);
    await Promise.all(['b', 'a', 'a', ''].map((member) => one.addToSet(key, member)));
    assert.deepEqual((await two.members(key)).toSorted(), ['', 'a', 'b']);
    await two.removeFromSet(key, 'a');
    await two.removeFromSet(key, 'never there');
    assert.deepEqual((await one.members(key)).toSorted(), ['', 'b']);
    assert.equal(await one.delete(key), true);
    assert.equal(await one.delete(key), false);
    await one.addToSet(key, 'last');
    await one.removeFromSet(key, 'last');
    assert.equal(await one.delete(key), false);
  });

  check('refuses a set where a text is, and the other way round', async ({ one }) => {
    const [text, set] = [unique('text'), unique('set')];
    await one.set(text, 'x', null);
    await one.addToSet(set, 'x');
    const refused = (error: unknown): boolean => error instanceof Error && !(error instanceof StoreUnavailable);
    await assert.rejects(one.addToSet(text, 'y'), refused);
    await assert.rejects(one.members(text), refused);
    await assert.rejects(one.get(set), refused);
    await assert.rejects(one.compareAndSet(set, 'x', 'y', null), refused);
    assert.equal(one.state(), 'up');
  });
}

function scriptTests(check: (name: string, body: Body) => void): void {
  check('runs scripts without interruption', async ({ one, two }) => {
    const tag = unique('s');
    const keys = [`text:${tag}`, `count:${tag}`];
    assert.deepEqual(await one.run(appendScript, keys, ['ä', 41]), ['ä', 41]);
    await Promise.all(Array.from({ length: 20 }, () => two.run(appendScript, keys, ['.', 1])));
    assert.deepEqual(await one.run(appendScript, keys, ['', -1]), [`ä${'.'.repeat(20)}`, 60]);
  });

  check('refuses script calls that would fail on a Cluster, and results that RESP cannot carry', async ({ one }) => {
    const tag = unique('s');
    await assert.rejects(one.run(appendScript, [tag], ['x', 1]), RangeError);
    await assert.rejects(one.run(appendScript, ['a:{1}', 'b:{2}'], ['x', 1]), RangeError);
    await assert.rejects(one.run(appendScript, [`a:${tag}`, `b:${tag}`], ['x', 1.5]), RangeError);
    await assert.rejects(one.run(brokenScript, [tag], []), RangeError);
  });
}

function channelTests(check: (name: string, body: Body) => void): void {
  check('tells every subscriber of the channel, in order, until it has left', async ({ one, two }) => {
    const [channel, other] = [unique('channel'), unique('other')];
    const heard: Record<'a' | 'b' | 'c', string[]> = { a: [], b: [], c: [] };
    let gaps = 0;
    const onGap = (): void => {
      gaps += 1;
    };
    await using _a = await one.subscribe(channel, (text) => heard.a.push(text), onGap);
    const b = await two.subscribe(channel, (text) => heard.b.push(text), onGap);
    await using _c = await two.subscribe(other, (text) => heard.c.push(text), onGap);
    for (const text of ['1', '', '3']) await one.publish(channel, text);
    await eventually('all have heard', () => heard.a.length === 3 && heard.b.length === 3);
    await b[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    await two.publish(channel, '4');
    await two.publish(other, 'end');
    await eventually('the last ones have heard', () => heard.a.length === 4 && heard.c.length === 1);
    assert.deepEqual(heard, { a: ['1', '', '3', '4'], b: ['1', '', '3'], c: ['end'] });
    assert.equal(gaps, 0);
  });

  check('a channel can be left and joined again', async ({ one }) => {
    const channel = unique('again');
    const heard: string[] = [];
    for (const round of ['first', 'second']) {
      await using _ = await one.subscribe(channel, (text) => heard.push(text));
      await one.publish(channel, round);
      await eventually('heard', () => heard.includes(round));
    }
    await one.publish(channel, 'nobody');
    await one.ping();
    assert.deepEqual(heard, ['first', 'second']);
  });
}

function lifeTests(check: (name: string, body: Body) => void): void {
  check('answers a ping', async ({ one, two }) => {
    await one.ping();
    await two.ping();
    assert.equal(one.state(), 'up');
  });

  check('refuses everything once closed, and can be closed twice', async ({ one }) => {
    const key = unique('closed');
    await one[Symbol.asyncDispose]();
    await one[Symbol.asyncDispose]();
    assert.equal(one.state(), 'down');
    await assert.rejects(one.get(key), StoreUnavailable);
    await assert.rejects(one.set(key, 'x', null), StoreUnavailable);
    await assert.rejects(one.ping(), StoreUnavailable);
    await assert.rejects(one.publish(key, 'x'), StoreUnavailable);
    await assert.rejects(
      one.subscribe(key, () => undefined),
      StoreUnavailable,
    );
  });
}

/** What every adapter of {@link KeyValue} must do; `open` gives a fresh world for each test. */
export function conformance(adapter: string, open: Open): void {
  const check = (name: string, body: Body): void => {
    test(`${adapter}: ${name}`, async () => {
      await using world = await open();
      await body(world);
    });
  };
  valueTests(check);
  counterTests(check);
  setTests(check);
  scriptTests(check);
  channelTests(check);
  lifeTests(check);
}
