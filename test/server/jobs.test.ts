import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { FaultRule } from '../../standin/vovserver/faults.ts';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

// Submissions, ownership, origins and turns through the whole gateway, with the ledger of the stand-in as the witness.

interface Got {
  readonly status: number;
  readonly code: string | undefined;
  readonly jobid: number | undefined;
  readonly headers: Headers;
  readonly text: string;
}

async function look(calling: Promise<Response>): Promise<Got> {
  const answer = await calling;
  const text = await answer.text();
  const { code, jobid } = text.startsWith('{') ? JSON.parse(text) : ({} as { code?: string; jobid?: number });
  return {
    status: answer.status,
    code,
    jobid: jobid === undefined ? undefined : Number(jobid),
    headers: answer.headers,
    text,
  };
}

let logfile = 0;
const newJob = () => ({ command: 'true', rundir: '/tmp', env: 'BASE', logfile: `log-${++logfile}` });
const submit = (world: World, token: string, json: object, headers: Record<string, string> = {}) =>
  look(world.call('POST', '/api/v3/jobs', { token, json, headers }));
const isPost = ({ method, target }: { method: string; target: string }): boolean =>
  method === 'POST' && target === '/api/v3/jobs';
/** What the stand-in got since `mark`. */
const seen = ({ vovserver }: World, mark: number) => vovserver.ledger.requests.filter(({ seq }) => seq > mark);

const QUIET = { limits: { mode: 'off' }, log: { level: 'error' } };

