import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { GatewayError, Secret } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createUpstream } from '../../src/upstream/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createRawServer, createRig, createToldReport, queueOf, type RawServer, reply, tokenOf } from './rig.ts';

// A candidate that people chose for the queue, and that knows some accounts only.

const NAME_PATH = '/api/v3/project/1/project';
const unauthorized = (socket: Socket): void => reply(socket, '{"error":"no"}', '401 Unauthorized');
const urlOf = ({ port }: RawServer): string => `http://127.0.0.1:${port}`;
const CHECK = { checkName: true };

/** Sells JWTs to `users` and tells its name for one of them. */
function createServer(users: readonly string[], name = 'night'): Promise<RawServer> {
  return createRawServer((socket, { method, target, headers, body }) => {
    if (method === 'POST' && target === '/api/v3/token') {
      const user = new URLSearchParams(body.toString()).get('username') ?? '';
      if (!users.includes(user)) return unauthorized(socket);
      return reply(socket, JSON.stringify({ token_type: 'Bearer', access_token: `${name}-${user}` }));
    }
    const user = headers.get('authorization')?.split('-').at(-1) ?? '';
    if (!users.includes(user)) return unauthorized(socket);
    reply(socket, target === NAME_PATH ? JSON.stringify({ errmsg: '', rows: [[name]] }) : '{"row":1}');
  });
}

const accountsGivenTo = ({ requests }: RawServer): string[] =>
  requests
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => new URLSearchParams(body.toString()).get('username') ?? '');

/** A queue that was moved from a server that knows everybody to one that knows `users`. */
async function createScene(users: readonly string[], options: { name?: string; deadFormer?: boolean } = {}) {
  const former = await createServer(['alice', 'bob', 'carol']);
  const chosen = await createServer(users, options.name);
  const clock = createManualClock();
  const kv = createMemoryKeyValue({ clock });
  const queues = [queueOf([urlOf(former), urlOf(chosen)], CHECK)];
  const replicas = [1, 2].map(() => {
    const report = createToldReport();
    return { report, upstream: createUpstream({ queues, report, clock, kv }) };
  });
  await clock.advance(0);
  const [one, two] = replicas;
  if (one === undefined || two === undefined) throw new Error('no replicas');
  if (options.deadFormer === true) await former[Symbol.asyncDispose]();
  for (const { upstream } of replicas) {
    assert.deepEqual(await upstream.switchTo('night', urlOf(chosen)), { origin: urlOf(chosen), unnamed: true });
  }
  const login = (account: string, upstream = one.upstream) =>
    upstream.login('night', account, new Secret(`pw of ${account}`));
  return {
    ...{ former, chosen, clock, one, two, login },
    async [Symbol.asyncDispose]() {
      for (const { upstream } of replicas) await upstream[Symbol.asyncDispose]();
      await kv[Symbol.asyncDispose]();
      if (options.deadFormer !== true) await former[Symbol.asyncDispose]();
      await chosen[Symbol.asyncDispose]();
    },
  };
}

const codeOf = (answer: Awaited<ReturnType<ReturnType<typeof createUpstream>['login']>>): string =>
  answer.kind === 'failed' ? answer.error.code : answer.kind;

