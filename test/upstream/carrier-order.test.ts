import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import { AnswerTooLong } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type Caller, CONFIG, createFakeRoad, type Going, settle } from './fake-upstream.ts';
import { countingCredential } from './rig.ts';

type Step =
  | { readonly do: 'come'; readonly account: number; readonly target: number; readonly person: number }
  | { readonly do: 'leave' | 'answer' | 'fail' | 'turn'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('come' as const),
      account: fc.nat(1),
      target: fc.nat(1),
      person: fc.nat(2),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const), which: fc.nat(20) }) },
);

interface Came {
  readonly caller: Caller;
  readonly account: string;
  readonly target: string;
  /** Calls that had begun when it came: an answer with a smaller number is older than the request. */
  readonly begunBefore: number;
  left: boolean;
}

const pick = <T>(list: readonly T[], which: number): T | undefined => list[which % Math.max(1, list.length)];

/** How long after a step the next one comes: at once, after one turn of the microtask queue, or when nothing moves any more. */
const BREATHS = [() => undefined, () => Promise.resolve(), settle] as const;

/** Plays the steps and ends what is left; checks whenever nothing moves that no key has two calls under way. */
async function play(steps: readonly Step[], turns: number, breaths: readonly number[]) {
  const road = createFakeRoad();
  road.gate.limit = turns;
  const came: Came[] = [];
  const failed = new Set<Going>();
  const check = (): void => {
    const keys = road.going.map(({ call }) => call.account + call.target);
    assert.equal(new Set(keys).size, keys.length, `two calls of one key: ${keys}`);
    assert.ok(road.gate.peak <= turns);
    assert.equal(road.gate.open, road.going.length, 'a turn for every call under way, and no other');
  };
  const act = (one: Step): void => {
    if (one.do === 'come') {
      const account = `user${one.account}`;
      const target = `/api/v3/jobs/${one.target}`;
      const begunBefore = road.begun.length;
      const caller = road.call({ account, target, identity: `person${one.person}` });
      came.push({ caller, account, target, begunBefore, left: false });
    } else if (one.do === 'leave') {
      const who = pick(came, one.which);
      if (who === undefined) return;
      who.left ||= who.caller.ended === null;
      who.caller.leave();
    } else if (one.do === 'answer') pick(road.going, one.which)?.answer();
    else if (one.do === 'turn') pick([...road.gate.waiting], one.which)?.refuse();
    else {
      const going = pick(road.going, one.which);
      if (going === undefined) return;
      failed.add(going);
      going.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', 'no answer'));
    }
  };
  for (const [at, one] of steps.entries()) {
    act(one);
    const breath = BREATHS[breaths[at % breaths.length] ?? 2] ?? settle;
    await breath();
    if (breath === settle) check();
  }
  await settle();
  for (let rest = road.going[0]; rest !== undefined; rest = road.going[0]) {
    rest.answer();
    await settle();
    check();
  }
  return { road, came, failed };
}

type More =
  | { readonly do: 'come'; readonly account: number; readonly late: boolean }
  | { readonly do: 'answer' | 'long' | 'denied' | 'stick' | 'move' | 'pass'; readonly which: number };

/** Reads of one target, common to all accounts or not, with slow readers, long answers, denials and other servers. */
async function playMore(steps: readonly More[], common: boolean, turns: number) {
  const clock = createManualClock();
  const road = createFakeRoad({ clock });
  road.gate.limit = turns;
  road.state.config = { ...CONFIG, shared: common ? ['/v'] : [] };
  const came: { readonly caller: Caller; readonly account: string; readonly begunBefore: number }[] = [];
  const end = (going: Going | undefined, how: 'answer' | 'long' | 'denied'): void => {
    // What is streamed has no limit.
    if (how === 'long' && going?.kind === 'ask') going.fail(new AnswerTooLong(CONFIG.maxBytes));
    else going?.answer(how === 'denied' ? { status: 403 } : {});
  };
  for (const one of steps) {
    if (one.do === 'come') {
      const account = `user${one.account}`;
      const token = countingCredential(account);
      const credential = one.late ? { ...token, get: () => clock.sleep(100).then(() => token.get()) } : token;
      const begunBefore = road.begun.length;
      came.push({ caller: road.call({ account, target: '/v' }, credential), account, begunBefore });
    } else if (one.do === 'pass') await clock.advance(one.which);
    else if (one.do === 'move') road.state.epoch = `epoch-${one.which}`;
    else if (one.do === 'stick') {
      const reader = pick(came, one.which)?.caller.response;
      if (reader !== undefined) reader.stuck = true;
    } else end(pick(road.going, one.which), one.do);
    await settle();
    assert.ok(road.gate.peak <= turns);
  }
  for (let rounds = 0; rounds < 500 && came.some(({ caller }) => caller.ended === null); rounds += 1) {
    await clock.advance(1000);
    road.going[0]?.answer();
    await settle();
  }
  return { road, came };
}

