import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createControl, type Vovserver } from '../../standin/vovserver/index.ts';
import { type Client, createPair, submit } from './client.ts';

interface Bench extends AsyncDisposable {
  readonly client: Client;
  readonly server: Vovserver;
  ask(method: string, path: string, body?: unknown): Promise<{ status: number; value: Record<string, unknown> }>;
  list(path: string): Promise<Record<string, unknown>[]>;
}

async function createBench(options: Parameters<typeof createPair>[0] = {}): Promise<Bench> {
  const client = await createPair(options);
  const control = await createControl(client.server);
  const fetchJson = async (method: string, path: string, body?: unknown) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await fetch(control.url + path, { method, ...(body === undefined ? {} : { body: text }) });
    return { status: answer.status, value: (await answer.json()) as Record<string, unknown> };
  };
  return {
    client,
    server: client.server,
    ask: fetchJson,
    list: async (path) => (await fetchJson('GET', path)).value as unknown as Record<string, unknown>[],
    async [Symbol.asyncDispose]() {
      await control[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
    },
  };
}

describe('the control port', () => {
  it('shows the ledger, whole and since a number', async () => {
    await using bench = await createBench();
    await submit(bench.client, 'alice', 'a');
    const { seq, logins, requests, jobs } = (await bench.ask('GET', '/ledger')).value;
    assert.deepEqual(
      [logins, requests, jobs].map((list) => (list as unknown[]).length),
      [1, 2, 1],
    );
    assert.equal((await bench.list('/ledger/logins'))[0]?.user, 'alice');
    assert.equal((await bench.list('/ledger/jobs'))[0]?.command, 'sleep 30');
    assert.deepEqual(await bench.list(`/ledger/requests?since=${seq}`), []);
    await bench.client.as('alice', 'GET', '/api/v3/jobs/1');
    const later = await bench.list(`/ledger/requests?since=${seq}`);
    assert.deepEqual(
      later.map((entry) => entry.target),
      ['/api/v3/jobs/1'],
    );
    assert.deepEqual(await bench.list('/ledger/malformed'), []);
  });

  it('shows counters and the state of the server', async () => {
    await using bench = await createBench({ queueName: 'vnc_x' });
    await bench.client.login('alice');
    assert.equal((await bench.ask('GET', '/stats')).value.requests, 1);
    const { value } = await bench.ask('GET', '/');
    assert.equal(value.queueName, 'vnc_x');
    assert.equal(value.url, bench.server.url);
  });

  it('sets switches of the profile, and refuses unknown ones', async () => {
    await using bench = await createBench();
    const { value } = await bench.ask('PUT', '/profile', { submitStatus: 201, schedulerSuspended: true });
    assert.equal(value.submitStatus, 201);
    assert.equal(bench.server.profile.schedulerSuspended, true);
    const bad = await bench.ask('PUT', '/profile', { submitStatus: 202, nonsense: 1, jwtLifeMs: 'long', slots: -1 });
    assert.equal(bad.status, 400);
    for (const word of ['submitStatus', 'nonsense', 'jwtLifeMs', 'slots']) {
      assert.match(String(bad.value.error), new RegExp(`profile\\.${word}`));
    }
    assert.equal(bench.server.profile.submitStatus, 201);
  });

  it('sets faults, and refuses unknown ones', async () => {
    await using bench = await createBench();
    await bench.ask('PUT', '/faults', { serviceMs: 1, rules: [{ kind: 'answer', status: 503, path: '^/project' }] });
    assert.equal((await bench.client.call('GET', '/project')).status, 503);
    assert.equal((await bench.ask('GET', '/faults')).value.serviceMs, 1);
    assert.equal((await bench.ask('PUT', '/faults', { rules: [{ kind: 'nope' }] })).status, 400);
    await bench.ask('PUT', '/faults', { rules: [] });
    assert.equal((await bench.client.call('GET', '/project')).status, 200);
  });

  it('sets users and rules', async () => {
    await using bench = await createBench();
    const { value } = await bench.ask('PUT', '/users', { users: { carol: 'secret' } });
    assert.deepEqual(value.users, ['carol']);
    assert.ok(await bench.client.login('carol', 'secret'));
    await assert.rejects(bench.client.login('alice'));
    const users = { carol: 'secret' };
    await bench.ask('PUT', '/users', { users, rules: [{ user: 'carol', level: 'USER', host: '10.9.9.9' }] });
    await assert.rejects(bench.client.login('carol', 'secret'));
    assert.equal((await bench.ask('PUT', '/users', { users: { carol: 1 } })).status, 400);
    assert.equal((await bench.ask('PUT', '/users', {})).status, 400);
  });

  it('moves the clock', async () => {
    await using bench = await createBench({ profile: { jwtLifeMs: 20_000 } });
    assert.equal((await bench.client.as('alice', 'GET', '/api/v3/project/1')).status, 200);
    await bench.ask('POST', '/clock', { advanceMs: 20_000 });
    assert.equal((await bench.client.as('alice', 'GET', '/api/v3/project/1')).status, 401);
    assert.equal((await bench.ask('POST', '/clock', {})).status, 400);
    assert.equal((await bench.ask('POST', '/clock', { advanceMs: -1 })).status, 400);
  });

  it('rotates the certificate', async () => {
    await using bench = await createBench({ transport: 'https-ca' });
    const before = bench.server.pin;
    const { value } = await bench.ask('POST', '/certificate', {});
    assert.equal(value.spkiPin, bench.server.pin);
    assert.notEqual(value.spkiPin, before);
    await bench.ask('POST', '/certificate', { validity: 'expired', restart: true });
    await assert.rejects(bench.client.login('alice'), { code: 'CERT_HAS_EXPIRED' });
    await using plain = await createBench();
    assert.equal((await plain.ask('POST', '/certificate', {})).status, 400);
  });

  it('stops and starts the server, on another port if need be', async () => {
    await using bench = await createBench();
    const { url } = bench.server;
    await bench.ask('POST', '/stop');
    await assert.rejects(fetch(`${url}/project`));
    assert.equal((await bench.ask('POST', '/restart')).value.url, url);
    assert.equal((await fetch(`${url}/project`)).status, 200);
    const moved = (await bench.ask('POST', '/restart', { port: 0 })).value.url;
    assert.notEqual(moved, url);
    assert.equal((await fetch(`${moved}/project`)).status, 200);
  });

  it('refuses a certificate or a restart that cannot be meant', async () => {
    await using bench = await createBench({ transport: 'https-ca' });
    const { pin, port } = bench.server;
    const bad = await bench.ask('POST', '/certificate', { validity: 'never', hosts: [], colour: 'red' });
    assert.equal(bad.status, 400);
    for (const word of ['validity', 'hosts', 'colour'])
      assert.match(String(bad.value.error), new RegExp(`^${word}:`, 'm'));
    assert.equal((await bench.ask('POST', '/restart', { port: -1 })).status, 400);
    assert.equal((await bench.ask('POST', '/restart', { jobs: 'gone' })).status, 400);
    assert.deepEqual([bench.server.pin, bench.server.port], [pin, port]);
  });

  it('resets everything but the JWTs', async () => {
    await using bench = await createBench({ profile: { submitStatus: 201, jobIdType: 'string' } });
    await bench.client.as('alice', 'POST', '/api/v3/jobs', { command: 'x', logfile: 'l', rundir: '/', env: 'BASE' });
    await bench.ask('PUT', '/profile', { submitStatus: 200 });
    await bench.ask('PUT', '/faults', { rules: [{ kind: 'hang' }] });
    await bench.ask('PUT', '/users', { users: {} });
    await bench.ask('POST', '/reset');
    assert.equal(bench.server.profile.submitStatus, 201);
    assert.deepEqual(bench.server.faults.rules, []);
    assert.equal(bench.server.ledger.requests.length, 0);
    assert.equal(bench.server.jobs.size, 0);
    assert.equal(bench.server.stats.requests, 0);
    assert.equal((await bench.client.as('alice', 'GET', '/api/v3/project/1')).status, 200);
    assert.ok(await bench.client.login('bob'));
  });

  it('hands its jobs to another server, which goes on with them and their numbers', async () => {
    await using bench = await createBench();
    await using other = await createBench();
    const job = { command: 'sleep 30', logfile: 'l', rundir: '/', env: 'BASE' };
    const first = await bench.client.as('alice', 'POST', '/api/v3/jobs', job);
    const { value } = await bench.ask('GET', '/jobs');
    assert.deepEqual((await other.ask('PUT', '/jobs', value)).value, { jobs: 1 });
    const second = await other.client.as('alice', 'POST', '/api/v3/jobs', { ...job, logfile: 'm' });
    const [a, b] = [...other.server.jobs.all()];
    assert.deepEqual([a?.id, a?.user, a?.logfile], [first.json().jobid, 'alice', 'l']);
    assert.equal(b?.id, second.json().jobid);
    assert.ok(Number(b?.id) > Number(a?.id));
    assert.equal((await other.ask('PUT', '/jobs', { nextId: 1, jobs: [{ id: 'x' }] })).status, 400);
  });

  it('answers an unknown verb with the list of verbs, and bad JSON with 400', async () => {
    await using bench = await createBench();
    const unknown = await bench.ask('GET', '/nonsense');
    assert.equal(unknown.status, 404);
    assert.ok((unknown.value.verbs as string[]).includes('GET /ledger'));
    assert.equal((await bench.ask('DELETE', '/ledger')).status, 404);
    assert.equal((await bench.ask('PUT', '/profile', '{"a":')).status, 400);
    assert.equal((await bench.ask('PUT', '/profile', '[]')).status, 400);
  });
});
