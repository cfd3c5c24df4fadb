import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { GatewayError, Secret } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createUpstream, type LoginAnswer, type UpstreamHandle } from '../../src/upstream/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import {
  countingCredential,
  createRawServer,
  createRig,
  createToldReport,
  queueOf,
  type RawHandler,
  type RawRequest,
  type RawServer,
  type Rig,
  reply,
  tokenOf,
  until,
} from './rig.ts';

const NAME_PATH = '/api/v3/project/1/project';
const named = (name: string): string => JSON.stringify({ errmsg: '', rows: [[name]] });
const unauthorized = (socket: Socket): void => reply(socket, '{"error":"no"}', '401 Unauthorized');

/** A vovserver of this queue: tells its name to whoever has one of its JWTs, sells them to `users`, and answers calls. */
function vovserver(
  queue: string,
  jwt: string,
  users: readonly string[] = ['alice', 'bob', 'carol', 'dave'],
): RawHandler {
  return (socket, { method, target, headers, body }) => {
    if (method === 'POST' && target === '/api/v3/token') {
      const user = new URLSearchParams(body.toString()).get('username') ?? '';
      if (!users.includes(user)) return unauthorized(socket);
      return reply(socket, JSON.stringify({ token_type: 'Bearer', access_token: `${jwt}-${user}` }));
    }
    if (headers.get('authorization')?.startsWith(`Bearer:${jwt}-`) !== true) return unauthorized(socket);
    reply(socket, target === NAME_PATH ? named(queue) : JSON.stringify({ served: jwt }));
  };
}

/** The same without any login for the name. */
const open =
  (queue: string): RawHandler =>
  (socket, { target }) =>
    reply(socket, target === NAME_PATH ? named(queue) : '{"row":1}');

const isCall = ({ target }: RawRequest): boolean => target !== NAME_PATH && target !== '/api/v3/token';
const isLogin = ({ target }: RawRequest): boolean => target === '/api/v3/token';
const calls = ({ requests }: RawServer): number => requests.filter(isCall).length;
const logins = ({ requests }: RawServer): number => requests.filter(isLogin).length;
const urlOf = ({ port }: RawServer): string => `http://127.0.0.1:${port}`;

/** Ports on which nobody listens. */
async function deadUrls(count: number): Promise<string[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => createRawServer(() => undefined)));
  for (const server of servers) await server[Symbol.asyncDispose]();
  return servers.map(urlOf);
}

const CHECK = { checkName: true };
const FAST = { ...CHECK, failover: { probe: '30ms' } };

/** Credentials that log in at the upstream itself, as the broker does; a JWT is tried at any server. */
function brokered(upstream: () => UpstreamHandle) {
  const held = new Map<string, ReturnType<typeof tokenOf>>();
  return (account: string) => {
    const buy = async () => {
      const answer = await upstream().login('night', account, new Secret(`pw of ${account}`));
      if (answer.kind === 'failed') throw answer.error;
      if (answer.kind === 'rejected') throw new GatewayError('GW_CREDENTIAL_UNAVAILABLE', 'rejected');
      const token = tokenOf(answer.accessToken.reveal());
      held.set(account, token);
      return token;
    };
    return { get: () => held.get(account) ?? buy(), renew: buy };
  };
}

async function createBrokeredRig(urls: string[], more: object = FAST): Promise<Rig> {
  const known: { rig: Rig | null } = { rig: null };
  const credential = brokered(() => {
    if (known.rig === null) throw new Error('not yet');
    return known.rig.upstream;
  });
  known.rig = await createRig({ queues: [queueOf(urls, more)], credential });
  return known.rig;
}