describe('a submission', () => {
  let world: World;
  let alice: string;
  let made = 0;
  const jobs = (): number => world.vovserver.ledger.jobs.length - made;

  before(async () => {
    const timeouts = { connect: '1s', login: '1s', headers: '1s', body: '1s', total: '2s' };
    world = await createWorld({ config: QUIET, queue: { timeouts } });
    alice = await world.token('alice');
    // So that the name of the queue and the JWT are known before a fault is played.
    await submit(world, alice, newJob());
  });
  beforeEach(() => {
    made = world.vovserver.ledger.jobs.length;
  });
  after(() => world[Symbol.asyncDispose]());
  const fault = (rule: FaultRule) => world.vovserver.addFault({ method: 'POST', path: '/jobs$', ...rule });

  it('with a key is sent once, and its answer is given again and marked', async () => {
    const job = newJob();
    const [first, second] = [
      await submit(world, alice, job, { 'idempotency-key': 'one' }),
      await submit(world, alice, job, { 'idempotency-key': '"one"' }),
    ];
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.equal(second.jobid, first.jobid);
    assert.deepEqual(
      [first, second].map(({ headers }) => headers.get('idempotent-replayed')),
      [null, 'true'],
    );
    assert.equal(jobs(), 1);
  });

  it('with a key that came with another body is 422, and one with a bad key 400', async () => {
    assert.equal((await submit(world, alice, newJob(), { 'idempotency-key': 'two' })).status, 200);
    const reused = await submit(world, alice, newJob(), { 'idempotency-key': 'two' });
    assert.deepEqual([reused.status, reused.code], [422, 'GW_KEY_REUSED']);
    const bad = await submit(world, alice, newJob(), { 'idempotency-key': 'two words' });
    assert.deepEqual([bad.status, bad.code], [400, 'GW_BAD_REQUEST']);
    assert.equal(jobs(), 1);
  });

  it('whose key is another user’s is their own', async () => {
    const bob = await world.token('bob');
    const job = newJob();
    const [mine, theirs] = [
      await submit(world, alice, job, { 'idempotency-key': 'three' }),
      await submit(world, bob, { ...newJob() }, { 'idempotency-key': 'three' }),
    ];
    assert.deepEqual([mine.status, theirs.status], [200, 200]);
    assert.notEqual(mine.jobid, theirs.jobid);
    assert.equal(theirs.headers.get('idempotent-replayed'), null);
  });

  it('that is under way answers its repeats with 409 and when to come again', async () => {
    const job = newJob();
    const mark = world.vovserver.ledger.seq;
    using _slow = fault({ kind: 'delay', ms: 800, times: 1 });
    const first = submit(world, alice, job, { 'idempotency-key': 'four' });
    await eventually('it has reached vovserver', () => seen(world, mark).some(isPost));
    const second = await submit(world, alice, job, { 'idempotency-key': 'four' });
    assert.deepEqual([second.status, second.code], [409, 'GW_KEY_IN_PROGRESS']);
    assert.match(second.headers.get('retry-after') ?? '', /^\d+$/);
    assert.equal((await first).status, 200);
    const third = await submit(world, alice, job, { 'idempotency-key': 'four' });
    assert.equal(third.jobid, (await first).jobid);
    assert.equal(jobs(), 1);
  });

  for (const key of [null, 'five']) {
    const headers = key === null ? {} : { 'idempotency-key': key };
    const what = key === null ? 'without a key' : 'with a key';

    it(`${what} whose answer was lost is found and adopted`, async () => {
      using _lost = fault({ kind: 'reset-after', times: 1 });
      const got = await submit(world, alice, newJob(), headers);
      assert.equal(got.status, 200, got.text);
      assert.equal(got.jobid, world.vovserver.ledger.jobs.at(-1)?.id);
      assert.equal(got.headers.get('idempotent-replayed'), 'true');
      assert.equal(jobs(), 1);
    });

    it(`${what} whose job cannot be looked for is 504, and a repeat adopts it`, async () => {
      const job = newJob();
      const again = key === null ? {} : { 'idempotency-key': `${key}-again` };
      const mark = world.vovserver.ledger.seq;
      using _lost = fault({ kind: 'reset-after', times: 1 });
      const unknown = await (async () => {
        using _blind = world.vovserver.addFault({ kind: 'answer', status: 500, path: '/query' });
        return await submit(world, alice, job, again);
      })();
      assert.deepEqual([unknown.status, unknown.code], [504, 'GW_OUTCOME_UNKNOWN']);
      assert.match(unknown.headers.get('retry-after') ?? '', /^\d+$/);
      const repeat = await submit(world, alice, job, again);
      assert.equal(repeat.status, 200, repeat.text);
      assert.equal(repeat.jobid, world.vovserver.ledger.jobs.at(-1)?.id);
      assert.equal(jobs(), 1);
      assert.equal(seen(world, mark).filter(isPost).length, 1, 'it was sent once');
    });
  }

  it('that was refused before it was sent is no unknown outcome', async () => {
    using _page = world.vovserver.addFault({ kind: 'refuse-jwt', account: 'alice', times: 2 });
    const got = await submit(world, alice, newJob(), { 'idempotency-key': 'six' });
    assert.deepEqual([got.status, got.code], [503, 'GW_CREDENTIAL_UNAVAILABLE']);
    assert.equal(jobs(), 0);
  });

  it('without a key whose caller goes answers its repeat, and only that', async () => {
    const job = newJob();
    const mark = world.vovserver.ledger.seq;
    const gone = new AbortController();
    {
      using _slow = fault({ kind: 'delay', ms: 500, times: 1 });
      const first = fetch(`http://127.0.0.1:${world.gateway.port}/api/v3/jobs`, {
        method: 'POST',
        headers: { authorization: `Bearer ${alice}`, 'content-type': 'application/json' },
        body: JSON.stringify(job),
        signal: gone.signal,
      });
      await eventually('it has reached vovserver', () => seen(world, mark).some(isPost));
      gone.abort();
      await assert.rejects(first);
    }
    await eventually('its answer', async () => {
      const made = jobs() === 1 ? world.vovserver.ledger.jobs.at(-1)?.id : undefined;
      if (made === undefined) return false;
      return (await look(world.call('GET', `/gateway/v1/jobs/${made}/origin`, { token: alice }))).status === 200;
    });
    const repeat = await submit(world, alice, job);
    assert.deepEqual([repeat.status, repeat.headers.get('idempotent-replayed')], [200, 'true'], repeat.text);
    assert.equal(repeat.jobid, Number(world.vovserver.ledger.jobs.at(-1)?.id));
    assert.equal(seen(world, mark).filter(isPost).length, 1);
    await submit(world, alice, job);
    assert.equal(seen(world, mark).filter(isPost).length, 2, 'the next one is meant anew');
  });

  it('whose caller goes is seen through, and a repeat with its key has the answer', async () => {
    const job = newJob();
    const mark = world.vovserver.ledger.seq;
    using _slow = fault({ kind: 'delay', ms: 500, times: 1 });
    const gone = new AbortController();
    const first = fetch(`http://127.0.0.1:${world.gateway.port}/api/v3/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${alice}`, 'content-type': 'application/json', 'idempotency-key': 'seven' },
      body: JSON.stringify(job),
      signal: gone.signal,
    });
    await eventually('it has reached vovserver', () => seen(world, mark).some(isPost));
    gone.abort();
    await assert.rejects(first);
    const repeat = await eventually('its answer', async () => {
      const got = await submit(world, alice, job, { 'idempotency-key': 'seven' });
      return got.status === 409 ? null : got;
    });
    assert.equal(repeat.status, 200, repeat.text);
    assert.equal(repeat.headers.get('idempotent-replayed'), 'true');
    assert.equal(jobs(), 1);
    assert.deepEqual(
      seen(world, mark).filter(({ target }) => target.includes('/query')),
      [],
      'nothing had to be looked for',
    );
  });

  it('of more than a mebibyte is 413, and nothing is sent', async () => {
    const mark = world.vovserver.ledger.seq;
    const got = await submit(world, alice, { ...newJob(), comment: 'x'.repeat(1_100_000) });
    assert.deepEqual([got.status, got.code], [413, 'GW_BODY_TOO_LARGE']);
    assert.deepEqual(seen(world, mark), []);
  });
});

