import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { FAULT_KINDS, type FaultKind, type FaultRule } from '../../standin/vovserver/faults.ts';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

// Every fault of the stand-in through the whole gateway: a clear problem or a cut connection, never foreign bytes.
const GOOD = '200';
const CUT = '200 cut';
const INVALID = '502 GW_UPSTREAM_INVALID';
const UNKNOWN = '504 GW_OUTCOME_UNKNOWN';
const PAGE = '500';

/** What a fault may lead to, for a read and for a submission. */
interface Case {
  readonly rule?: Omit<FaultRule, 'kind'>;
  readonly read: readonly string[];
  readonly submit: readonly string[];
  /** Jobs that a submission makes at the stand-in in spite of the fault; default one. */
  readonly jobs?: 0 | 1;
  readonly times?: number;
}

const TIMES = 20;
const passes: Case = { read: [GOOD], submit: [GOOD] };
const broken: Case = { read: [INVALID], submit: [UNKNOWN] };
/** A read is cut, since its answer has begun; a short answer to a write is kept back until it is whole. */
const cut: Case = { read: [CUT], submit: [UNKNOWN] };
const endless: Case = { read: [CUT], submit: [UNKNOWN] };
const BUSY = '503 GW_CREDENTIAL_UNAVAILABLE';
/** Five failures in a row stop the calls of their account: nothing of a later one is sent. */
const STOPPED = '503 GW_UPSTREAM_DOWN';
/** No byte of an answer: a read may be repeated, and is told so; a write may have been executed. */
const away: Case = { read: [STOPPED], submit: [UNKNOWN] };
const FAILURES: ReadonlySet<string> = new Set([INVALID, UNKNOWN, '504 GW_UPSTREAM_TIMEOUT']);

const CASES: Readonly<Record<FaultKind, Case>> = {
  delay: { ...passes, rule: { ms: 20 } },
  hang: { read: ['504 GW_UPSTREAM_TIMEOUT'], submit: [UNKNOWN], rule: { executed: true } },
  'refuse-jwt': { read: [BUSY], submit: [BUSY], jobs: 0, times: 4 },
  'reject-password': { ...passes, rule: { path: '/token' } },
  answer: { read: [PAGE], submit: [PAGE], jobs: 0 },
  redirect: { ...broken, rule: { location: 'https://evil.example/' }, jobs: 0 },
  'reset-before': { ...away, jobs: 0 },
  'reset-after': away,
  'reset-mid-body': cut,
  'slow-body': { ...passes, rule: { bytes: 40, ms: 2 } },
  'truncated-json': passes,
  'short-body': cut,
  'long-body': passes,
  'invalid-utf8': passes,
  'duplicate-keys': passes,
  'huge-rows': { ...passes, rule: { rows: 5000 } },
  'endless-body': { ...endless, jobs: 0, times: 3 },
  bomb: { ...passes, rule: { bytes: 1_048_576 } },
  'no-length': passes,
  'status-line': broken,
  'bad-header': broken,
  'huge-header': broken,
  'many-headers': { ...broken, rule: { count: 2100 } },
  'odd-headers': passes,
  'duplicate-length': broken,
  'length-and-chunked': broken,
  'bad-chunk': cut,
  trailers: passes,
  'informational-flood': broken,
  'extra-bytes': passes,
  raw: broken,
};

/** Header names that a caller may see, whatever vovserver sends. */
const HEADERS = new Set(
  [
    'cache-control connection content-encoding content-length content-security-policy content-type date keep-alive',
    'cross-origin-resource-policy location referrer-policy retry-after traceparent transfer-encoding vary',
    'x-content-type-options x-frame-options x-request-id x-xss-protection',
  ].flatMap((line) => line.split(' ')),
);

const JOB = { command: 'echo alice', rundir: '/tmp', env: 'BASE' };
let logfile = 0;
const newJob = (command: string) => ({ ...JOB, command, logfile: `log-${++logfile}` });

/** What a caller got: status, problem code when there is one, `cut` when the body broke off. */
interface Got {
  readonly what: string;
  readonly body: string;
}

function checkHeaders(answer: Response): void {
  const odd = [...answer.headers].filter(([name, value]) => !HEADERS.has(name) || value.includes('standin-marker'));
  assert.deepEqual(odd, []);
}

async function look(calling: Promise<Response>): Promise<Got> {
  const answer = await calling;
  checkHeaders(answer);
  try {
    const body = await answer.text();
    const problem = answer.headers.get('content-type') === 'application/problem+json' ? JSON.parse(body) : null;
    if (problem !== null) {
      assert.equal(problem.status, answer.status);
      assert.equal(problem.error, problem.detail);
    }
    return { what: problem === null ? `${answer.status}` : `${answer.status} ${problem.code}`, body };
  } catch {
    return { what: `${answer.status} cut`, body: '' };
  }
}

