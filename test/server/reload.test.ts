import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Config } from '../../src/config/index.ts';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

const READ = '/api/v3/project/1/version';
const JOB = { command: 'true', logfile: 'L', rundir: '/tmp', env: 'BASE' };

describe('reload of the configuration', () => {
  let world: World;
  let token: string;
  before(async () => {
    world = await createWorld();
    token = await world.token('alice');
  });
  after(() => world[Symbol.asyncDispose]());

  const reload = (change: Partial<Config>): void => world.gateway.reload({ ...world.config, ...change });
  const call = async (path = READ, method = 'GET', json?: unknown) => {
    const answer = await world.call(method, path, { token, ...(json === undefined ? {} : { json }) });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  };

  it('limits change at once, and back', async () => {
    const all = { requests: 2, window: 3_600_000 };
    reload({ limits: { ...world.config.limits, identity: { all } } });
    const statuses = [(await call()).status, (await call()).status, (await call()).status];
    assert.equal(statuses[2], 429);
    assert.match((await call()).headers.get('ratelimit-policy') ?? '', /q=2;w=3600/);
    reload({ limits: { ...world.config.limits, mode: 'off' } });
    assert.equal((await call()).status, 200);
  });

  it('identity rules change at once', async () => {
    reload({
      limits: { ...world.config.limits, mode: 'off' },
      identity: { ...world.config.identity, groups: {}, rules: [] },
    });
    const denied = await call();
    assert.equal(denied.status, 403);
    assert.equal(JSON.parse(denied.text).code, 'GW_NO_ACCOUNT');
    const toBob = [{ match: { user: 'alice' }, account: 'bob' }];
    reload({
      limits: { ...world.config.limits, mode: 'off' },
      identity: { ...world.config.identity, groups: {}, rules: toBob },
    });
    assert.equal((await call()).status, 200);
    assert.equal(world.vovserver.ledger.requests.findLast(({ target }) => target === READ)?.account, 'bob');
    reload({ limits: { ...world.config.limits, mode: 'off' } });
  });

  it('routes open at once', async () => {
    assert.equal((await call('/api/v3/sets/1', 'POST', {})).status, 403);
    const extraRoutes = [{ method: 'POST' as const, template: '/api/v3/sets/{id}', class: 'control' as const }];
    reload({ access: { extraRoutes } });
    assert.equal((await call('/api/v3/sets/1', 'POST', {})).status, 404, 'vovserver’s own answer');
    reload({ limits: { ...world.config.limits, mode: 'off' } });
    assert.equal((await call('/api/v3/sets/1', 'POST', {})).status, 403);
  });

  it('the URL of a queue changes at once, and running calls end on the old one', async () => {
    using _slow = world.vovserver.addFault({ kind: 'delay', ms: 200, account: 'alice' });
    const running = call('/api/v3/jobs', 'POST', JOB);
    await eventually('the call is at vovserver', () => world.vovserver.stats.inFlight === 1);
    const queues = world.config.queues.map((queue) => ({ ...queue, urls: ['http://127.0.0.1:9'] }));
    reload({ queues });
    const moved = await call();
    assert.equal(moved.status, 503);
    assert.equal(JSON.parse(moved.text).code, 'GW_UPSTREAM_DOWN');
    assert.equal((await running).status, 200);
    reload({});
    assert.equal((await call()).status, 200);
  });

  it('what is bound at start keeps its value', async () => {
    const { port } = world.gateway;
    const server = { ...world.config.server, port: 1, limits: { ...world.config.server.limits, urlBytes: 20 } };
    reload({ server });
    assert.equal(world.gateway.port, port);
    assert.equal((await call('/api/v3/project/1/version?format=json')).status, 200);
  });

  it('faults of the file show in readiness until it is good again, and the last good one stays in use', async () => {
    const ready = async (): Promise<string> =>
      (await fetch(`http://127.0.0.1:${world.gateway.adminPort}/readyz?verbose`)).text();
    world.gateway.configFaults(3);
    assert.match(await ready(), /^degraded/);
    assert.match(await ready(), /config\tthe file has 3 faults; the last good one is in use/);
    assert.equal((await call()).status, 200);
    reload({});
    assert.match(await ready(), /config\tas in the file/);
  });

  it('tokens that were made before go on', async () => {
    reload({});
    assert.equal((await call()).status, 200);
    assert.equal(world.vovserver.ledger.logins.filter(({ user }) => user === 'alice').length, 1);
  });
});

describe('a reload that cannot be put into effect', () => {
  it('changes nothing, not even what comes before the part that failed', async () => {
    await using world = await createWorld();
    const token = await world.token('alice');
    const [queue] = world.config.queues;
    assert.ok(queue);
    const broken = { ...queue, urls: ['https://127.0.0.1:1'], tls: { ...queue.tls, caFile: '/nowhere/ca.pem' } };
    const rules = [{ match: { user: 'alice' }, account: 'bob' }];
    assert.throws(() =>
      world.gateway.reload({
        ...world.config,
        queues: [broken],
        identity: { ...world.config.identity, groups: {}, rules },
      }),
    );
    const answer = await world.call('POST', '/api/v3/jobs', { token, json: JOB });
    assert.equal(answer.status, 200);
    assert.equal(world.vovserver.ledger.jobs.at(-1)?.user, 'alice');
  });
});
