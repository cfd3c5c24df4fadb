import assert from 'node:assert/strict';
import { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AnswerBudget, HeldAnswer, RecentKeys } from '../../src/upstream/share-bounds.ts';
import { shareKeyOf } from '../../src/upstream/share-key.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { FakeResponse } from './fake-upstream.ts';

const SHARED = ['/v'];

/** Short texts of few letters, so that parts of different calls easily look alike. */
const text = fc.string({ unit: fc.constantFrom('0', '1', ':', '*', 'a', '\n'), maxLength: 4 });
const parts = fc.record({
  queue: text,
  epoch: text,
  account: text,
  target: fc.oneof(text, fc.constant('/v')),
  accept: fc.option(text),
  language: fc.option(text),
});
type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

const keyOf = ({ queue, epoch, account, target, accept, language }: Parts): string | null => {
  const rawHeaders = ['Host', 'x'];
  if (accept !== null) rawHeaders.push('Accept', accept);
  if (language !== null) rawHeaders.push('accept-language', language);
  return shareKeyOf(callOf({ queue, account, target, rawHeaders }), SHARED, epoch);
};

describe('the key of a read', () => {
  it('is the same exactly when every part is, but for the account of a path of all accounts', () => {
    const twins = parts.chain((a) =>
      fc.tuple(
        fc.constant(a),
        fc.oneof(
          fc.constant({ ...a }),
          parts.map((b) => ({ ...a, account: b.account })),
          parts,
        ),
      ),
    );
    fc.assert(
      fc.property(twins, ([a, b]) => {
        const forAll = a.target === '/v' && b.target === '/v';
        const plain = (of: Parts): unknown[] => [
          of.queue,
          of.epoch,
          forAll ? null : of.account,
          of.target,
          of.accept,
          of.language,
        ];
        const equal = JSON.stringify(plain(a)) === JSON.stringify(plain(b));
        assert.equal(keyOf(a) === keyOf(b), equal);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('the budget of bytes', () => {
  it('gets the bytes of an answer back when the last of its responses is closed, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 8 }), fc.nat(), (closedBefore, writtenAt) => {
        const budget = new AnswerBudget(100, createManualClock());
        budget.take(60);
        const held = new HeldAnswer(budget, 60);
        const open: FakeResponse[] = [];
        for (const already of closedBefore) {
          const response = new FakeResponse();
          response.closed = already;
          held.hold(response);
          if (!already) open.push(response);
        }
        const steps = open.map((response) => () => response.close());
        steps.splice(writtenAt % (steps.length + 1), 0, held.written);
        for (const step of steps) {
          assert.deepEqual([budget.taken, budget.hasRoom(41)], [60, false]);
          step();
        }
        assert.deepEqual([budget.taken, budget.hasRoom(100), budget.hasRoom(101)], [0, true, false]);
      }),
    );
  });

  it('is told by a response of Node itself', () => {
    assert.equal('closed' in ServerResponse.prototype, true);
  });
});

describe('keys of which something is known for a while', () => {
  it('are forgotten in time, the oldest first when there are too many, and not kept by a clock set back', async () => {
    const clock = createManualClock();
    const keys = new RecentKeys(clock, 1000, 2);
    for (const key of ['a', 'b', 'a', 'c']) keys.add(key);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((key) => keys.has(key)),
      [true, false, true, false],
    );
    await clock.advance(999);
    assert.equal(keys.has('a'), true);
    await clock.advance(1);
    assert.deepEqual([keys.has('a'), keys.has('c')], [false, false]);
    let now = 10_000;
    const turned = new RecentKeys({ ...clock, now: () => now }, 1000, 2);
    turned.add('a');
    now = 1000;
    assert.equal(turned.has('a'), false);
  });
});
