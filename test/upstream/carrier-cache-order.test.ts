import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../src/kernel/index.ts';
import type { UpstreamCall } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type Caller, CONFIG, createFakeRoad, type Going, settle } from './fake-upstream.ts';

// What vovserver knows is one number, which every write makes larger. An answer is what it was at some moment of its call.
const QUERY = '/api/v3/query';
const LIFE = 3000;
const MOMENTS = ['begin', 'middle', 'end'] as const;

type Step =
  | { readonly do: 'read'; readonly account: number; readonly wish: number }
  | { readonly do: 'write'; readonly account: number }
  | { readonly do: 'answer'; readonly which: number; readonly moment: number }
  | { readonly do: 'fail'; readonly which: number }
  | { readonly do: 'leave'; readonly which: number }
  | { readonly do: 'look'; readonly which: number }
  | { readonly do: 'pass'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('read' as const), account: fc.nat(1), wish: fc.nat(4) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write' as const), account: fc.nat(1) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(20), moment: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('look' as const), which: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(2000) }) },
);

const WISHES = [[], [], [], ['Cache-Control', 'no-cache'], ['Cache-Control', 'max-age=1']] as const;
const pick = <T>(list: readonly T[], which: number): T | undefined => list[which % Math.max(1, list.length)];

/** The number at one moment, and when that was. */
interface Known {
  readonly number: number;
  readonly at: number;
}

interface Came {
  readonly caller: Caller;
  readonly account: string;
  readonly wish: number;
  /** The number when it came, and the one that the account’s own ended writes have made. */
  readonly number: number;
  readonly written: number;
  readonly at: number;
}

/** A vovserver whose number grows, a carrier before it, and everybody who came. */
class Play {
  readonly clock = createManualClock();
  readonly road = createFakeRoad({ clock: this.clock });
  readonly came: Came[] = [];
  readonly #begun = new Map<Going, Known>();
  readonly #writes = new Map<Going, string>();
  readonly #written = new Map<string, number>();
  /** When each number came to be. */
  readonly since: number[] = [this.clock.now()];

  constructor(turns: number) {
    this.road.state.config = { ...CONFIG, cache: [{ route: QUERY, life: LIFE }] };
    this.road.gate.limit = turns;
  }

  get number(): number {
    return this.since.length - 1;
  }

  /** Notes what vovserver knows as a call begins. */
  note(): void {
    for (const going of this.road.going) {
      if (this.#begun.has(going)) continue;
      this.#begun.set(going, { number: this.number, at: this.clock.now() });
      if (going.call.method === 'PUT') this.#writes.set(going, going.call.account);
    }
  }

  async act(one: Step): Promise<void> {
    const { road } = this;
    if (one.do === 'read') this.#read(one.account, one.wish);
    else if (one.do === 'write') {
      const call = { account: `user${one.account}`, method: 'PUT', class: 'control' as const };
      road.call(call);
    } else if (one.do === 'answer') this.answer(pick(road.going, one.which), one.moment);
    else if (one.do === 'fail') pick(road.going, one.which)?.fail(new GatewayError('GW_UPSTREAM_TIMEOUT', 'late'));
    else if (one.do === 'leave') pick(this.came, one.which)?.caller.leave();
    else if (one.do === 'look') this.#look(one.which);
    else await this.clock.advance(one.ms);
    await settle();
    this.note();
  }

  /** Ends a call; a write makes the number larger at some moment while it runs, a read tells one of its moments. */
  answer(going: Going | undefined, moment: number): void {
    if (going === undefined) return;
    const account = this.#writes.get(going);
    if (account !== undefined) {
      this.since.push(this.clock.now());
      this.#written.set(account, this.number);
      going.answer();
      return;
    }
    const begun = this.#begun.get(going) ?? { number: this.number, at: this.clock.now() };
    const middle = Math.floor((begun.number + this.number) / 2);
    const told = { begin: begun.number, middle, end: this.number }[MOMENTS[moment] ?? 'end'];
    going.answer({ body: Buffer.from(String(told)), headers: [] });
  }

  #call(account: number, wish: number): Partial<UpstreamCall> {
    const rawHeaders = ['Accept', 'application/json', ...(WISHES[wish] ?? [])];
    return { account: `user${account}`, target: QUERY, route: QUERY, class: 'list', rawHeaders };
  }