describe('an outage', () => {
  it('is answered at once, without another look at any candidate, and ends with the first server that is back', async () => {
    const [a = '', b = ''] = await deadUrls(2);
    const clock = createManualClock();
    await using rig = await createRig({ queues: [queueOf([a, b])], clock });
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.call()));
    assert.deepEqual(new Set(answers.map(({ code }) => code)), new Set(['GW_UPSTREAM_DOWN']));
    await using back = await createRawServer((socket) => reply(socket, '{}'), undefined, Number(new URL(b).port));
    for (let nth = 0; nth < 20; nth += 1) assert.equal((await rig.call({ method: 'POST', body: '{}' })).status, 503);
    assert.equal(back.accepted, 0);
    await clock.advance(1500);
    await until(() => back.accepted > 0);
    await until(() => rig.upstream.status()[0]?.url === b);
    assert.equal((await rig.call({ method: 'POST', body: '{}' })).status, 200);
  });

  it('tells what is left of it, and that the destination is not available', async () => {
    const [a = ''] = await deadUrls(1);
    const clock = createManualClock();
    await using rig = await createRig({ queues: [queueOf(a, { failover: { expected: '100s' } })], clock });
    const seconds: number[] = [];
    for (const wait of [0, 60_000, 60_000]) {
      await clock.advance(wait);
      await rig.call();
      const error = rig.errors.at(-1);
      assert.equal(error?.headers['Proxy-Status'], 'vovgw; error=destination_unavailable');
      seconds.push(error?.retryAfter ?? 0);
    }
    const [first = 0, second = 0, overdue = 0] = seconds;
    assert.ok(
      first >= 100 && first <= 116 && second >= 40 && second <= 47 && overdue >= 3 && overdue <= 8,
      `${seconds}`,
    );
  });

  it('ends when a server is back, and tells the same rest, though the clock was set', async () => {
    for (const step of [-3_600_000, 3_600_000]) {
      const [a = ''] = await deadUrls(1);
      const clock = createManualClock();
      await using rig = await createRig({ queues: [queueOf(a, { failover: { expected: '100s' } })], clock });
      await rig.call();
      clock.step(step);
      await clock.advance(60_000);
      await rig.call();
      const seconds = rig.errors.at(-1)?.retryAfter ?? 0;
      assert.ok(seconds >= 40 && seconds <= 47, `${seconds}`);
      await using _back = await createRawServer((socket) => reply(socket, '{}'), undefined, Number(new URL(a).port));
      await clock.advance(20_000);
      await eventually('it is found', async () => (await rig.call()).status === 200);
    }
  });

  it('is waited for by a read that wants to, and by nothing else', async () => {
    const [a = ''] = await deadUrls(1);
    const clock = createManualClock();
    const report = createToldReport();
    await using upstream = createUpstream({ queues: [queueOf(a)], report, clock });
    const signal = new AbortController().signal;
    const call = (method: string, waitMs: number) =>
      ({
        queue: 'night',
        account: 'x',
        method,
        target: '/',
        route: '/',
        class: 'read',
        rawHeaders: [],
        body: { kind: 'none' },
        requestId: '',
        traceparent: '',
        signal,
        waitMs,
      }) as const;
    assert.equal(upstream.admit(call('GET', 0)), undefined, 'nothing is known yet');
    await upstream.login('night', 'x', new Secret('y'));
    await assert.rejects(async () => await upstream.admit(call('GET', 0)), /GW_UPSTREAM_DOWN/);
    await assert.rejects(async () => await upstream.admit(call('POST', 60_000)), /GW_UPSTREAM_DOWN/);
    const late = assert.rejects(async () => await upstream.admit(call('GET', 2000)), /GW_UPSTREAM_DOWN/);
    const patient = upstream.admit(call('GET', 60_000));
    await clock.advance(2000);
    await late;
    await using _back = await createRawServer((socket) => reply(socket, '{}'), undefined, Number(new URL(a).port));
    await clock.advance(10_000);
    await patient;
    assert.equal(upstream.admit(call('GET', 0)), undefined);
  });

  it('is looked through at once for a kill', async () => {
    const [a = '', b = ''] = await deadUrls(2);
    const clock = createManualClock();
    await using upstream = createUpstream({ queues: [queueOf([a, b])], report: createToldReport(), clock });
    const signal = new AbortController().signal;
    const kill = {
      queue: 'night',
      account: 'x',
      method: 'PUT',
      target: '/',
      route: '/',
      class: 'control',
      rawHeaders: [],
      body: { kind: 'none' },
      requestId: '',
      traceparent: '',
      signal,
    } as const;
    await upstream.login('night', 'x', new Secret('y'));
    await clock.advance(300);
    await assert.rejects(async () => await upstream.admit(kill), /GW_UPSTREAM_DOWN/);
    await using _back = await createRawServer((socket) => reply(socket, '{}'), undefined, Number(new URL(b).port));
    await clock.advance(300);
    await assert.rejects(async () => await upstream.admit({ ...kill, class: 'read' }), /GW_UPSTREAM_DOWN/);
    await upstream.admit(kill);
    assert.equal(upstream.status()[0]?.url, b);
  });

  it('does not begin when only one connection failed', async () => {
    let broken = 0;
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(urlOf(server))] });
    assert.equal((await rig.call()).status, 200);
    for (const socket of server.sockets) socket.destroy();
    for (let nth = 0; nth < 5; nth += 1) if ((await rig.call()).status !== 200) broken += 1;
    assert.equal(broken, 0);
    assert.ok(rig.told.log.every(({ fields }) => fields.event !== 'upstream_outage'));
  });

  it('turns a read that was lost with its server into an answer of the next one, or 503', async () => {
    for (const spare of [true, false]) {
      await using next = await createRawServer((socket) => reply(socket, '{"next":1}'));
      const hanging = await createRawServer(() => undefined);
      const urls = [urlOf(hanging), ...(spare ? [urlOf(next)] : [])];
      await using rig = await createRig({ queues: [queueOf(urls)] });
      const read = rig.call();
      const write = rig.call({ method: 'POST', body: '{}' });
      await until(() => hanging.requests.length === 2);
      await hanging[Symbol.asyncDispose]();
      assert.equal((await write).code, 'GW_OUTCOME_UNKNOWN');
      const answer = await read;
      if (spare) assert.equal(answer.body.toString(), '{"next":1}');
      else assert.equal(answer.code, 'GW_UPSTREAM_DOWN');
      assert.equal(next.requests.filter(({ method }) => method === 'POST').length, 0);
    }
  });

  it('that ends with a server in recovery goes on until it tells its name', async () => {
    let recovering = true;
    const [a = ''] = await deadUrls(1);
    await using slow = await createRawServer((socket, request, nth) => {
      if (recovering) reply(socket, '{}', '503 Recovering');
      else open('night')(socket, request, nth);
    });
    await using rig = await createRig({ queues: [queueOf([a, urlOf(slow)], FAST)] });
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_DOWN');
    await until(() => slow.requests.length > 2);
    assert.equal(calls(slow), 0);
    recovering = false;
    await eventually('it is used', async () => (await rig.call()).status === 200);
  });
});