describe('whose job it is', () => {
  let world: World;
  let dir: string;
  const tokens: Record<string, string> = {};

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'vovgw-jobs-'));
    const passwordFile = join(dir, 'svc_ci');
    for (const name of ['alice', 'bob', 'oscar', 'root', 'svc_ci'])
      await writeFile(join(dir, name), `pw-${name}`, { mode: 0o600 });
    const opened = { method: 'POST', template: '/api/v3/jobs/{id}/rerun', class: 'control' };
    world = await createWorld({
      users: ['alice', 'bob', 'oscar', 'root', 'svc_ci'],
      config: {
        ...QUIET,
        access: { extraRoutes: [opened] },
        credentials: [
          { type: 'shared', account: 'svc_ci', passwordFile },
          { type: 'file', dir },
        ],
        identity: {
          groups: { ci: ['bot1', 'bot2', 'botadmin'] },
          rules: [
            { match: { group: 'ci' }, shared: 'svc_ci' },
            { match: { userPattern: '([a-z]+)' }, account: '$1' },
          ],
          roles: { admin: { users: ['root', 'botadmin'] }, operator: { users: ['oscar'] } },
        },
      },
    });
    for (const user of ['alice', 'bob', 'oscar', 'root', 'bot1', 'bot2', 'botadmin']) {
      tokens[user] = await world.token(user);
    }
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  const tokenOf = (user: string): string => tokens[user] ?? assert.fail(user);
  const jobOf = async (user: string, headers: Record<string, string> = {}): Promise<number> =>
    (await submit(world, tokenOf(user), newJob(), headers)).jobid ?? assert.fail('no job');
  const WRITES = [
    ['PUT', '', { action: 'stop' }],
    ['PATCH', '', { priority: 'low' }],
    ['DELETE', '', undefined],
    ['POST', '/rerun', {}],
  ] as const;
  const control = (user: string, id: number, [method, below, json]: (typeof WRITES)[number]) =>
    look(world.call(method, `/api/v3/jobs/${id}${below}`, { token: tokenOf(user), ...(json && { json }) }));

  for (const [owner, stranger] of [
    ['alice', 'bob'],
    ['alice', 'oscar'],
    ['alice', 'bot1'],
    ['bot1', 'bot2'],
    ['bot1', 'alice'],
  ] as const) {
    it(`${stranger} may not touch a job of ${owner}`, async () => {
      const id = await jobOf(owner);
      const mark = world.vovserver.ledger.seq;
      for (const write of WRITES) {
        const { status, code } = await control(stranger, id, write);
        assert.deepEqual([status, code], [403, 'GW_NOT_YOURS'], write.join(' '));
      }
      const sent = seen(world, mark).filter(({ method, target }) => method !== 'GET' && !target.endsWith('/token'));
      assert.deepEqual(sent, [], 'nothing reached vovserver');
    });
  }

  for (const [owner, controller] of [
    ['alice', 'alice'],
    ['bot1', 'bot1'],
    ['bot1', 'botadmin'],
  ] as const) {
    it(`${controller} may stop a job of ${owner}`, async () => {
      const id = await jobOf(owner);
      const mark = world.vovserver.ledger.seq;
      const got = await control(controller, id, WRITES[0]);
      assert.doesNotMatch(got.text, /GW_/);
      const sent = seen(world, mark).filter(({ method }) => method === 'PUT');
      assert.equal(sent.length, 1);
    });
  }

  it('is told to its owner, to operators and admins, and to nobody else', async () => {
    const id = await jobOf('bot1', { 'idempotency-key': 'of-bot1' });
    const ask = (user: string) => look(world.call('GET', `/gateway/v1/jobs/${id}/origin`, { token: tokenOf(user) }));
    for (const user of ['bot1', 'oscar', 'root']) {
      const got = await ask(user);
      assert.equal(got.status, 200, `${user}: ${got.text}`);
      const { submitted_at: at, request_id: requestId, token_id: tokenId, subject, ...origin } = JSON.parse(got.text);
      assert.deepEqual(origin, {
        ...{ job_id: String(id), queue: 'test', user: 'bot1', account: 'svc_ci', token_label: 'test' },
        ...{ address: '127.0.0.1', idempotency_key: 'of-bot1', last_seen: null },
      });
      assert.ok(Math.abs(Date.now() - Date.parse(at)) < 60_000, at);
      assert.match(requestId, /^[0-9a-f]{32}$/);
      assert.ok(tokenOf('bot1').includes(tokenId));
      assert.match(subject, /bot1/);
    }
    for (const user of ['bot2', 'alice', 'bob']) {
      const { status, code } = await ask(user);
      assert.deepEqual([status, code], [404, 'GW_NOT_FOUND'], user);
    }
  });

  it('is asked with a token, about a job that was submitted here', async () => {
    const path = (id: string): string => `/gateway/v1/jobs/${id}/origin`;
    assert.equal((await look(world.call('GET', path('1')))).status, 401);
    for (const id of ['999999999', 'x', '1.5', '-1']) {
      const { status, text } = await look(world.call('GET', path(id), { token: tokenOf('oscar') }));
      assert.equal(status, 404, text);
    }
  });
});