  #read(account: number, wish: number): void {
    const of = this.#call(account, wish);
    const name = `user${account}`;
    const { number } = this;
    const written = this.#written.get(name) ?? 0;
    const at = this.clock.now();
    this.came.push({ caller: this.road.call(of), account: name, wish, number, written, at });
  }

  /** The gateway itself asks for the same. */
  #look(which: number): void {
    const account = which % 2;
    const credential = { get: () => Promise.reject(new Error('not asked')), renew: () => Promise.reject(new Error()) };
    const call = { ...this.#call(account, 0), signal: new AbortController().signal };
    const full = { ...this.#template(), ...call };
    this.road.carrier.ask(full, credential, 1000).catch(() => undefined);
  }

  #template(): UpstreamCall {
    return {
      queue: 'night',
      account: '',
      method: 'GET',
      target: QUERY,
      route: QUERY,
      class: 'list',
      rawHeaders: [],
      body: { kind: 'none' },
      requestId: 'look',
      traceparent: '',
      signal: new AbortController().signal,
    };
  }
}

async function play(steps: readonly Step[], turns: number): Promise<Play> {
  const scene = new Play(turns);
  for (const one of steps) await scene.act(one);
  for (let rest = scene.road.going[0]; rest !== undefined; rest = scene.road.going[0]) {
    scene.answer(rest, 0);
    await settle();
    scene.note();
  }
  return scene;
}

const fieldOf = (caller: Caller, name: string): string | undefined => {
  const { rawHead } = caller.response;
  const at = rawHead.findIndex((field, index) => index % 2 === 0 && field === name);
  return at === -1 ? undefined : rawHead[at + 1];
};

describe('answers with a micro-cache', () => {
  it('are never older than their request by more than the age that they say, and never older than one’s own writes', async () => {
    let hits = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.constantFrom(1, 3, 16),
        async (steps, turns) => {
          const scene = await play(steps, turns);
          for (const { caller, account, wish, number, written, at } of scene.came) {
            assert.notEqual(caller.ended, null, 'everybody is answered');
            if (caller.ended !== 'answered') continue;
            const told = Number(caller.response.text);
            const age = fieldOf(caller, 'age');
            assert.ok(told >= written, `${account} wrote ${written} and reads ${told}`);
            if (age === undefined) {
              assert.ok(told >= number, `${told} was over when the request came (${number})`);
              continue;
            }
            hits += 1;
            assert.ok(Number(age) * 1000 <= LIFE, 'no age beyond the life');
            assert.ok(wish !== 3 && (wish !== 4 || Number(age) <= 1), 'as the caller wished');
            // The number was still true at a moment no longer ago than the age says.
            const over = scene.since[told + 1] ?? Number.POSITIVE_INFINITY;
            assert.ok(
              over >= at - Number(age) * 1000,
              `${told} was over ${at - over} ms before, and the age says ${age} s`,
            );
          }
          assert.deepEqual([scene.road.gate.open, scene.road.gate.waiting.size], [0, 0]);
        },
      ),
      { numRuns: 400 },
    );
    assert.ok(hits > 400, `only ${hits} answers were stored ones`);
  });

  it('go back in time for nobody who asks one after the other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const scene = new Play(16);
        let last = 0;
        for (const one of steps) {
          await scene.act(one);
          // Between two steps alice asks and waits for her answer.
          const caller = scene.road.call({ account: 'user0', target: QUERY, route: QUERY, class: 'list' });
          await settle();
          scene.note();
          for (let rounds = 0; caller.ended === null && rounds < 3; rounds += 1) {
            for (const going of [...scene.road.going]) {
              if (going.call.target === QUERY && going.call.account === 'user0') scene.answer(going, one.do.length % 3);
            }
            await settle();
            scene.note();
          }
          if (caller.ended !== 'answered') continue;
          const told = Number(caller.response.text);
          assert.ok(told >= last, `${last}, then ${told}`);
          last = told;
        }
      }),
      { numRuns: 150 },
    );
  });
});