describe('a candidate that is another queue', () => {
  it('gets no call, no password and no JWT when it tells its name to everybody', async () => {
    const a = await createRawServer(vovserver('night', 'a'));
    await using x = await createRawServer(open('day'));
    await using b = await createRawServer(vovserver('night', 'b'));
    await using rig = await createBrokeredRig([urlOf(a), urlOf(x), urlOf(b)]);
    assert.equal((await rig.call({ account: 'alice' })).body.toString(), '{"served":"a"}');
    await a[Symbol.asyncDispose]();
    const answers = await Promise.all(['alice', 'bob', 'carol'].map((account) => rig.call({ account })));
    for (const { body } of answers) assert.equal(body.toString(), '{"served":"b"}');
    assert.deepEqual([calls(x), logins(x)], [0, 0]);
    assert.ok(x.requests.every(({ headers }) => !headers.has('authorization')));
  });

  it('is asked once, remembered, and looked at again after a while', async () => {
    const a = await createRawServer(open('night'));
    await using x = await createRawServer(open('day'));
    const clock = createManualClock();
    await using rig = await createRig({ queues: [queueOf([urlOf(a), urlOf(x)], CHECK)], clock });
    assert.equal((await rig.call()).status, 200);
    await a[Symbol.asyncDispose]();
    for (let nth = 0; nth < 5; nth += 1) {
      assert.equal((await rig.call()).code, 'GW_UPSTREAM_DOWN');
      await clock.advance(10_000);
    }
    assert.equal(x.requests.length, 1);
    assert.match(rig.errors.at(-1)?.internal ?? '', /queue \\"day\\"|queue "day"/);
    await clock.advance(300_000);
    await until(() => x.requests.length > 1);
    assert.equal(calls(x), 0);
  });

  it('that wants a login gets two passwords at most, and they are not taken for wrong', async () => {
    const a = await createRawServer(vovserver('night', 'a'));
    await using x = await createRawServer(vovserver('day', 'x', []));
    const [b = ''] = await deadUrls(1);
    await using rig = await createBrokeredRig([urlOf(a), urlOf(x), b]);
    const everybody = ['alice', 'bob', 'carol', 'dave'];
    for (const account of everybody) assert.equal((await rig.call({ account })).status, 200);
    await a[Symbol.asyncDispose]();
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(everybody.map((account) => rig.call({ account })));
      for (const { status } of answers) assert.equal(status, 503);
    }
    assert.ok(logins(x) >= 1 && logins(x) <= 2, `${logins(x)} passwords`);
    assert.equal(calls(x), 0);
    await using _b = await createRawServer(vovserver('night', 'b'), undefined, Number(new URL(b).port));
    for (const account of everybody) {
      await eventually(
        `${account} is served`,
        async () => (await rig.call({ account })).body.toString() === '{"served":"b"}',
      );
    }
    assert.ok(logins(x) <= 2);
  });

  it('that knows the same people sells one JWT, which shows what it is', async () => {
    const a = await createRawServer(vovserver('night', 'a'));
    await using x = await createRawServer(vovserver('day', 'x'));
    await using b = await createRawServer(vovserver('night', 'b'));
    await using rig = await createBrokeredRig([urlOf(a), urlOf(x), urlOf(b)]);
    const everybody = ['alice', 'bob', 'carol', 'dave'];
    for (const account of everybody) assert.equal((await rig.call({ account })).status, 200);
    await a[Symbol.asyncDispose]();
    const answers = await Promise.all(everybody.map((account) => rig.call({ account })));
    for (const { body } of answers) assert.equal(body.toString(), '{"served":"b"}');
    assert.deepEqual([calls(x), logins(x)], [0, 1]);
    assert.equal(logins(b), everybody.length);
  });

  it('is no judge of a password, but the only candidate of a queue is', async () => {
    const login = async (urls: string[]): Promise<LoginAnswer> => {
      await using upstream = createUpstream({
        queues: [queueOf(urls, CHECK)],
        report: createToldReport(),
        clock: createManualClock(),
      });
      return await upstream.login('night', 'eve', new Secret('pw'));
    };
    await using server = await createRawServer(vovserver('night', 'a'));
    const [dead = ''] = await deadUrls(1);
    assert.equal((await login([urlOf(server)])).kind, 'rejected');
    assert.equal((await login([urlOf(server), dead])).kind, 'failed');
  });
});

