import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Secret, systemClock } from '../../src/kernel/index.ts';
import { type Credential, createCarrier, type UpstreamHandle } from '../../src/upstream/index.ts';
import { createVovserver } from '../../standin/vovserver/index.ts';
import { callOf } from './calls.ts';
import { createFakeGate } from './fake-gate.ts';
import { CONFIG } from './fake-upstream.ts';
import {
  createRawServer,
  createRig,
  createToldReport,
  openCall,
  queueOf,
  type RawHandler,
  type RawRequest,
  reply,
  tokenOf,
  until,
} from './rig.ts';

const MIB = 1_048_576;

/** A front whose calls take the carrier's road to `url`. */
async function carrierRig(url: string, more: { turns?: number; config?: object; credential?: Credential } = {}) {
  const gate = createFakeGate(more.turns);
  const told: string[] = [];
  /** Calls that have reached the carrier. */
  const came = { count: 0 };
  const state = { config: { ...CONFIG, maxBytes: MIB, ...more.config } };
  const { credential } = more;
  const carrierOf = (upstream: UpstreamHandle) =>
    createCarrier({
      upstream,
      gate,
      settings: () => state.config,
      clock: systemClock,
      report: { log: createToldReport().log, coalesced: (_queue, _route, how) => void told.push(how) },
    });
  const rig = await createRig({
    queues: [queueOf(url)],
    road: (upstream) => {
      const carrier = carrierOf(upstream);
      return (call, token, response) => {
        came.count += 1;
        return carrier.forward(call, token, response);
      };
    },
    ...(credential === undefined ? {} : { credential: () => credential }),
  });
  const settled = (): boolean => gate.open === 0 && gate.waiting.size === 0;
  return { ...rig, came, gate, shares: told, state, settled, carrier: carrierOf(rig.upstream) };
}

