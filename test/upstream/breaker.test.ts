import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, GatewayError } from '../../src/kernel/index.ts';
import { createBreaker } from '../../src/upstream/breaker.ts';
import { AnswerTooLong, type ForwardResult } from '../../src/upstream/index.ts';
import { PlainWay } from '../../src/upstream/plain-way.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { createFakeGate } from './fake-gate.ts';
import { codesOf, createFakeRoad, FakeResponse, type Going, only, settle } from './fake-upstream.ts';
import { countingCredential, createToldReport } from './rig.ts';

const errorOf = (code: ErrorCode): GatewayError => new GatewayError(code, 'failed');
const timeout = errorOf('GW_UPSTREAM_TIMEOUT');

function rigOf() {
  const clock = createManualClock();
  const report = createToldReport();
  const breaker = createBreaker({ clock, report });
  const call = callOf();
  const admits = (of = call): boolean => {
    try {
      breaker.admit(of);
      return true;
    } catch (error) {
      assert.ok(error instanceof GatewayError && error.code === 'GW_UPSTREAM_DOWN');
      assert.ok(error.retryAfter !== undefined && error.retryAfter >= 1 && error.retryAfter <= 5);
      return false;
    }
  };
  const fail = (count: number, error: Error = timeout, of = call): void => {
    for (let nth = 0; nth < count; nth += 1) breaker.failed(of, error);
  };
  return { clock, report, breaker, call, admits, fail };
}

/** A way on which every answer ends like this. */
function wayOf(clock: ReturnType<typeof createManualClock>, end: Pick<ForwardResult, 'complete' | 'broken'>) {
  let went = 0;
  const way = new PlainWay({
    upstream: {
      forward: async () => {
        went += 1;
        return { status: 200, bytesOut: 10, seconds: 1, renewed: false, ...end };
      },
      ask: () => Promise.reject(timeout),
    },
    gate: createFakeGate(),
    clock,
    report: { log: createToldReport().log, coalesced: () => undefined },
  });
  const call = (account: string) =>
    way.alone(callOf({ account }), countingCredential(account), new FakeResponse(), null);
  return { call, went: () => went };
}