describe('replicas', () => {
  it('tell each other which candidate works, so that one that looks rarely finds it at once', async () => {
    const [a = '', b = ''] = await deadUrls(2);
    const clock = createManualClock();
    await using kv = createMemoryKeyValue({ clock });
    const make = (probe: string) => {
      const queues = [queueOf([a, b], { failover: { probe } })];
      return createUpstream({ queues, report: createToldReport(), clock, kv, random: () => 0.5 });
    };
    await using quick = make('100ms');
    await using slow = make('170s');
    const password = new Secret('pw');
    for (const upstream of [quick, slow]) {
      const answer = await upstream.login('night', 'x', password);
      assert.equal(answer.kind, 'failed');
    }
    await using _b = await createRawServer((socket) => reply(socket, '{}'), undefined, Number(new URL(b).port));
    await clock.advance(1000);
    await until(() => quick.status()[0]?.url === b);
    await until(() => slow.status()[0]?.url === b);
  });

  it('warn each other of another queue once, and ask it no more', async () => {
    const a = await createRawServer(open('night'));
    await using x = await createRawServer(open('day'));
    const clock = createManualClock();
    await using kv = createMemoryKeyValue({ clock });
    const told: string[] = [];
    await using _ear = await kv.subscribe('vovserver-candidate', (message) => void told.push(message));
    const make = () => {
      const queues = [queueOf([urlOf(a), urlOf(x)], CHECK)];
      return createUpstream({ queues, report: createToldReport(), clock, kv, random: () => 0.5 });
    };
    await using one = make();
    await using two = make();
    await clock.advance(0);
    await a[Symbol.asyncDispose]();
    const password = new Secret('pw');
    assert.equal((await one.login('night', 'x', password)).kind, 'failed');
    await eventually('both heard it', () => told.length === 1);
    assert.equal((await two.login('night', 'x', password)).kind, 'failed');
    for (let nth = 0; nth < 5; nth += 1) await clock.advance(1000);
    assert.equal(told.length, 1, `${told}`);
    assert.equal(x.requests.length, 1);
  });

  it('warn each other of one that takes passwords and tells no name', async () => {
    await using x = await createRawServer(vovserver('day', 'x', []));
    const [dead = ''] = await deadUrls(1);
    const clock = createManualClock();
    await using kv = createMemoryKeyValue({ clock });
    const make = () => {
      const queues = [queueOf([dead, urlOf(x)], CHECK)];
      return createUpstream({ queues, report: createToldReport(), clock, kv, random: () => 0.5 });
    };
    const replicas = [make(), make(), make()];
    await clock.advance(0);
    const told: string[] = [];
    await using _ear = await kv.subscribe('vovserver-candidate', (message) => void told.push(message));
    for (let round = 0; round < 4; round += 1) {
      for (const [nth, upstream] of replicas.entries()) {
        const answer = await upstream.login('night', `user${round}-${nth}`, new Secret('pw'));
        assert.equal(answer.kind, 'failed');
        await clock.advance(0);
      }
    }
    // The first to have two rejections tells the others, each of which may have had one.
    assert.ok(logins(x) <= 4, `${logins(x)} passwords`);
    assert.equal(told.length, 1, `${told}`);
    for (const upstream of replicas) await upstream[Symbol.asyncDispose]();
  });
});

