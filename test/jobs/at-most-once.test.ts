import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Answer } from '../../src/jobs/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import type { Mishap } from './fake-vovserver.ts';
import { BODY, createJobsWorld, type JobsWorld, type Replica, submissionOf } from './jobs-world.ts';
import { createMortal, type Mortal } from './mortal.ts';

const MISHAPS: readonly Mishap[] = [
  'none',
  'not-sent',
  'lost-before',
  'lost-after',
  'lost-late',
  'fails-before',
  'fails-after',
  'half-answer',
  'proxy-timeout',
  'proxy-page',
  'refused',
];

/** What clients know: the job of each key that was acknowledged. */
interface Model {
  readonly acknowledged: Map<string, number>;
}

/** Replicas on one store; a dead one is replaced by a new process. */
interface Real {
  readonly world: JobsWorld;
  readonly replicas: { mortal: Mortal; replica: Replica }[];
}

const born = (world: JobsWorld): Real['replicas'][number] => {
  const mortal = createMortal(world.kv);
  return { mortal, replica: world.join(mortal.kv) };
};

/** How a client sees one try. */
type Seen = { readonly jobId: number } | { readonly status: number; readonly code: string | null } | 'died';

function seen({ status, body }: Answer): Seen {
  const jobId = status < 300 ? /^\{"jobid":(\d+)\}$/.exec(body.toString())?.[1] : undefined;
  return jobId === undefined ? { status, code: null } : { jobId: Number(jobId) };
}

async function tryOnce({ world, replicas }: Real, key: string, at: number): Promise<Seen> {
  const { mortal, replica } = replicas[at] ?? assert.fail('no such replica');
  const submission = submissionOf({ key, json: { ...BODY, logfile: `LOG.${key}` } });
  const way = mortal.way(world.vovserver.way('alice'));
  const trying = replica.submissions.submit(submission, way).then(seen, (error: unknown): Seen => {
    assert.ok(error instanceof GatewayError, `no other error reaches a client: ${String(error)}`);
    return { status: error.status, code: error.code };
  });
  const result = await Promise.race([trying, mortal.died]);
  if (result === 'died') replicas[at] = born(world);
  return result;
}

const jobsOf = ({ world }: Real, key: string): number[] =>
  world.vovserver.jobs.filter(({ body }) => body.logfile === `LOG.${key}`).map(({ id }) => id);

function check(model: Model, real: Real, key: string, result: Seen, what: string): void {
  const jobs = jobsOf(real, key);
  assert.ok(jobs.length <= 1, `${key} was executed ${jobs.length} times (${what})`);
  if (result === 'died') return;
  if ('jobId' in result) {
    assert.deepEqual(jobs, [result.jobId], what);
    model.acknowledged.set(key, result.jobId);
    return;
  }
  const known = model.acknowledged.get(key);
  if (known !== undefined) {
    // Once acknowledged nothing but a store that is away keeps the answer from a retry.
    assert.ok(['GW_STORE_UNAVAILABLE', 'GW_KEY_IN_PROGRESS'].includes(result.code ?? ''), JSON.stringify(result));
    return;
  }
  const unknown = ['GW_OUTCOME_UNKNOWN', 'GW_KEY_IN_PROGRESS', 'GW_STORE_UNAVAILABLE'];
  assert.notEqual(result.status, 200, 'a yes without a job');
  if (jobs.length === 1) assert.ok(unknown.includes(result.code ?? ''), `a job, but told ${JSON.stringify(result)}`);
}

type Command = fc.AsyncCommand<Model, Real>;

class Submit implements Command {
  readonly step: { key: string; at: number; mishap: Mishap };
  constructor(step: Submit['step']) {
    this.step = step;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const { key, at, mishap } = this.step;
    real.world.vovserver.mishaps = [mishap];
    check(model, real, key, await tryOnce(real, key, at), this.toString());
    real.world.vovserver.mishaps = [];
  }
  toString = (): string => `submit(${JSON.stringify(this.step)})`;
}

/** Sets what will go wrong with the next steps of a replica. */
class Break implements Command {
  readonly step: { at: number; how: 'dies' | 'loses the store'; step: number; count: number; applied: boolean };
  constructor(step: Break['step']) {
    this.step = step;
  }
  check = (): boolean => true;
  async run(_: Model, real: Real): Promise<void> {
    const { at, how, step, count, applied } = this.step;
    const mortal = real.replicas[at]?.mortal;
    if (how === 'dies') mortal?.dieAt(step, applied);
    else mortal?.loseStore(step, count, applied);
  }
  toString = (): string => `break(${JSON.stringify(this.step)})`;
}

