import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type FailoverDeps, runFailover } from '../../src/cli/failover.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createFailoverStore, type FailoverStore, livingReplicas } from '../../src/limits/index.ts';
import { createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { createGateway, type Gateway } from '../../src/server/index.ts';
import { createVovserver, type Vovserver } from '../../standin/vovserver/index.ts';
import { eventually } from '../world/eventually.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { configOf, createWorld, type World } from '../world/world.ts';

// Replicas on a real Redis and two servers of one queue; the ledgers of the servers are the witnesses.

let logfile = 0;
const newJob = () => ({ command: 'true', rundir: '/tmp', env: 'BASE', logfile: `moved-${++logfile}` });
const startServer = (): Promise<Vovserver> =>
  createVovserver({ transport: 'http', queueName: 'test', users: [{ name: 'alice', password: 'pw-alice' }] });
const posts = ({ ledger }: Vovserver): number => ledger.jobs.length;

describe('a planned failover', () => {
  let redis: RedisProcess;
  let former: Vovserver;
  let next: Vovserver;
  let world: World;
  let second: Gateway;
  let kv: KeyValue;
  let store: FailoverStore;
  let alice: string;
  let urls: string[];

  const submitTo = async (port: number) => {
    const answer = await world.call('POST', '/api/v3/jobs', { token: alice, json: newJob(), port });
    return { status: answer.status, body: (await answer.json()) as { code?: string; jobid?: number } };
  };
  const command = async (line: string, interrupted?: AbortSignal) => {
    let [out, err] = ['', ''];
    const deps: FailoverDeps = {
      clock: systemClock,
      createId: randomUUID,
      ...(interrupted === undefined ? {} : { interrupted }),
      open: async () => ({
        store,
        queues: [{ name: 'test', urls }],
        living: () => livingReplicas(kv, Date.now()),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    };
    const code = await runFailover(
      line.split(' '),
      deps,
      (text) => {
        out += text;
      },
      (text) => {
        err += text;
      },
    );
    return { code, out, err };
  };
  const goesTo = async (server: Vovserver, port: number): Promise<void> => {
    const made = posts(server);
    const { status, body } = await eventually('submissions go', async () => {
      const tried = await submitTo(port);
      return tried.status === 503 ? null : tried;
    });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(posts(server), made + 1);
  };

  before(async () => {
    [redis, former, next] = await Promise.all([startRedis(), startServer(), startServer()]);
    urls = [former.url, next.url];
    world = await createWorld({ config: { limits: { mode: 'off' } }, queue: { urls }, redisPort: redis.port });
    second = await createGateway(world.config, { version: 'test', report: world.gateway.report });
    if (world.config.redis === undefined) throw new Error('no redis');
    kv = createRedisKeyValue(world.config.redis, { clock: systemClock });
    await eventually('both replicas beat', async () => (await livingReplicas(kv, Date.now())).length === 2);
    store = createFailoverStore({ kv, clock: systemClock });
    alice = await world.token('alice');
  });
  after(async () => {
    await second[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await kv[Symbol.asyncDispose]();
    for (const server of [former, next]) await server[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });

  it('to a server that cannot be used changes nothing, says why and exits with 1', async () => {
    await next.stop();
    const { code, out, err } = await command('test --wait 1s');
    assert.equal(code, 1);
    assert.equal(out.match(/as before/g)?.length, 2, out);
    assert.match(err, /no replica switched; test stays where it was/);
    assert.equal(await store.choice('test'), null);
    assert.equal(await store.find('test'), null);
    await next.restart();
    for (const port of [world.gateway.port, second.port]) await goesTo(former, port);
  });

  it('lets a submission under way end on the former server, and no other go meanwhile', async () => {
    using _slow = former.addFault({ kind: 'delay', ms: 700, method: 'POST', path: '/jobs$', times: 1 });
    const made = [posts(former), posts(next)];
    const asked = former.ledger.requests.length;
    const underWay = submitTo(second.port);
    await eventually('it is under way', () => former.ledger.requests.length > asked);
    const moving = command(`test --to ${next.url} --json`);
    const refused = await eventually('submissions are held back', async () => {
      if ((await store.find('test')) === null) return null;
      const tried = await submitTo(second.port);
      return tried.status === 503 ? tried : null;
    });
    assert.equal(refused.body.code, 'GW_MAINTENANCE');
    assert.equal((await underWay).status, 200);
    const { code, out, err } = await moving;
    assert.deepEqual([code, err], [0, '']);
    const { chosen, replicas } = JSON.parse(out);
    assert.equal(chosen, next.url);
    assert.deepEqual(
      replicas.map(({ origin, unfinished }: { origin: string; unfinished: number }) => [origin, unfinished]),
      [
        [next.url, 0],
        [next.url, 0],
      ],
    );
    assert.ok(posts(former) >= (made[0] ?? 0) + 1);
    for (const port of [world.gateway.port, second.port]) await goesTo(next, port);
    assert.equal(posts(next), (made[1] ?? 0) + 2);
  });

  it('is followed by a replica that starts later', async () => {
    await using later = await createGateway(world.config, { version: 'test', report: world.gateway.report });
    await goesTo(next, later.port);
  });

  it('that one replica cannot follow is told, and that replica holds submissions back', async () => {
    const config = configOf({
      mode: 'development',
      server: { host: '127.0.0.1', port: 0, drain: { timeout: '2s' } },
      admin: { port: 0 },
      queues: [{ name: 'test', urls: [next.url], allowInsecure: true }],
      credentials: [{ type: 'file', dir: world.passwords }],
      redis: { nodes: [`127.0.0.1:${redis.port}`] },
      limits: { mode: 'off' },
    });
    await using narrow = await createGateway(
      { ...config, secrets: world.config.secrets },
      { version: 'test', report: world.gateway.report },
    );
    await eventually('it beats', async () => (await livingReplicas(kv, Date.now())).length >= 3);
    const { code, out, err } = await command(`test --to ${former.url} --wait 1s`);
    assert.equal(code, 1);
    assert.match(out, /no candidate/);
    assert.match(err, /did not switch to .*hold submissions back/s);
    const made = [posts(former), posts(next)];
    assert.equal((await submitTo(narrow.port)).body.code, 'GW_MAINTENANCE');
    assert.deepEqual([posts(former), posts(next)], made);
    await goesTo(former, second.port);
    const back = await command(`test --to ${next.url} --wait 1s`);
    assert.equal(back.code, 0, back.out + back.err);
    await goesTo(next, narrow.port);
  });

  it('that is interrupted frees submissions at once, and another one may follow', async () => {
    using _slow = next.addFault({ kind: 'delay', ms: 1500, method: 'POST', path: '/jobs$', times: 1 });
    const asked = next.ledger.requests.length;
    const underWay = submitTo(second.port);
    await eventually('it is under way', () => next.ledger.requests.length > asked);
    const stop = new AbortController();
    const moving = command(`test --to ${former.url} --wait 10m`, stop.signal);
    await eventually('the other replica has switched', async () => {
      const answers = await redis.command('keys', '*failover*');
      return (answers as string[]).some((key) => key.includes('}:') && !key.endsWith(':chosen'));
    });
    // It waits for no other replica, although the order stands.
    assert.notEqual(await store.find('test'), null);
    await goesTo(former, world.gateway.port);
    stop.abort();
    const { code, err } = await moving;
    assert.equal(code, 1);
    assert.match(err, /interrupted, the order was taken back: 1 of 2 replicas had not switched/);
    assert.equal(await store.find('test'), null);
    assert.equal((await underWay).status, 200);
    await goesTo(former, second.port);
    const back = await command(`test --to ${next.url} --wait 1s`);
    assert.equal(back.code, 0, back.out + back.err);
    assert.match(back.out, /The queue name of http:.* is not known yet: it is checked at the first login/);
    for (const port of [world.gateway.port, second.port]) await goesTo(next, port);
  });

  it('that is interrupted before any replica switched leaves everything, and another one begins at once', async () => {
    using _slow = next.addFault({ kind: 'delay', ms: 2500, method: 'POST', path: '/jobs$', times: 2 });
    const asked = next.ledger.requests.length;
    const underWay = [world.gateway.port, second.port].map((port) => submitTo(port));
    await eventually('both are under way', () => next.ledger.requests.length >= asked + 2);
    const stop = new AbortController();
    const moving = command(`test --to ${former.url} --wait 10m`, stop.signal);
    await eventually('submissions are held back', async () => (await submitTo(second.port)).status === 503);
    stop.abort();
    assert.match((await moving).err, /no replica had switched; test stays where it was/);
    const again = await command(`test --to ${next.url} --wait 1s`);
    assert.equal(again.code, 0, again.out + again.err);
    for (const { status } of await Promise.all(underWay)) assert.equal(status, 200);
    await goesTo(next, second.port);
  });

  it('is over for the store when the chosen server fails and another takes its place', async () => {
    assert.equal((await store.choice('test'))?.origin, next.url);
    await next.stop();
    await eventually('the former server answers', async () => {
      const answer = await world.call('GET', '/api/v3/project/1/project', { token: alice });
      await answer.arrayBuffer();
      return answer.status === 200;
    });
    await eventually('the choice is forgotten', async () => (await store.choice('test')) === null);
    await next.restart();
    await goesTo(former, world.gateway.port);
  });
});