describe('a server that people chose', () => {
  for (const deadFormer of [false, true]) {
    it(`stays when it does not know some accounts; their error is theirs alone${deadFormer ? ', with no other server' : ''}`, async () => {
      await using scene = await createScene(['alice'], { deadFormer });
      for (const account of ['carol', 'bob', 'carol']) {
        assert.equal(codeOf(await scene.login(account)), 'GW_CREDENTIAL_UNAVAILABLE');
        const [status] = scene.one.upstream.status();
        assert.deepEqual([status?.url, status?.state], [urlOf(scene.chosen), 'up']);
      }
      assert.deepEqual(accountsGivenTo(scene.chosen), ['carol', 'bob'], 'a rejected one is not sent again');
      assert.equal(codeOf(await scene.login('alice')), 'ok');
      // It is known now, and judges passwords.
      assert.equal(codeOf(await scene.login('carol')), 'rejected');
      assert.equal(scene.one.upstream.status()[0]?.url, urlOf(scene.chosen));
      assert.deepEqual(
        scene.one.report.told.log.filter(({ fields }) => fields.event === 'upstream_outage'),
        [],
      );
    });
  }

  it('keeps the calls of others, though their callers waited for the one that failed', async () => {
    await using former = await createServer(['alice', 'carol']);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using chosen = await createRawServer(async (socket, { method, target, headers }) => {
      if (method === 'POST') return void held.then(() => unauthorized(socket));
      if (headers.get('authorization') !== 'Bearer:jwt-alice') return unauthorized(socket);
      reply(socket, target === NAME_PATH ? '{"errmsg":"","rows":[["night"]]}' : '{"row":1}');
    });
    const known: { login: (account: string) => Promise<never> } = { login: () => Promise.reject(new Error('not yet')) };
    const credential = (account: string) => ({
      get: () => tokenOf(`jwt-${account}`),
      renew: () => known.login(account),
    });
    await using rig = await createRig({ queues: [queueOf([urlOf(former), urlOf(chosen)], CHECK)], credential });
    known.login = async (account) => {
      const answer = await rig.upstream.login('night', account, new Secret('pw'));
      throw answer.kind === 'failed' ? answer.error : new Error(answer.kind);
    };
    await rig.upstream.switchTo('night', urlOf(chosen));
    const carol = rig.call({ account: 'carol' });
    await eventually('the login of carol is under way', () => accountsGivenTo(chosen).length === 1);
    const alice = rig.call({ account: 'alice' });
    await new Promise((resolve) => setImmediate(resolve));
    release();
    assert.equal((await carol).code, 'GW_CREDENTIAL_UNAVAILABLE');
    assert.equal((await alice).status, 200);
    assert.equal(rig.upstream.status()[0]?.url, urlOf(chosen));
  });

  it('gets the passwords of five accounts at most, then rests for a while, for every replica; and nobody moves', async () => {
    await using scene = await createScene(['alice']);
    for (let nth = 0; nth < 5; nth += 1) {
      assert.equal(codeOf(await scene.login(`user${nth}`)), 'GW_CREDENTIAL_UNAVAILABLE');
    }
    await scene.clock.advance(0);
    for (const { upstream } of [scene.one, scene.two]) {
      const answer = await scene.login('alice', upstream);
      assert.ok(answer.kind === 'failed' && answer.error.code === 'GW_UPSTREAM_DOWN', JSON.stringify(answer));
      assert.equal(answer.error.retryAfter, 20);
      const [status] = upstream.status();
      assert.deepEqual([status?.url, status?.state], [urlOf(scene.chosen), 'down']);
      assert.match(status?.detail ?? '', /has not told its queue name/);
    }
    assert.equal(accountsGivenTo(scene.chosen).length, 5);
    const errors = scene.one.report.told.log.filter(({ level }) => level === 'error');
    assert.deepEqual(
      errors.map(({ fields }) => [fields.event, fields.host]),
      [['upstream_unnamed', urlOf(scene.chosen)]],
    );
    assert.match(String(errors[0]?.fields.reason), /does not know several accounts/);
    await scene.clock.advance(20_000);
    for (const { upstream } of [scene.one, scene.two]) {
      assert.equal(codeOf(await scene.login('alice', upstream)), 'ok');
      assert.equal(upstream.status()[0]?.state, 'up');
    }
  });

  it('that knows nobody gets fewer and fewer passwords', async () => {
    await using scene = await createScene([]);
    for (let nth = 0; nth < 600; nth += 1) {
      await scene.login(`user${nth}`);
      await scene.clock.advance(1000);
    }
    // Rests of 20, 40, 80, 160 and 300 s within ten minutes.
    assert.equal(accountsGivenTo(scene.chosen).length, 25);
    assert.equal(scene.one.upstream.status()[0]?.url, urlOf(scene.chosen));
  });

  it('is left, with an error in the log, when it gives another name', async () => {
    await using scene = await createScene(['bob'], { name: 'day' });
    assert.equal(codeOf(await scene.login('carol')), 'GW_CREDENTIAL_UNAVAILABLE');
    assert.equal(codeOf(await scene.login('bob')), 'ok');
    assert.equal(scene.one.upstream.status()[0]?.url, urlOf(scene.former));
    const errors = scene.one.report.told.log.filter(({ level }) => level === 'error').map(({ fields }) => fields.event);
    assert.deepEqual(errors, ['wrong_queue', 'upstream_candidate']);
    assert.deepEqual(accountsGivenTo(scene.chosen), ['carol', 'bob']);
  });

  it('is left, with an error in the log, when it fails; and is no chosen one after that', async () => {
    await using scene = await createScene([]);
    const { port } = scene.chosen;
    await scene.chosen[Symbol.asyncDispose]();
    assert.equal(codeOf(await scene.login('alice')), 'ok');
    assert.equal(scene.one.upstream.status()[0]?.url, urlOf(scene.former));
    const errors = scene.one.report.told.log.filter(({ level }) => level === 'error').map(({ fields }) => fields.event);
    assert.deepEqual(errors, ['upstream_candidate']);
    await scene.former[Symbol.asyncDispose]();
    await using again = await createRawServer((socket) => unauthorized(socket), undefined, port);
    await scene.clock.advance(10_000);
    for (let nth = 0; nth < 8; nth += 1) await scene.login(`user${nth}`);
    assert.equal(accountsGivenTo(again).length, 2);
    assert.equal(scene.one.upstream.status()[0]?.state, 'down', 'nobody may go there, though it answers');
    const late = await scene.login('alice');
    assert.ok(late.kind === 'failed' && (late.error.retryAfter ?? 0) <= 24, JSON.stringify(late));
    assert.match(late.error instanceof GatewayError ? late.error.detail : '', /has not told its queue name/);
  });

  it('stays the chosen one over a reload', async () => {
    await using former = await createServer(['alice']);
    await using chosen = await createServer([]);
    const urls = [urlOf(former), urlOf(chosen)];
    const report = createToldReport();
    await using upstream = createUpstream({ queues: [queueOf(urls, CHECK)], report, clock: createManualClock() });
    await upstream.switchTo('night', urlOf(chosen));
    upstream.updateQueues([queueOf(urls, { ...CHECK, timeouts: { total: '10s' } })]);
    for (const account of ['x', 'y', 'z']) await upstream.login('night', account, new Secret('pw'));
    assert.equal(upstream.status()[0]?.url, urlOf(chosen));
    assert.equal(accountsGivenTo(chosen).length, 3);
  });
});