describe('switchTo', () => {
  it('makes another candidate the active one, and lets the old one finish what it has', async () => {
    let finish: (() => void) | null = null;
    await using a = await createRawServer((socket, { target }) => {
      if (target.endsWith('/slow')) finish = () => reply(socket, '{"old":1}');
      else reply(socket, '{"old":1}');
    });
    await using b = await createRawServer((socket) => reply(socket, '{"new":1}'));
    await using rig = await createRig({ queues: [queueOf([urlOf(a), urlOf(b)])] });
    const slow = rig.call({ target: '/api/v3/slow' });
    await until(() => finish !== null);
    const epoch = rig.upstream.epoch('night');
    assert.deepEqual(await rig.upstream.switchTo('night', urlOf(b)), { origin: urlOf(b) });
    assert.notEqual(rig.upstream.epoch('night'), epoch);
    assert.equal((await rig.call({ method: 'POST', body: '{}' })).body.toString(), '{"new":1}');
    (finish as (() => void) | null)?.();
    assert.equal((await slow).body.toString(), '{"old":1}');
    assert.deepEqual(await rig.upstream.switchTo('night', null), { origin: urlOf(a) });
    assert.equal((await rig.call()).body.toString(), '{"old":1}');
  });

  it('changes nothing when there is no such candidate, it is away, or another queue', async () => {
    await using a = await createRawServer(open('night'));
    await using x = await createRawServer(open('day'));
    const [dead = ''] = await deadUrls(1);
    await using rig = await createRig({ queues: [queueOf([urlOf(a), urlOf(x), dead], CHECK)] });
    const refused = async (url: string | null, why: RegExp): Promise<void> => {
      await assert.rejects(rig.upstream.switchTo('night', url), (error: unknown) => {
        assert.ok(error instanceof GatewayError);
        assert.match(error.detail, why);
        assert.ok(
          [urlOf(a), urlOf(x), dead].every((origin) => error.detail.includes(origin)),
          error.detail,
        );
        return true;
      });
      assert.equal(rig.upstream.status()[0]?.url, urlOf(a));
      assert.equal((await rig.call()).status, 200);
    };
    await refused('http://127.0.0.1:1', /no candidate/);
    await refused('nonsense', /no candidate/);
    await refused(dead, /ECONNREFUSED/);
    await refused(urlOf(x), /queue "day"/);
    await refused(null, /queue "day".*ECONNREFUSED/);
    assert.equal(calls(x), 0);
    assert.deepEqual(await rig.upstream.switchTo('night', urlOf(a)), { origin: urlOf(a) });
  });

  it('leads out of an outage, too', async () => {
    const [a = '', b = ''] = await deadUrls(2);
    const clock = createManualClock();
    await using rig = await createRig({ queues: [queueOf([a, b])], clock, credential: countingCredential });
    assert.equal((await rig.call()).status, 503);
    await using _b = await createRawServer((socket) => reply(socket, '{}'), undefined, Number(new URL(b).port));
    assert.deepEqual(await rig.upstream.switchTo('night', null), { origin: b });
    assert.equal((await rig.call()).status, 200);
  });

  it('survives a reload of other keys', async () => {
    await using a = await createRawServer((socket) => reply(socket, '{}'));
    await using b = await createRawServer((socket) => reply(socket, '{}'));
    const urls = [urlOf(a), urlOf(b)];
    await using rig = await createRig({ queues: [queueOf(urls)] });
    await rig.upstream.switchTo('night', urlOf(b));
    rig.upstream.updateQueues([queueOf(urls, { timeouts: { total: '10s' } })]);
    assert.equal(rig.upstream.status()[0]?.url, urlOf(b));
  });
});