describe('turns and shared reads', () => {
  it('200 equal polls at once cost vovserver a few calls, and another account’s are its own', async () => {
    await using world = await createWorld({ config: QUIET });
    const [alice, bob] = [await world.token('alice'), await world.token('bob')];
    const { jobid } = await submit(world, alice, newJob());
    const target = `/api/v3/jobs/${jobid}/STATUS`;
    const poll = (token: string) => look(world.call('GET', target, { token }));
    await Promise.all([poll(alice), poll(bob)]);
    const mark = world.vovserver.ledger.seq;
    using _slow = world.vovserver.addFault({ kind: 'delay', ms: 250, path: 'STATUS' });
    const got = await Promise.all([...Array.from({ length: 200 }, () => poll(alice)), poll(bob)]);
    assert.deepEqual([...new Set(got.map(({ status }) => status))], [200]);
    const asked = (account: string): number =>
      seen(world, mark).filter((entry) => entry.target === target && entry.account === account).length;
    assert.ok(asked('alice') >= 2 && asked('alice') <= 20, `${asked('alice')} calls`);
    assert.equal(asked('bob'), 1);
  });

  it('a kill passes while the lists and reads of its account are saturated', async () => {
    await using world = await createWorld({
      config: {
        limits: { lanes: { mode: 'fixed', list: { concurrency: 2 }, read: { concurrency: 2 } } },
        log: { level: 'error' },
      },
    });
    const alice = await world.token('alice');
    const { jobid } = await submit(world, alice, newJob());
    using _slow = world.vovserver.addFault({ kind: 'delay', ms: 500, path: '/query|COMMAND' });
    let ended = 0;
    const flood = Array.from({ length: 24 }, async (_, nth) => {
      const target =
        nth % 2 === 0 ? `/api/v3/query?select=id&from=jobs&limit=${nth + 1}` : `/api/v3/jobs/${jobid}/COMMAND?n=${nth}`;
      const { status } = await look(world.call('GET', target, { token: alice }));
      ended += 1;
      return status;
    });
    await eventually('both lanes are full', () => world.vovserver.stats.inFlight === 4);
    const kill = await look(world.call('PUT', `/api/v3/jobs/${jobid}`, { token: alice, json: { action: 'stop' } }));
    assert.doesNotMatch(kill.text, /GW_/);
    assert.ok(ended < flood.length / 2, `${ended} of the flood had ended`);
    assert.deepEqual([...new Set(await Promise.all(flood))], [200]);
    assert.equal(world.vovserver.stats.inFlightPeak, 5, 'never more than the turns of the lanes, and the kill');
  });

  it('who waits in vain is told so with 503 and when to come again', async () => {
    await using world = await createWorld({
      config: {
        limits: { lanes: { mode: 'fixed', list: { concurrency: 1 }, maxWait: '50ms' } },
        log: { level: 'error' },
      },
    });
    const alice = await world.token('alice');
    await submit(world, alice, newJob());
    using _slow = world.vovserver.addFault({ kind: 'delay', ms: 700, path: '/query' });
    const list = (limit: number, headers: Record<string, string> = {}) =>
      look(world.call('GET', `/api/v3/query?select=id&from=jobs&limit=${limit}`, { token: alice, headers }));
    const first = list(1);
    await eventually('it runs', () => world.vovserver.stats.inFlight === 1);
    const [late, patient] = await Promise.all([list(2), list(3, { prefer: 'respond-async, wait=30' })]);
    assert.deepEqual([late.status, late.code], [503, 'GW_SATURATED']);
    assert.match(late.headers.get('retry-after') ?? '', /^[1-5]$/);
    assert.deepEqual([(await first).status, patient.status], [200, 200]);
  });
});