describe('the circuit of a queue', () => {
  it('opens at the fifth failure in a row, is told once, and closes with an answer', async () => {
    const { clock, report, breaker, call, admits, fail } = rigOf();
    fail(4);
    assert.equal(admits(), true);
    fail(3);
    assert.equal(admits(), false);
    await clock.advance(5000);
    assert.deepEqual([admits(), admits()], [true, false], 'one tries');
    breaker.answered(call);
    assert.deepEqual([admits(), admits()], [true, true]);
    assert.deepEqual(
      report.told.log.map(({ fields }) => fields.event),
      ['upstream_circuit_open', 'upstream_circuit_closed'],
    );
  });

  it('stays open when the one that tries fails, and lets another try when it never went', async () => {
    const { clock, breaker, admits, fail } = rigOf();
    fail(5);
    await clock.advance(5000);
    assert.equal(admits(), true);
    breaker.unused('night');
    assert.equal(admits(), true);
    fail(1);
    assert.equal(admits(), false);
    await clock.advance(4999);
    assert.equal(admits(), false);
    await clock.advance(1);
    assert.equal(admits(), true);
  });

  it('lets a control call try at once, one at a time, and is each queue’s own', () => {
    const { admits, fail } = rigOf();
    fail(5);
    const control = callOf({ class: 'control', method: 'DELETE' });
    assert.deepEqual([admits(), admits(control), admits(control)], [false, true, false]);
    assert.equal(admits(callOf({ queue: 'day' })), true);
  });

  it('of one account stops that account only, and nobody else’s answer closes it', async () => {
    const { clock, report, breaker, admits, fail } = rigOf();
    const bob = callOf({ account: 'bob' });
    fail(9);
    assert.deepEqual([admits(), admits(bob)], [false, true]);
    breaker.answered(bob);
    assert.deepEqual([admits(), admits(bob)], [false, true]);
    await clock.advance(5000);
    assert.deepEqual([admits(), admits()], [true, false]);
    breaker.answered(callOf());
    assert.deepEqual([admits(), admits(bob)], [true, true]);
    assert.deepEqual(
      report.told.log.map(({ fields }) => [fields.event, fields.account]),
      [
        ['upstream_circuit_open', 'alice'],
        ['upstream_circuit_closed', 'alice'],
      ],
    );
  });

  it('stops the whole queue when more than one account failed in a row, until anybody has an answer', async () => {
    const { clock, breaker, admits, fail } = rigOf();
    const [bob, carol] = [callOf({ account: 'bob' }), callOf({ account: 'carol' })];
    fail(4);
    fail(1, timeout, bob);
    assert.deepEqual([admits(), admits(bob), admits(carol)], [false, false, false]);
    await clock.advance(5000);
    assert.deepEqual([admits(carol), admits(bob), admits()], [true, false, false]);
    breaker.answered(carol);
    assert.deepEqual([admits(), admits(bob), admits(carol)], [true, true, true]);
  });

  it('lets another try after each pause in which nothing was heard of the last one', async () => {
    const { clock, admits, fail } = rigOf();
    fail(5);
    for (let nth = 0; nth < 3; nth += 1) {
      await clock.advance(5000);
      assert.deepEqual([admits(), admits()], [true, false]);
    }
  });

  it('lets kills try beside a try that hangs, one of each account in a pause', async () => {
    const { clock, admits, fail } = rigOf();
    fail(4);
    fail(1, timeout, callOf({ account: 'bob' }));
    await clock.advance(5000);
    assert.equal(admits(), true);
    const kills = ['alice', 'bob', 'carol'].map((account) => callOf({ account, class: 'control', method: 'PUT' }));
    const admitted = (): boolean[] => kills.map((kill) => admits(kill));
    assert.deepEqual([admitted(), admitted()], [Array(3).fill(true), Array(3).fill(false)]);
    await clock.advance(5000);
    assert.deepEqual(admitted(), Array(3).fill(true));
  });

  it('of one account lets a kill of it try each second, whoever else is answered', async () => {
    const { clock, breaker, admits, fail } = rigOf();
    const kill = callOf({ class: 'control', method: 'PUT' });
    fail(5);
    let tries = 0;
    for (let nth = 0; nth < 100; nth += 1) {
      if (admits(kill)) {
        tries += 1;
        fail(1, errorOf('GW_OUTCOME_UNKNOWN'), kill);
      }
      breaker.answered(callOf({ account: 'bob' }));
      await clock.advance(100);
    }
    assert.equal(tries, 10);
  });

  it('is shown while it stops everybody', async () => {
    const clock = createManualClock();
    const shown: boolean[] = [];
    const report = { ...createToldReport(), upstreamCircuit: (_queue: string, open: boolean) => void shown.push(open) };
    const breaker = createBreaker({ clock, report });
    const bob = callOf({ account: 'bob' });
    for (let nth = 0; nth < 6; nth += 1) breaker.failed(callOf(), timeout);
    assert.deepEqual(new Set(shown), new Set([false]), 'it is the circuit of one account');
    breaker.failed(bob, timeout);
    assert.equal(shown.at(-1), true);
    breaker.heard(bob);
    assert.equal(shown.at(-1), false);
    breaker.unwell(bob, 'GW_UPSTREAM_INVALID');
    assert.equal(shown.at(-1), true);
    breaker.answered(bob);
    assert.equal(shown.at(-1), false);
  });

  it('lets a kill that got no turn come again', () => {
    const { breaker, admits, fail } = rigOf();
    const kill = callOf({ class: 'control', method: 'PUT' });
    fail(5);
    assert.deepEqual([admits(kill), admits(kill)], [true, false]);
    breaker.unused('night', kill);
    assert.equal(admits(kill), true);
  });

  it('lets calls go with the head of an answer, and opens again, untold, when that one breaks off', async () => {
    const { clock, report, breaker, call, admits, fail } = rigOf();
    const bob = callOf({ account: 'bob' });
    fail(4);
    fail(2, timeout, bob);
    await clock.advance(5000);
    assert.deepEqual([admits(), admits(bob), breaker.isTry(call)], [true, false, true]);
    breaker.heard(call);
    assert.deepEqual([admits(), admits(bob), breaker.isTry(call)], [true, true, false]);
    breaker.unwell(call, 'GW_UPSTREAM_INVALID');
    assert.deepEqual([admits(), admits(bob)], [false, false]);
    await clock.advance(5000);
    assert.equal(admits(), true);
    breaker.heard(call);
    breaker.answered(call);
    fail(4);
    assert.equal(admits(bob), true);
    assert.deepEqual(
      report.told.log.map(({ fields }) => [fields.event, fields.account]),
      [
        ['upstream_circuit_open', undefined],
        ['upstream_circuit_open', 'alice'],
        ['upstream_circuit_closed', undefined],
        ['upstream_circuit_closed', 'alice'],
      ],
    );
  });

  it('counts neither callers who go, nor long answers, nor what is not vovserver’s state', () => {
    const { admits, fail } = rigOf();
    fail(9, timeout, callOf({ signal: AbortSignal.abort() }));
    fail(9, new AnswerTooLong(1));
    for (const code of ['GW_CREDENTIAL_UNAVAILABLE', 'GW_UPSTREAM_TLS', 'GW_SATURATED', 'GW_BAD_REQUEST'] as const) {
      fail(9, errorOf(code));
    }
    fail(9, new Error('other'));
    assert.equal(admits(), true);
  });

  it('is not held open by a clock that is set back', () => {
    let now = 1_000_000;
    const clock = { ...createManualClock(), now: () => now };
    const breaker = createBreaker({ clock, report: createToldReport() });
    for (let nth = 0; nth < 5; nth += 1) breaker.failed(callOf(), timeout);
    now = 0;
    try {
      breaker.admit(callOf());
      assert.fail('it is open');
    } catch (error) {
      assert.ok(error instanceof GatewayError && error.retryAfter === 5);
    }
  });

  it('is open exactly after five failures since the last answer', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40, size: 'max' }), (answers) => {
        const { breaker, call, admits, fail } = rigOf();
        let failures = 0;
        for (const answered of answers) {
          failures = answered ? 0 : failures + 1;
          if (answered) breaker.answered(call);
          else fail(1);
          assert.equal(admits(), failures < 5);
        }
      }),
    );
  });
});