describe('reads that share answers', () => {
  it('get none that is older than their request, from their own account and target, one call of a key at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.constantFrom(1, 2, 8),
        fc.array(fc.nat(2), { minLength: 1, maxLength: 20 }),
        async (steps, turns, breaths) => {
          const { road, came, failed } = await play(steps, turns, breaths);
          for (const { caller, account, target, begunBefore, left } of came) {
            assert.notEqual(caller.ended, null, 'everybody is answered');
            if (caller.ended !== 'answered') continue;
            const number = Number(caller.response.text);
            const source = road.begun[number];
            assert.deepEqual([source?.call.account, source?.call.target], [account, target]);
            assert.ok(number >= begunBefore, `the call ${number} began before the caller came (${begunBefore})`);
            assert.equal(left && source !== undefined && failed.has(source), false);
          }
          assert.deepEqual([road.gate.open, road.gate.waiting.size, road.going.length], [0, 0, 0]);
          assert.equal(road.gate.given, road.gate.done.length, 'every turn was given back');
        },
      ),
      { numRuns: 400 },
    );
  });

  it('get none that is older whatever readers, lengths, servers and credentials do', async () => {
    const more: fc.Arbitrary<More> = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('come' as const), account: fc.nat(2), late: fc.boolean() }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('long' as const), which: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('denied' as const), which: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('stick' as const), which: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), which: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), which: fc.nat(2000) }) },
    );
    let shared = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(more, { maxLength: 60, size: 'max' }),
        fc.boolean(),
        fc.constantFrom(1, 8),
        async (steps, common, turns) => {
          const { road, came } = await playMore(steps, common, turns);
          for (const { caller, account, begunBefore } of came) {
            assert.equal(caller.ended, 'answered');
            const number = Number(caller.response.text);
            const source = road.begun[number];
            assert.ok(number >= begunBefore, `the call ${number} began before the caller came (${begunBefore})`);
            if (source?.call.account === account) continue;
            shared += 1;
            assert.ok(
              common && caller.response.statusCode === 200,
              'from another account only what is common, and good',
            );
          }
          assert.deepEqual([road.gate.open, road.gate.waiting.size, road.going.length], [0, 0, 0]);
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(shared > 50, `${shared} answers came from other accounts`);
  });

  it('fail only when their own call failed, their turn was refused, or they left', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const calm = steps.filter(({ do: what }) => what !== 'fail' && what !== 'turn');
        const { came } = await play(calm, 2, [2]);
        for (const { caller, left } of came) if (!left) assert.equal(caller.ended, 'answered');
      }),
      { numRuns: 100 },
    );
  });

  it('cost at most two calls, however many come while one runs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 200 }), async (count) => {
        const road = createFakeRoad();
        const callers = Array.from({ length: count }, () => road.call());
        for (let round = 0; round < 2; round += 1) {
          road.going[0]?.answer();
          await settle();
        }
        assert.ok(callers.every(({ ended }) => ended === 'answered'));
        assert.equal(road.begun.length, 2);
        assert.equal(road.told.filter((how) => how === 'shared').length, count - 2);
      }),
      { numRuns: 20 },
    );
  });
});

describe('with join: running', () => {
  const running = { ...CONFIG, join: 'running' as const };

  it('who comes joins the call that runs, at most one call of a key at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('come', 'answer', 'leave'), { maxLength: 30, size: 'max' }),
        async (steps) => {
          const road = createFakeRoad();
          road.state.config = running;
          const callers: Caller[] = [];
          for (const one of steps) {
            if (one === 'come') callers.push(road.call());
            else if (one === 'leave') callers.at(-1)?.leave();
            else road.going[0]?.answer();
            await settle();
            assert.ok(road.going.length <= 1);
          }
          road.going[0]?.answer();
          await settle();
          for (const { ended } of callers) assert.notEqual(ended, null);
          assert.equal(road.gate.open, 0);
          assert.ok(road.begun.every(({ kind }) => kind === 'ask'));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('five callers in a row of one flight cost one call', async () => {
    const road = createFakeRoad();
    road.state.config = running;
    const callers = [];
    for (let count = 0; count < 5; count += 1) {
      callers.push(road.call());
      await settle();
    }
    road.going[0]?.answer();
    await settle();
    assert.ok(callers.every(({ ended }) => ended === 'answered'));
    assert.equal(road.begun.length, 1);
  });

  it('nobody joins a call that is being cancelled', async () => {
    const road = createFakeRoad();
    road.state.config = running;
    const first = road.call();
    await settle();
    first.leave();
    const second = road.call();
    await settle();
    assert.ok(first.ended instanceof GatewayError);
    road.going[0]?.answer();
    await settle();
    assert.deepEqual([second.ended, road.begun.length], ['answered', 2]);
  });
});
