import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

// Waiting for jobs through the whole gateway; the ledger of the stand-in tells what it costs.

interface Seen {
  readonly status: number;
  readonly etag: string | null;
  readonly job: Readonly<Record<string, unknown>>;
}

let logfile = 0;

async function submit(world: World, token: string, command: string): Promise<string> {
  const json = { command, rundir: '/tmp', env: 'BASE', logfile: `wait-${++logfile}` };
  const answer = await world.call('POST', '/api/v3/jobs', { token, json });
  assert.equal(answer.status, 200);
  return String(((await answer.json()) as { jobid: number }).jobid);
}

async function look(world: World, token: string, path: string, headers: Record<string, string> = {}): Promise<Seen> {
  const answer = await world.call('GET', `/gateway/v1/jobs/${path}`, { token, headers });
  const text = await answer.text();
  return { status: answer.status, etag: answer.headers.get('etag'), job: text === '' ? {} : JSON.parse(text) };
}

const queries = ({ vovserver }: World): number =>
  vovserver.ledger.requests.filter(({ target }) => target.startsWith('/api/v3/query')).length;

const CONFIG = {
  limits: { mode: 'off' },
  log: { level: 'error' },
  identity: { roles: { operator: { users: ['olga'] } } },
  jobs: { watch: { interval: '200ms', waitsPerIdentity: 30 } },
};

describe('a job that is asked for', () => {
  let world: World;
  let alice: string;
  let bob: string;

  before(async () => {
    world = await createWorld({ config: CONFIG, users: ['alice', 'bob', 'olga'] });
    alice = await world.token('alice');
    bob = await world.token('bob');
  });
  after(() => world[Symbol.asyncDispose]());

  it('is told at once without a wait', async () => {
    const id = await submit(world, alice, 'sleep 60');
    const { status, job, etag } = await look(world, alice, id);
    assert.equal(status, 200, JSON.stringify(job));
    assert.deepEqual(
      [job.job_id, job.queue, job.account, job.final, job.wait_end],
      [id, 'test', 'alice', false, 'at_once'],
    );
    assert.match(String(etag), new RegExp(`^"${id}-`));
    assert.ok(Math.abs(Date.now() - Date.parse(String(job.seen_at))) < 60_000);
    assert.deepEqual((await look(world, alice, `00000${id}`)).job.job_id, id);
  });

  it('is told when it becomes something else, and when it has ended', async () => {
    const id = await submit(world, alice, 'sleep 1');
    const running = await look(world, alice, `${id}?wait=20&since=queued`);
    assert.ok(['idle', 'running'].includes(String(running.job.state)), JSON.stringify(running.job));
    const ended = await look(world, alice, `${id}?wait=20&until=final`);
    assert.deepEqual(
      [ended.status, ended.job.status, ended.job.state, ended.job.final, ended.job.exit, ended.job.wait_end],
      [200, 'Done', 'done', true, 0, 'wanted'],
    );
    assert.match(String(ended.job.ended_at), /^20/);
    const again = await look(world, alice, `${id}?wait=20`);
    assert.equal(again.job.wait_end, 'at_once', 'nothing more happens to it');
  });

  it('loses no change between two calls that name what was seen', async () => {
    const id = await submit(world, alice, 'sleep 60');
    const first = await eventually('it runs', async () => {
      const seen = await look(world, alice, id);
      return seen.job.state === 'running' && seen;
    });
    const same = await look(world, alice, `${id}?wait=1`, { 'if-none-match': String(first.etag) });
    assert.deepEqual([same.status, same.etag], [304, first.etag]);
    await world.call('PUT', `/api/v3/jobs/${id}`, { token: alice, json: { action: 'stop' } });
    const next = await look(world, alice, `${id}?wait=20`, { 'if-none-match': `W/${first.etag}` });
    assert.deepEqual([next.status, next.job.state], [200, 'failed']);
    const missed = await look(world, alice, `${id}?wait=20`, { 'if-none-match': String(first.etag) });
    assert.deepEqual([missed.job.state, missed.job.wait_end], ['failed', 'at_once']);
  });

  it('is told as it is when the time is over, also by Prefer', async () => {
    const id = await submit(world, alice, 'sleep 60');
    await eventually('it runs', async () => (await look(world, alice, id)).job.state === 'running');
    const answer = await world.call('GET', `/gateway/v1/jobs/${id}`, { token: alice, headers: { prefer: 'wait=1' } });
    const job = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual([answer.status, job.state, job.wait_end], [200, 'running', 'time']);
    assert.equal(answer.headers.get('preference-applied'), 'wait=1');
  });

  it('of somebody else is not there, but for an operator', async () => {
    const id = await submit(world, alice, 'sleep 2');
    const theirs = await look(world, bob, `${id}?wait=5`);
    const none = await look(world, bob, '999999999');
    assert.deepEqual([theirs.status, none.status], [404, 404]);
    assert.equal(theirs.job.detail, none.job.detail);
    const seen = await look(world, await world.token('olga'), `${id}?wait=20&until=final`);
    assert.deepEqual([seen.status, seen.job.account, seen.job.state], [200, 'alice', 'done']);
  });

  it('that vovserver has forgotten is told as it was last seen', async () => {
    const id = await submit(world, alice, 'exit 3');
    assert.equal((await look(world, alice, `${id}?wait=20&until=final`)).job.exit, 3);
    world.vovserver.advance(49 * 3_600_000);
    await eventually('it is forgotten', async () => {
      const { status, job } = await look(world, alice, id);
      return status === 200 && job.exit === null && job.state === 'failed';
    });
    assert.equal((await look(world, bob, id)).status, 404);
  });

  it('is asked for in words that make sense, with a token that may read', async () => {
    for (const query of ['wait=x', 'wait=-1', 'until=never', 'since=whenever']) {
      assert.equal((await look(world, alice, `1?${query}`)).status, 400, query);
    }
    for (const [query, name] of [
      ['wait=1&wait=2', 'wait'],
      ['wait=1&foo=1', 'foo'],
      ['wait=1&untill=final', 'untill'],
      ['Wait=1', 'Wait'],
      ['until=final&until=final', 'until'],
    ] as const) {
      const { status, job } = await look(world, alice, `1?${query}`);
      assert.equal(status, 400, query);
      assert.match(String(job.detail), new RegExp(`"${name}"`));
    }
    const submitOnly = await world.token('alice', ['submit']);
    assert.equal((await look(world, submitOnly, '1')).status, 403);
    assert.equal((await world.call('GET', '/gateway/v1/jobs/1')).status, 401);
    assert.equal((await look(world, alice, 'abc')).status, 404);
  });

  it('costs vovserver the same for one who waits and for thirty', async () => {
    const id = await submit(world, alice, 'sleep 60');
    await eventually('it runs', async () => (await look(world, alice, id)).job.state === 'running');
    const costOf = async (waits: number): Promise<number> => {
      const before = queries(world);
      await Promise.all(Array.from({ length: waits }, () => look(world, alice, `${id}?wait=2&since=running`)));
      return queries(world) - before;
    };
    const [one, thirty] = [await costOf(1), await costOf(30)];
    assert.ok(Math.abs(one - thirty) <= 2, `${one} and ${thirty}`);
    const refused = await Promise.all(
      Array.from({ length: 31 }, () => look(world, alice, `${id}?wait=1&since=running`)),
    );
    assert.deepEqual(
      refused.map(({ status }) => status).filter((status) => status !== 200),
      [429],
    );
    await eventually('nobody is asked any more', async () => {
      const before = queries(world);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return queries(world) === before;
    });
  });
});