describe('answers that say that vovserver is not well', () => {
  const after = async (answer: (one: Going) => void): Promise<unknown[]> => {
    const road = createFakeRoad({ clock: createManualClock() });
    for (let nth = 0; nth < 5; nth += 1) {
      road.call({ target: `/api/v3/jobs/${nth}`, account: nth === 0 ? 'bob' : 'alice' });
      answer(only(road.going));
      await settle();
    }
    const next = road.call({ account: 'carol' });
    await settle();
    for (const one of [...road.going]) one.answer();
    await settle();
    return codesOf([next]);
  };

  for (const status of [502, 503, 504]) {
    it(`open the circuit: ${status}`, async () => {
      assert.deepEqual(await after((one) => one.answer({ status })), ['GW_UPSTREAM_DOWN']);
    });
  }

  for (const status of [200, 304, 403, 404, 429, 500, 501]) {
    it(`are others than ${status}`, async () => {
      assert.deepEqual(await after((one) => one.answer({ status })), ['answered']);
    });
  }

  it('open the circuit when they break off, unless their reader left or is the slow one', async () => {
    const clock = createManualClock();
    const way = wayOf(clock, { complete: false, broken: 'reset' });
    for (let nth = 0; nth < 5; nth += 1) await way.call(nth === 0 ? 'bob' : 'alice');
    await assert.rejects(() => way.call('carol'), { code: 'GW_UPSTREAM_DOWN' });
    const left = wayOf(clock, { complete: false, broken: 'aborted' });
    for (let nth = 0; nth < 9; nth += 1) await left.call(nth === 0 ? 'bob' : 'alice');
    assert.equal(left.went(), 9);
  });

  it('close it with their head, so that a slow reader keeps nobody waiting', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    for (let nth = 0; nth < 5; nth += 1) {
      road.call({ target: `/api/v3/jobs/${nth}`, account: nth === 0 ? 'bob' : 'alice' });
      only(road.going).fail(timeout);
      await settle();
    }
    await clock.advance(5000);
    road.call({ target: '/api/v3/lazy', account: 'carol' });
    const [lazy] = road.going;
    lazy?.call.heard?.(503);
    const early = road.call({ account: 'dave' });
    await settle();
    lazy?.call.heard?.(200);
    const late = road.call({ account: 'dave' });
    assert.equal(road.going.length, 2, 'it goes while the other one is read');
    road.going[1]?.answer();
    await settle();
    assert.deepEqual(codesOf([early, late]), ['GW_UPSTREAM_DOWN', 'answered']);
  });
});

describe('the carrier with an open circuit', () => {
  it('answers 503 without asking for a turn, for reads, writes and calls into memory', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    for (let nth = 0; nth < 5; nth += 1) {
      road.call({ target: `/api/v3/jobs/${nth}` });
      only(road.going).fail(timeout);
      await settle();
    }
    const asked = road.gate.asked.length;
    const refused = [road.call(), road.call({ method: 'POST', class: 'submit' }), road.call({ method: 'HEAD' })];
    const memory = road.carrier.ask(
      callOf(),
      { get: () => Promise.reject(timeout), renew: () => Promise.reject(timeout) },
      1,
    );
    await assert.rejects(memory, GatewayError);
    await settle();
    assert.deepEqual(codesOf(refused), Array(3).fill('GW_UPSTREAM_DOWN'));
    assert.equal(road.gate.asked.length, asked);
    const kill = road.call({ method: 'DELETE', class: 'control' });
    only(road.going).answer();
    await settle();
    const next = road.call();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([kill, next]), ['answered', 'answered']);
  });

  it('lets who came meanwhile wait for the one that tries', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    for (let nth = 0; nth < 5; nth += 1) {
      road.call();
      only(road.going).fail(timeout);
      await settle();
    }
    await clock.advance(5000);
    const callers = [road.call(), road.call(), road.call()];
    only(road.going).answer();
    await settle();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf(callers), ['answered', 'answered', 'answered']);
  });

  it('a try whose turn is refused, or that leaves, makes room for another', async () => {
    const clock = createManualClock();
    const road = createFakeRoad({ clock });
    for (let nth = 0; nth < 5; nth += 1) {
      road.call();
      only(road.going).fail(timeout);
      await settle();
    }
    await clock.advance(5000);
    road.gate.limit = 0;
    const late = road.call();
    for (const { refuse } of road.gate.waiting) refuse();
    await settle();
    const leaver = road.call();
    road.gate.limit = 1;
    for (const { give } of road.gate.waiting) give();
    leaver.leave();
    await settle();
    const third = road.call();
    only(road.going).answer();
    await settle();
    assert.deepEqual(codesOf([late, third]), ['GW_SATURATED', 'answered']);
    assert.equal(road.gate.open, 0);
  });
});
