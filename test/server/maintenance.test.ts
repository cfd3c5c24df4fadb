import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/kernel/index.ts';
import { createMaintenanceStore, type MaintenanceStore } from '../../src/limits/index.ts';
import { createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { createGateway } from '../../src/server/index.ts';
import { eventually } from '../world/eventually.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { createWorld, type World } from '../world/world.ts';

// A whole gateway on a real Redis while its queue is frozen, with the ledger of the stand-in as the witness.

const HOUR = 3_600_000;
let logfile = 0;
const newJob = () => ({ command: 'true', rundir: '/tmp', env: 'BASE', logfile: `frozen-${++logfile}` });

interface Problem {
  readonly code?: string;
  readonly detail?: string;
  readonly jobid?: number;
}

describe('a frozen queue', () => {
  let redis: RedisProcess;
  let world: World;
  let kv: KeyValue;
  let store: MaintenanceStore;
  let alice: string;
  let until: number;
  let jobId: number;
  const jobs = (): number => world.vovserver.ledger.jobs.length;
  const call = async (method: string, path: string, json?: object, headers: Record<string, string> = {}) => {
    const answer = await world.call(method, path, { token: alice, headers, ...(json === undefined ? {} : { json }) });
    const text = await answer.text();
    const body: Problem = text.startsWith('{') ? JSON.parse(text) : {};
    return { status: answer.status, headers: answer.headers, body };
  };
  const submit = (headers: Record<string, string> = {}, job: object = newJob()) =>
    call('POST', '/api/v3/jobs', job, headers);
  const ready = async (port: number) => {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz?verbose`);
    return { status: answer.status, text: await answer.text() };
  };
  const keyed = newJob();

  before(async () => {
    redis = await startRedis();
    world = await createWorld({ config: { limits: { mode: 'off' } }, redisPort: redis.port });
    if (world.config.redis === undefined) throw new Error('no redis');
    kv = createRedisKeyValue(world.config.redis, { clock: systemClock });
    await eventually('the store answers', async () => {
      await kv.ping();
      return true;
    });
    store = createMaintenanceStore({ kv, clock: systemClock });
    alice = await world.token('alice');
    jobId = Number((await submit({ 'idempotency-key': 'before' }, keyed)).body.jobid);
    until = Date.now() + HOUR;
    await store.start('test', until, 'new disks');
    await eventually('the freeze is known', async () =>
      (await ready(world.gateway.adminPort)).text.includes('maintenance'),
    );
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await kv[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });

  it('takes no submission: 503 with the announced end as an HTTP date, and nothing reaches vovserver', async () => {
    const made = jobs();
    const { status, headers, body } = await submit();
    assert.equal(status, 503);
    assert.equal(body.code, 'GW_MAINTENANCE');
    assert.match(body.detail ?? '', /held back, until .+Z: new disks\. Reads and kills go on\.$/);
    const retryAfter = headers.get('retry-after') ?? '';
    assert.equal(new Date(retryAfter).toUTCString(), retryAfter, 'an HTTP date (RFC 9110, 5.6.7)');
    assert.ok(Math.abs(Date.parse(retryAfter) - until) <= 1000);
    assert.equal(jobs(), made);
  });

  it('takes no change of a job, since that may start it anew', async () => {
    const { status, body } = await call('PATCH', `/api/v3/jobs/${jobId}`, { priority: 2 });
    assert.deepEqual([status, body.code], [503, 'GW_MAINTENANCE']);
    assert.ok(!world.vovserver.ledger.requests.some(({ method }) => method === 'PATCH'));
  });

  it('goes on with reads and kills', async () => {
    assert.equal((await call('GET', `/api/v3/jobs/${jobId}`)).status, 200);
    assert.equal((await call('GET', '/api/v3/query?select=id&from=jobs&limit=5')).status, 200);
    const killed = await call('PUT', `/api/v3/jobs/${jobId}`, { action: 'stop' });
    assert.notEqual(killed.status, 503);
    assert.ok(world.vovserver.ledger.requests.some(({ method }) => method === 'PUT'));
  });

  it('answers a dry run', async () => {
    assert.equal((await submit({ 'x-dry-run': 'true' })).status, 200);
  });

  it('answers what was submitted before from its record, and sends nothing under a new key', async () => {
    const made = jobs();
    const replayed = await submit({ 'idempotency-key': 'before' }, keyed);
    assert.deepEqual([replayed.status, replayed.headers.get('idempotent-replayed')], [200, 'true']);
    const refused = await submit({ 'idempotency-key': 'during' });
    assert.deepEqual([refused.status, refused.body.code], [503, 'GW_MAINTENANCE']);
    assert.ok(Date.parse(refused.headers.get('retry-after') ?? '') > Date.now());
    assert.equal(jobs(), made);
  });

  it('is degraded, not unready, and shows in the metric and the log', async () => {
    const { status, text } = await ready(world.gateway.adminPort);
    assert.equal(status, 200);
    assert.match(text, /maintenance:test.*held back, until .*new disks/);
    const metrics = await (await fetch(`http://127.0.0.1:${world.gateway.adminPort}/metrics`)).text();
    assert.match(metrics, /^vovgw_maintenance\{queue="test"\} 1$/m);
    assert.ok(world.log.some((line) => line.includes('maintenance_began') && line.includes('new disks')));
  });

  it('is frozen from the first request of a replica that starts later', async () => {
    const job = JSON.stringify(newJob());
    await using later = await createGateway(world.config, { version: 'test', report: world.gateway.report });
    const headers = { authorization: `Bearer ${alice}`, 'content-type': 'application/json' };
    const url = `http://127.0.0.1:${later.port}/api/v3/jobs`;
    const answer = await fetch(url, { method: 'POST', headers, body: job });
    assert.equal(((await answer.json()) as Problem).code, 'GW_MAINTENANCE');
  });

  it('goes on when maintenance is stopped, also with the key that was refused', async () => {
    const key = { 'idempotency-key': 'after' };
    const job = newJob();
    assert.equal((await submit(key, job)).body.code, 'GW_MAINTENANCE');
    assert.equal(await store.stop('test'), true);
    const answer = await eventually('submissions go', async () => {
      const tried = await submit(key, job);
      return tried.status === 503 ? null : tried;
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('idempotent-replayed'), null);
    assert.ok(!(await ready(world.gateway.adminPort)).text.includes('maintenance'));
    assert.ok(world.log.some((line) => line.includes('maintenance_ended')));
  });
});