class Both implements Command {
  readonly step: { key: string; mishap: Mishap };
  constructor(step: Both['step']) {
    this.step = step;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    const { key, mishap } = this.step;
    real.world.vovserver.mishaps = [mishap];
    const results = await Promise.all([tryOnce(real, key, 0), tryOnce(real, key, 1)]);
    real.world.vovserver.mishaps = [];
    for (const result of results.filter((one) => one !== 'died' && 'jobId' in one)) {
      check(model, real, key, result, this.toString());
    }
    assert.ok(jobsOf(real, key).length <= 1);
  }
  toString = (): string => `both(${JSON.stringify(this.step)})`;
}

class Pass implements Command {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  run = (_: Model, { world }: Real): Promise<void> => world.clock.advance(this.ms);
  toString = (): string => `pass(${this.ms} ms)`;
}

class Reading implements Command {
  readonly how: JobsWorld['vovserver']['reading'];
  constructor(how: Reading['how']) {
    this.how = how;
  }
  check = (): boolean => true;
  async run(_: Model, { world }: Real): Promise<void> {
    world.vovserver.reading = this.how;
  }
  toString = (): string => `reading ${this.how}`;
}

const KEYS = ['k1', 'k2', 'k11'];
const key = fc.constantFrom(...KEYS);
const mishap = fc.constantFrom(...MISHAPS);
const at = fc.constantFrom(0, 1);

const commands = fc.commands(
  [
    fc.record({ key, at, mishap }).map((step) => new Submit(step)),
    fc.record({ key, at, mishap }).map((step) => new Submit(step)),
    fc
      .record({
        at,
        how: fc.constantFrom('dies' as const, 'loses the store' as const),
        step: fc.integer({ min: 1, max: 14 }),
        count: fc.integer({ min: 1, max: 3 }),
        applied: fc.boolean(),
      })
      .map((step) => new Break(step)),
    fc.record({ key, mishap }).map((step) => new Both(step)),
    fc.constantFrom(100, 6000, 16_000, 130_000).map((ms) => new Pass(ms)),
    fc
      .constantFrom('ok' as const, 'away' as const, 'error-text' as const, 'nonsense' as const)
      .map((how) => new Reading(how)),
  ],
  { maxCommands: 14 },
);

function createReal(marker: 'jobname' | 'proplist' | 'none'): Real {
  const world = createJobsWorld({ marker });
  // Nothing but the gateway keeps a submission from being executed twice.
  world.vovserver.refusesSameLogfile = false;
  return { world, replicas: [born(world), born(world)] };
}

/** Everything works again: each key is tried until it is answered. */
async function heal(model: Model, real: Real, keys: readonly string[] = KEYS): Promise<void> {
  const { world } = real;
  world.vovserver.reading = 'ok';
  real.replicas.splice(0, 2, born(world), born(world));
  for (const key of keys) {
    const tries: Seen[] = [];
    for (let round = 0; round < 4; round += 1) {
      const result = await tryOnce(real, key, round % 2);
      check(model, real, key, result, 'after all is well');
      tries.push(result);
      await world.clock.advance(130_000);
    }
    const last = tries.at(-1);
    assert.ok(last !== undefined && last !== 'died' && 'jobId' in last, `${key}: ${JSON.stringify(tries)}`);
  }
}

describe('at most once, never lost', () => {
  for (const marker of ['jobname', 'proplist'] as const) {
    it(`whatever fails in whatever order, and every key is answered in the end (${marker})`, async () => {
      await fc.assert(
        fc.asyncProperty(commands, async (steps) => {
          const real = createReal(marker);
          await using _world = real.world;
          const model: Model = { acknowledged: new Map() };
          await fc.asyncModelRun(() => ({ model, real }), steps);
          await heal(model, real);
        }),
        { numRuns: 70 },
      );
    });
  }

  it('without a mark too: what was not executed may stay unknown, but nothing is sent twice', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const real = createReal('none');
        await using _world = real.world;
        await fc.asyncModelRun(() => ({ model: { acknowledged: new Map() }, real }), steps);
      }),
      { numRuns: 50 },
    );
  });

  it('when vovserver drops the mark without a word', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const real = createReal('jobname');
        await using _world = real.world;
        real.world.vovserver.drops = ['jobname'];
        const model: Model = { acknowledged: new Map() };
        await fc.asyncModelRun(() => ({ model, real }), steps);
        await heal(model, real);
      }),
      { numRuns: 50 },
    );
  });

  it('at each step of a submission that dies, and with each way in which its store can fail', async () => {
    for (const mishap of MISHAPS) {
      for (let step = 1; step <= 14; step += 1) {
        for (const applied of [false, true]) {
          for (const how of ['dies', 'loses the store'] as const) {
            const real = createReal('jobname');
            await using _world = real.world;
            const model: Model = { acknowledged: new Map() };
            await new Break({ at: 0, how, step, count: 2, applied }).run(model, real);
            await new Submit({ key: 'k1', at: 0, mishap }).run(model, real);
            await heal(model, real, ['k1']);
          }
        }
      }
    }
  });
});
