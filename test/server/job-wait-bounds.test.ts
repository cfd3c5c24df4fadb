import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';
import { readEvents } from './event-reader.ts';

// What bounds questions about jobs, through the whole gateway.

async function submit(world: World, token: string, logfile: string): Promise<string> {
  const json = { command: 'sleep 60', rundir: '/tmp', env: 'BASE', logfile };
  const answer = await world.call('POST', '/api/v3/jobs', { token, json });
  return String(((await answer.json()) as { jobid: number }).jobid);
}

describe('a question about a job', () => {
  it('counts as a read of its asker, however long it waits', async () => {
    const limits = { identity: { read: { requests: 4, window: '600s' } } };
    await using world = await createWorld({ config: { limits, log: { level: 'error' } } });
    const [alice, bob] = [await world.token('alice'), await world.token('bob')];
    const id = await submit(world, alice, 'bounds-1');
    const ask = async (path: string, token = alice) => {
      const answer = await world.call('GET', path, { token });
      await answer.text();
      return answer;
    };
    const first = await ask(`/gateway/v1/jobs/${id}`);
    assert.equal(first.status, 200);
    assert.match(String(first.headers.get('ratelimit')), /"identity-read";r=3;/);
    assert.equal((await ask(`/gateway/v1/jobs/${id}?wait=1`)).status, 200);
    assert.equal((await ask('/gateway/v1/jobs/999999')).status, 404);
    assert.equal((await ask(`/api/v3/jobs/${id}`)).status, 200);
    for (const path of [`/gateway/v1/jobs/${id}`, '/gateway/v1/jobs/events', `/api/v3/jobs/${id}`]) {
      const refused = await ask(path);
      assert.equal(refused.status, 429, path);
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
      assert.match(String(refused.headers.get('ratelimit')), /"identity-read";r=0;/);
    }
    assert.equal((await ask('/gateway/v1/jobs/999999', bob)).status, 404, 'nobody else is refused for it');
  });

  it('of who submitted it needs a token that may read', async () => {
    await using world = await createWorld({
      config: {
        limits: { mode: 'off' },
        log: { level: 'error' },
        identity: { roles: { operator: { users: ['olga'] } } },
      },
      users: ['alice', 'olga'],
    });
    const alice = await world.token('alice');
    const id = await submit(world, alice, 'bounds-2');
    const ask = async (token: string, jobId: string) => {
      const answer = await world.call('GET', `/gateway/v1/jobs/${jobId}/origin`, { token });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const refused = await ask(await world.token('alice', ['submit']), id);
    assert.deepEqual([refused.status, refused.body.code, refused.body.token_id], [403, 'GW_SCOPE_MISSING', undefined]);
    assert.equal((await ask(await world.token('alice', ['read']), id)).status, 200);
    const [olga, theirs] = [await ask(await world.token('olga'), '999999'), await ask(alice, '999999')];
    assert.deepEqual([olga.status, theirs.status], [404, 404]);
    assert.doesNotMatch(String(olga.body.detail), /yours/, 'an operator sees those of everybody');
    assert.match(String(theirs.body.detail), /yours/);
  });
});

describe('a list of vovserver from an older copy', () => {
  it('frees no quota of jobs that live, and tells nobody that they are gone', async () => {
    const jobs = { watch: { interval: '200ms' }, quotas: [{ name: 'few', liveJobs: 2 }] };
    await using world = await createWorld({ config: { limits: { mode: 'off' }, log: { level: 'error' }, jobs } });
    const alice = await world.token('alice');
    using stream = await readEvents(world.gateway.port, alice);
    await stream.find('ready', ({ event }) => event === 'ready');
    const ids = [await submit(world, alice, 'old-1'), await submit(world, alice, 'old-2')];
    for (const id of ids) await stream.find(id, ({ data }) => data.job_id === id && data.state === 'running');
    const columns = ['idint', 'user', 'statusnc', 'host', 'durationpp', 'exit', 'ended'];
    const body = { errmsg: '', columns: columns.map((field, col) => ({ col, field })), rows: [] };
    const old = { kind: 'answer', status: 200, path: 'query', text: JSON.stringify(body) } as const;
    world.vovserver.setFaults({ rules: [old] });
    const since = world.vovserver.ledger.requests.length;
    const reads = (): number =>
      world.vovserver.ledger.requests.slice(since).filter(({ target }) => /^\/api\/v3\/jobs\/\d+$/.test(target)).length;
    await eventually('both are read by themselves, more than once', () => reads() >= 4);
    assert.equal(await submit(world, alice, 'old-3'), 'undefined', 'refused');
    assert.deepEqual(
      stream.events.filter(({ data }) => data.final === true),
      [],
    );
    const [gone = ''] = ids;
    await world.call('PUT', `/api/v3/jobs/${gone}`, { token: alice, json: { action: 'stop' } });
    const end = await stream.find('its end', ({ data }) => data.job_id === gone && data.final === true);
    assert.equal(end.data.state, 'failed', 'a read of the job itself tells what it is doing');
    await eventually('there is room for one', async () => (await submit(world, alice, 'old-4')) !== 'undefined');
  });
});
