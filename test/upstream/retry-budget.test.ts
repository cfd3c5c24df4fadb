import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import { createBreaker } from '../../src/upstream/breaker.ts';
import { createRetryBudget } from '../../src/upstream/retry-budget.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { createRawServer, createRig, createToldReport, queueOf, reply } from './rig.ts';

function budgetOf(more: { most?: number; share?: number; perSecond?: number } = {}) {
  const clock = createManualClock();
  const told: string[] = [];
  const report = { retry: (queue: string, result: string) => void told.push(`${queue} ${result}`) };
  return { clock, told, budget: createRetryBudget({ clock, report, ...more }) };
}

const times = (count: number, act: () => void): void => {
  for (let nth = 0; nth < count; nth += 1) act();
};

describe('the retry budget', () => {
  it('has some saved up at the start, then refuses, and tells both', () => {
    const { budget, told } = budgetOf({ most: 2 });
    assert.deepEqual([budget.take('q'), budget.take('q'), budget.take('q')], [true, true, false]);
    assert.deepEqual(told, ['q sent', 'q sent', 'q refused']);
  });

  it('gets one for ten calls', () => {
    const { budget } = budgetOf({ most: 2 });
    times(2, () => budget.take('q'));
    times(9, () => budget.called('q'));
    assert.equal(budget.take('q'), false);
    budget.called('q');
    assert.deepEqual([budget.take('q'), budget.take('q')], [true, false]);
  });

  it('gets three in ten seconds without any call', async () => {
    const { budget, clock } = budgetOf({ most: 5 });
    times(5, () => budget.take('q'));
    await clock.advance(10_000);
    assert.deepEqual(
      [budget.take('q'), budget.take('q'), budget.take('q'), budget.take('q')],
      [true, true, true, false],
    );
  });

  it('saves up no more than its most, by calls and by time', async () => {
    const { budget, clock } = budgetOf({ most: 3 });
    times(1000, () => budget.called('q'));
    await clock.advance(3_600_000);
    times(3, () => assert.equal(budget.take('q'), true));
    assert.equal(budget.take('q'), false);
  });

  it('of one queue is not that of another', () => {
    const { budget } = budgetOf({ most: 1 });
    assert.deepEqual([budget.take('a'), budget.take('a'), budget.take('b')], [true, false, true]);
  });

  it('never lets through more than the saved ones, a tenth of the calls and three for ten seconds', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant('call' as const) },
      { weight: 3, arbitrary: fc.constant('take' as const) },
      { weight: 1, arbitrary: fc.integer({ min: -20_000, max: 20_000 }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 300, size: 'max' }), async (steps) => {
        let now = 0;
        let [calls, taken, passed] = [0, 0, 0];
        const clock = { ...createManualClock(), now: () => now };
        const budget = createRetryBudget({ clock, report: { retry: () => undefined }, most: 4 });
        for (const one of steps) {
          if (one === 'call') {
            calls += 1;
            budget.called('q');
          } else if (one === 'take') taken += Number(budget.take('q'));
          else {
            now += one;
            passed += Math.max(0, one);
          }
          assert.ok(taken <= 4 + calls / 10 + (passed / 1000) * 0.3 + 1e-6, `${taken} of ${calls} calls, ${passed} ms`);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a circuit whose tries are bounded', () => {
  it('lets nobody try while the budget is spent, and somebody when there is one again', async () => {
    const { budget, clock, told } = budgetOf({ most: 1 });
    const breaker = createBreaker({ clock, report: createToldReport(), retries: budget });
    const call = callOf({ class: 'control' });
    const late = new GatewayError('GW_UPSTREAM_TIMEOUT', 'late');
    times(5, () => breaker.failed(call, late));
    breaker.admit(call);
    assert.deepEqual(told, [], 'a try for the account alone is not taken from what all have');
    breaker.failed(callOf({ account: 'bob' }), late);
    await clock.advance(900);
    breaker.admit(callOf({ account: 'carol', class: 'control' }));
    breaker.failed(call, late);
    const dave = callOf({ account: 'dave', class: 'control' });
    assert.throws(() => breaker.admit(dave), { code: 'GW_UPSTREAM_DOWN' });
    assert.deepEqual(told, ['night sent', 'night refused']);
    await clock.advance(4000);
    breaker.admit(dave);
    assert.equal(told.at(-1), 'night sent');
  });
});

describe('reads on connections that went stale', () => {
  it('are sent again while the budget lasts, then get 503 at once, with a second to wait', async () => {
    const used = new WeakSet();
    await using server = await createRawServer((socket) => {
      if (used.has(socket)) socket.destroy();
      else reply(socket, '{}');
      used.add(socket);
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answers = [];
    for (let nth = 0; nth < 80; nth += 1) answers.push(await rig.call());
    const refused = answers.filter(({ status }) => status !== 200);
    assert.ok(answers.findIndex(({ status }) => status !== 200) > 30, 'thirty are saved up');
    assert.ok(refused.length > 5, `${refused.length} refused`);
    for (const { status, code, headers } of refused) {
      assert.deepEqual([status, code, headers['retry-after']], [503, 'GW_UPSTREAM_DOWN', '1']);
    }
  });
});