describe('a wait that the gateway cannot see through', () => {
  it('ends early with what is known when the gateway shuts down', async () => {
    await using world = await createWorld({ config: CONFIG });
    const alice = await world.token('alice');
    const id = await submit(world, alice, 'sleep 60');
    await eventually('it runs', async () => (await look(world, alice, id)).job.state === 'running');
    const waiting = look(world, alice, `${id}?wait=60&since=running`);
    const text = async (): Promise<string> =>
      (await fetch(`http://127.0.0.1:${world.gateway.adminPort}/metrics`)).text();
    await eventually('it waits', async () => /vovgw_job_watchers\{.*how="wait".*\} 1/.test(await text()));
    await world.gateway.drain({ wait: false });
    const { status, job } = await waiting;
    assert.deepEqual([status, job.state, job.wait_end], [200, 'running', 'draining']);
  });

  it('is refused when the token was revoked meanwhile', async () => {
    await using world = await createWorld({ config: CONFIG });
    const alice = await world.token('alice');
    const id = await submit(world, alice, 'sleep 60');
    const waiting = look(world, alice, `${id}?wait=3&until=final`);
    const [{ id: tokenId } = { id: '' }] = await world.gateway.tokens.list();
    await eventually('the watcher looks', () => queries(world) > 1);
    await world.gateway.tokens.revoke(tokenId);
    assert.equal((await waiting).status, 401);
  });
});