/** A server that answers `open` requests only when told to. */
async function heldServer(answer: RawHandler) {
  const held: (() => void)[] = [];
  const server = await createRawServer((socket, request, nth) => {
    held.push(() => answer(socket, request, nth));
  });
  return {
    ...server,
    server,
    held,
    /** Waits until so many requests are held, and lets them go. */
    async release(count: number): Promise<void> {
      await until(() => held.length >= count);
      for (const go of held.splice(0)) go();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const echo: RawHandler = (socket, { headers, target }: RawRequest) =>
  reply(socket, JSON.stringify({ who: headers.get('authorization'), target }));

describe('a thousand equal polls of one account at once', () => {
  it('cost vovserver a few calls, and each gets the whole answer with its own head', async () => {
    const POLLS = 1000;
    await using server = await createVovserver({ transport: 'http', queueName: 'night', users: { alice: 'pw' } });
    server.setFaults({ serviceMs: 30 });
    let token: ReturnType<typeof tokenOf> | null = null;
    const credential: Credential = {
      async get() {
        const answer = await rig.upstream.login('night', 'alice', new Secret('pw'));
        assert.ok(answer.kind === 'ok');
        token ??= { ...tokenOf(''), accessToken: answer.accessToken };
        return token;
      },
      renew: () => Promise.reject(new Error('no renewal is due')),
    };
    const known = { ...credential, get: () => token ?? credential.get() };
    await using rig = await carrierRig(server.url, { credential: known });
    const target = '/api/v3/query?select=id,command&from=jobs';
    assert.equal((await rig.call({ target })).status, 200);
    const before = server.ledger.requests.length;
    const answers = await Promise.all(Array.from({ length: POLLS }, () => rig.call({ target })));
    const calls = server.ledger.requests.length - before;
    assert.ok(answers.every(({ status, cut }) => status === 200 && !cut));
    assert.equal(new Set(answers.map(({ body }) => body.toString())).size, 1);
    assert.equal(new Set(answers.map(({ headers }) => headers.ratelimit)).size, POLLS);
    assert.equal(new Set(answers.map(({ headers }) => headers['x-request-id'])).size, POLLS);
    assert.ok(calls <= POLLS / 20, `${calls} calls for ${POLLS} polls`);
    assert.equal(rig.shares.filter((how) => how === 'shared').length, POLLS - calls);
    assert.equal(rig.gate.peak, 1);
    assert.equal(rig.settled(), true);
  });
});

describe('accounts', () => {
  it('never get a byte of each other, over random accounts, targets and departures', async () => {
    await using server = await createRawServer((socket, request) => {
      setTimeout(() => echo(socket, request, 0), (request.target.length * 7) % 5);
    });
    await using rig = await carrierRig(server.url, { turns: 6 });
    const one = fc.record({ account: fc.nat(4), target: fc.nat(3), leaves: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 60, size: 'max' }), async (calls) => {
        await Promise.all(
          calls.map(async ({ account, target, leaves }) => {
            const path = `/api/v3/jobs/${target}`;
            if (leaves) {
              const socket = connect(rig.port, '127.0.0.1');
              socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nX-Test-Account: u${account}\r\n\r\n`);
              socket.on('error', () => undefined);
              await new Promise((resolve) => setImmediate(resolve));
              socket.destroy();
              return;
            }
            const answer = await rig.call({ account: `u${account}`, target: path });
            assert.deepEqual(JSON.parse(answer.body.toString()), { who: `Bearer:jwt-u${account}`, target: path });
          }),
        );
      }),
      { numRuns: 25 },
    );
    await until(rig.settled);
    assert.ok(rig.shares.includes('shared'));
    assert.ok(rig.gate.peak <= 6);
  });
});

describe('over real sockets', () => {
  it('a caller alone is streamed to before its answer is complete', async () => {
    const sockets: { end: () => void }[] = [];
    await using server = await createRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc');
      sockets.push({ end: () => socket.write('def') });
    });
    await using rig = await carrierRig(server.url);
    const caller = openCall(rig.port);
    await until(() => caller.text().endsWith('abc'));
    sockets[0]?.end();
    await until(() => caller.text().endsWith('abcdef'));
    await until(rig.settled);
    assert.deepEqual(rig.gate.done.length, 1);
  });

  it('the departure of all callers cuts the shared call, of some does not', async () => {
    await using held = await heldServer(echo);
    await using rig = await carrierRig(held.url);
    const first = rig.call();
    await until(() => held.held.length === 1);
    const sockets = [1, 2].map(() => connect(rig.port, '127.0.0.1'));
    for (const socket of sockets) socket.write('GET /api/v3/jobs/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    const asks = (): number => held.server.requests.length;
    await until(() => rig.came.count === 3);
    const third = rig.call();
    await until(() => rig.came.count === 4);
    await held.release(1);
    await first;
    await until(() => asks() === 2);
    sockets[0]?.destroy();
    sockets[1]?.destroy();
    await until(() => rig.errors.length === 2);
    await held.release(1);
    assert.equal((await third).status, 200);
    assert.equal(asks(), 2);
    const alone = connect(rig.port, '127.0.0.1');
    alone.write('GET /api/v3/jobs/1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => asks() === 3);
    const open = held.server.sockets.size;
    alone.destroy();
    await until(() => held.server.sockets.size < open);
    await until(rig.settled);
  });

  it('a 401 within a shared call renews once for all', async () => {
    await using held = await heldServer((socket, { headers }, nth) =>
      headers.get('authorization') === 'Bearer:old' && nth > 1 ? reply(socket, '', '401 No') : reply(socket, '{}'),
    );
    let renewals = 0;
    const credential: Credential = {
      get: () => tokenOf(renewals === 0 ? 'old' : 'new'),
      async renew() {
        renewals += 1;
        return tokenOf('new');
      },
    };
    await using rig = await carrierRig(held.url, { credential });
    const answers = [rig.call()];
    await until(() => held.held.length === 1);
    answers.push(rig.call(), rig.call(), rig.call());
    await until(() => rig.came.count === 4);
    for (let count = 0; count < 3; count += 1) await held.release(1);
    for (const answer of answers) assert.equal((await answer).status, 200);
    assert.deepEqual([renewals, held.server.requests.length], [1, 3]);
    assert.deepEqual(
      rig.results.map(({ renewed }) => renewed),
      [false, true, true, true],
    );
  });

  it('a broken shared call is an error page for each, with no trace in the next', async () => {
    await using held = await heldServer((socket, _request, nth) => {
      if (nth === 2) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
      else reply(socket, '{"whole":1}');
    });
    await using rig = await carrierRig(held.url);
    const first = rig.call();
    await until(() => held.held.length === 1);
    const two = [rig.call(), rig.call()];
    await until(() => rig.came.count === 3);
    await held.release(1);
    await first;
    await held.release(1);
    for (const answer of two) assert.equal((await answer).code, 'GW_UPSTREAM_INVALID');
    const next = rig.call();
    await held.release(1);
    assert.equal((await next).body.toString(), '{"whole":1}');
    await until(rig.settled);
  });

  it('an answer over the limit reaches everyone whole, by calls of their own', async () => {
    const long = 'x'.repeat(200_000);
    await using held = await heldServer((socket) => reply(socket, long));
    await using rig = await carrierRig(held.url, { config: { maxBytes: 300_000 } });
    const first = rig.call();
    await until(() => held.held.length === 1);
    rig.state.config = { ...rig.state.config, maxBytes: 1000 };
    const three = [rig.call(), rig.call(), rig.call()];
    await until(() => rig.came.count === 4);
    await held.release(1);
    assert.equal((await first).body.length, 200_000);
    await held.release(1);
    await held.release(3);
    for (const answer of three) assert.equal((await answer).body.toString(), long);
    assert.deepEqual(rig.shares, ['own', 'too_large', 'too_large', 'too_large']);
    await until(rig.settled);
  });

  it('304 and HEAD come through as vovserver gave them, each by a call of its own', async () => {
    await using held = await heldServer((socket, { method }) => {
      if (method === 'HEAD') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
      else socket.write('HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n');
    });
    await using rig = await carrierRig(held.url);
    const conditional = { headers: { 'if-none-match': '"1"' } };
    const calls = [rig.call(conditional), rig.call(conditional), rig.call({ method: 'HEAD' })];
    await held.release(3);
    const seen = (await Promise.all(calls)).map((a) => [a.status, a.headers.etag, a.headers['content-length']]);
    assert.deepEqual(seen, [
      [304, '"1"', undefined],
      [304, '"1"', undefined],
      [200, undefined, '5'],
    ]);
    assert.equal(rig.gate.peak, 3);
  });

  it('a slow reader among many gets its bytes in its own time, the others at once', async () => {
    const body = 'y'.repeat(900_000);
    await using held = await heldServer((socket) => reply(socket, body));
    await using rig = await carrierRig(held.url);
    const first = rig.call();
    await until(() => held.held.length === 1);
    const slow = connect(rig.port, '127.0.0.1').pause();
    slow.write('GET /api/v3/jobs/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const others = [rig.call(), rig.call()];
    await until(() => rig.came.count === 4);
    await held.release(1);
    await first;
    await held.release(1);
    for (const answer of others) assert.equal((await answer).body.length, 900_000);
    assert.equal(rig.settled(), true);
    let bytes = 0;
    slow.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    slow.resume();
    await new Promise((resolve) => slow.on('close', resolve));
    assert.ok(bytes > 900_000);
  });

  it('when the upstream ends, everyone who waits is told and every turn is back', async () => {
    await using held = await heldServer(echo);
    await using rig = await carrierRig(held.url, { turns: 1 });
    const calls = [1, 1, 1, 2].map((job) => rig.call({ target: `/api/v3/jobs/${job}` }));
    await until(() => held.held.length === 1 && rig.gate.waiting.size === 1 && rig.came.count === 4);
    await rig.upstream[Symbol.asyncDispose]();
    for (const answer of await Promise.all(calls)) assert.ok(answer.status >= 500 || answer.cut);
    assert.equal(rig.settled(), true);
  });

  it('a call into memory takes a turn too', async () => {
    await using server = await createRawServer(echo);
    await using rig = await carrierRig(server.url);
    const answer = await rig.carrier.ask(callOf(), { get: () => tokenOf('t'), renew: async () => tokenOf('t') }, MIB);
    assert.equal(JSON.parse(answer.body.toString()).who, 'Bearer:t');
    assert.equal(rig.gate.given, 1);
  });
});