describe('hostile vovserver', () => {
  let world: World;
  let alice: string;
  let bob: string;
  const jobs = { alice: 0, bob: 0 };
  const read = (token: string, id: number) => look(world.call('GET', `/api/v3/jobs/${id}/COMMAND`, { token }));
  const submit = (token: string, command: string) =>
    look(world.call('POST', '/api/v3/jobs', { token, json: newJob(command) }));

  before(async () => {
    world = await createWorld({
      config: { limits: { mode: 'off' }, log: { level: 'error' } },
      queue: {
        connections: { perAccount: TIMES },
        // Every read is to meet the fault itself.
        coalesce: { join: 'off' },
        timeouts: { connect: '1s', login: '1s', headers: '800ms', body: '800ms', total: '1500ms' },
      },
    });
    [alice, bob] = [await world.token('alice'), await world.token('bob')];
    jobs.alice = JSON.parse((await submit(alice, 'echo alice')).body).jobid;
    jobs.bob = JSON.parse((await submit(bob, 'echo bob')).body).jobid;
  });
  after(() => world[Symbol.asyncDispose]());

  /** Until vovserver has sent all it wants to: late bytes reach only their own account, but may reach its next call. */
  const settle = () => eventually('vovserver is at rest', () => world.vovserver.stats.inFlight === 0);

  /** Plays a fault on one account with another one alternating, and gives what each got. */
  async function play(kind: FaultKind, times: number, one: () => Promise<Got>): Promise<Got[]> {
    const account = CASES[kind].rule?.path === undefined ? { account: 'alice' } : {};
    using _fault = world.vovserver.addFault({ kind, ...account, ...CASES[kind].rule });
    const got = await Promise.all(
      Array.from({ length: times }, async () => {
        const [mine, foreign] = await Promise.all([one(), read(bob, jobs.bob)]);
        assert.equal(foreign.what, GOOD);
        assert.match(foreign.body, /echo bob/);
        assert.doesNotMatch(mine.body, /echo bob/);
        return mine;
      }),
    );
    await settle();
    return got;
  }

  /** Failures in a row have stopped the calls of their account: a control call tries at once, and its answer lets them go. */
  async function wake(): Promise<void> {
    const stop = { token: alice, json: { action: 'stop' } };
    // The job may have ended by itself: vovserver answers that with 400.
    assert.match((await look(world.call('PUT', `/api/v3/jobs/${jobs.alice}`, stop))).what, /^(?:200|400)$/);
  }

  /** Each met the fault, but for those that were stopped after others had failed. Gives how many met it. */
  function checkMet(got: readonly Got[], expected: readonly string[]): number {
    const met = got.filter(({ what }) => what !== STOPPED || !expected.some((one) => FAILURES.has(one)));
    for (const { what } of met) assert.ok(expected.includes(what), what);
    assert.ok(met.length >= 3, `only ${met.length} met it`);
    return met.length;
  }

  it('knows every fault of the stand-in', () => {
    assert.deepEqual(Object.keys(CASES).sort(), Object.keys(FAULT_KINDS).sort());
  });

  for (const kind of Object.keys(FAULT_KINDS) as FaultKind[]) {
    const { times = TIMES } = CASES[kind];

    it(`${kind}: ${times} reads`, async () => {
      const got = await play(kind, times, () => read(alice, jobs.alice));
      await wake();
      checkMet(got, CASES[kind].read);
      assert.deepEqual((await read(alice, jobs.alice)).what, GOOD);
    });

    it(`${kind}: ${times} submissions, none of them twice`, async () => {
      const { ledger } = world.vovserver;
      const mark = ledger.seq;
      const got = await play(kind, times, () => submit(alice, 'echo alice'));
      await wake();
      const met = checkMet(got, CASES[kind].submit);
      const made = ledger.jobs.filter((job) => job.seq > mark).map((job) => job.logfile);
      assert.equal(made.length, met * (CASES[kind].jobs ?? 1));
      assert.equal(new Set(made).size, made.length);
      assert.deepEqual((await read(alice, jobs.alice)).what, GOOD);
    });
  }

  it('extra bytes on an idle connection end it and reach no later caller', async () => {
    const { stats } = world.vovserver;
    const closed = (): number => stats.connectionsOpened - stats.connectionsOpen;
    for (let round = 0; round < TIMES; round++) {
      await settle();
      const before = closed();
      using _fault = world.vovserver.addFault({ kind: 'extra-bytes', account: 'alice', times: 1 });
      const first = await read(alice, jobs.alice);
      assert.match(first.body, /echo alice/);
      await eventually('the connection is given up', () => closed() > before);
      const [second, third] = [await read(bob, jobs.bob), await read(alice, jobs.alice)];
      assert.match(second.body, /echo bob/);
      assert.match(third.body, /echo alice/);
    }
  });

  it('what is refused as nonsense is in the log with its reason, and nothing crashed', async () => {
    assert.deepEqual(
      world.log.filter((line) => line.includes('"event.action":"internal"')),
      [],
    );
  });
});
