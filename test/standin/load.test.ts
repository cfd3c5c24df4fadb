import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { changeFaults, NO_FAULTS } from '../../standin/vovserver/faults.ts';
import type { Reply } from '../../standin/vovserver/reply.ts';
import { createServiceLoop } from '../../standin/vovserver/service-loop.ts';
import { createStats, resetStats } from '../../standin/vovserver/stats.ts';
import { createUnderWay, workOf } from '../../standin/vovserver/under-way.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createPair, openRaw, rawGet } from './client.ts';

const PATH = '/api/v3/project/1/project';
const reply = (rows?: number): Reply => ({
  status: 200,
  contentType: 'x',
  body: '',
  ...(rows === undefined ? {} : { rows }),
});

describe('the service loop', () => {
  /** How many of these answers are ready after `ms`. */
  async function readyAfter(ms: number, replies: readonly Reply[], change: object): Promise<number> {
    const clock = createManualClock();
    const loop = createServiceLoop(clock);
    let ready = 0;
    for (const one of replies) {
      void loop.serve(one, changeFaults(NO_FAULTS, change))?.then(() => {
        ready += 1;
      });
    }
    for (let at = 0; at < ms; at += 10) await clock.advance(10);
    return ready;
  }

  it('costs nothing without a cost', () => {
    assert.equal(createServiceLoop(createManualClock()).serve(reply(1000), NO_FAULTS), null);
  });

  it('does light work one after the other', async () => {
    const five = Array.from({ length: 5 }, () => reply());
    assert.equal(await readyAfter(30, five, { serviceMs: 10 }), 3);
    assert.equal(await readyAfter(50, five, { serviceMs: 10 }), 5);
  });

  it('does two heavy reads at once, by their rows', async () => {
    const four = Array.from({ length: 4 }, () => reply(100));
    assert.equal(await readyAfter(90, four, { rowMs: 1 }), 0);
    assert.equal(await readyAfter(100, four, { rowMs: 1 }), 2);
    assert.equal(await readyAfter(200, four, { rowMs: 1 }), 4);
    assert.equal(await readyAfter(100, four, { rowMs: 1, heavyReads: 4 }), 4);
    assert.equal(await readyAfter(100, four, { rowMs: 1, heavyReads: 0 }), 1);
  });

  it('heavy reads beyond the helpers make all slower with contention', async () => {
    const four = Array.from({ length: 4 }, () => reply(100));
    assert.equal(await readyAfter(190, four, { rowMs: 1, contention: 0.5 }), 0);
    assert.equal(await readyAfter(200, four, { rowMs: 1, contention: 0.5 }), 2);
    assert.equal(await readyAfter(300, four, { rowMs: 1, contention: 0.5 }), 3, 'the third was slowed by the fourth');
    assert.equal(await readyAfter(350, four, { rowMs: 1, contention: 0.5 }), 4);
  });

  it('with other phases serves at once those who were there when its http phase began', async () => {
    const clock = createManualClock();
    const loop = createServiceLoop(clock, () => 0.5);
    const faults = changeFaults(NO_FAULTS, { loopMs: 100, serviceMs: 10, submitMs: 20 });
    const ready: string[] = [];
    const ask = (name: string, work: 'read' | 'submit'): void => {
      void loop.serve(reply(), faults, work)?.then(() => ready.push(name));
    };
    ask('first', 'read');
    await clock.advance(30);
    ask('second', 'submit');
    await clock.advance(29);
    assert.deepEqual(ready, []);
    await clock.advance(1);
    assert.deepEqual(ready, ['first'], 'half a round, then its own time');
    ask('late', 'read');
    await clock.advance(30);
    assert.deepEqual(ready, ['first', 'second']);
    await clock.advance(109);
    assert.deepEqual(ready, ['first', 'second'], 'who came within the phase waits for the next one');
    await clock.advance(1);
    assert.deepEqual(ready, ['first', 'second', 'late']);
  });

  it('takes its times by chance with a spread', async () => {
    const clock = createManualClock();
    const loop = createServiceLoop(clock, () => 1 - Math.exp(-3));
    let ready = 0;
    for (let i = 0; i < 2; i += 1) {
      void loop.serve(reply(), changeFaults(NO_FAULTS, { serviceMs: 100, spread: 0.5 }))?.then(() => {
        ready += 1;
      });
    }
    await clock.advance(199);
    assert.equal(ready, 0);
    await clock.advance(2);
    assert.equal(ready, 1, 'half of it fixed, half three times its mean');
  });

  it('light work goes on beside heavy reads', async () => {
    assert.equal(await readyAfter(20, [reply(1000), reply(1000), reply(), reply()], { serviceMs: 10, rowMs: 1 }), 2);
  });
});

describe('calls under way', () => {
  it('are of the kind that method and path tell', () => {
    const kinds = [
      ['POST', '/api/v3/token', 'login'],
      ['POST', '/api/v3/jobs', 'submit'],
      ['PUT', '/api/v3/jobs/1', 'control'],
      ['DELETE', '/api/v3/jobs/1', 'control'],
      ['GET', '/api/v3/jobs?x', 'list'],
      ['GET', '/api/v3/query?q=1', 'list'],
      ['GET', '/api/v3/jobs/1', 'read'],
    ] as const;
    for (const [method, target, work] of kinds) assert.equal(workOf(method, target), work);
  });

  it('are counted at their most, step by step', async () => {
    const clock = createManualClock();
    const start = clock.now();
    const { begin, peaks } = createUnderWay(clock);
    const [first, second] = [begin('list'), begin('list')];
    first();
    begin('read');
    await clock.advance(25);
    begin('list');
    second();
    assert.deepEqual(peaks, [
      { at: start, login: 0, submit: 0, control: 0, list: 2, read: 1 },
      { at: start + 25, login: 0, submit: 0, control: 0, list: 2, read: 1 },
    ]);
  });

  it('of a server end when the work is done, also when the caller is gone', async () => {
    await using client = await createPair({ faults: { serviceMs: 1000 }, waits: createManualClock() });
    const { server } = client;
    const raw = openRaw(server);
    await once(raw.socket, 'connect');
    raw.send('GET /project HTTP/1.1\r\nHost: x\r\n\r\n');
    while (server.stats.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    raw.socket.destroy();
    while (server.stats.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    server.underWay.begin('control')();
    assert.equal(server.underWay.peaks.at(-1)?.read, 1);
  });
});

describe('connections', () => {
  it('beyond the ceiling are accepted and closed', async () => {
    await using client = await createPair({ faults: { maxConnections: 2 } });
    const { server } = client;
    using first = openRaw(server);
    using second = openRaw(server);
    await Promise.all([once(first.socket, 'connect'), once(second.socket, 'connect')]);
    using third = openRaw(server);
    await third.ended;
    assert.equal(server.stats.connectionsRefused, 1);
    assert.equal(server.stats.connectionsPeak, 2);
    first.socket.destroy();
    while (server.stats.connectionsOpen > 1) await new Promise((resolve) => setImmediate(resolve));
    using fourth = openRaw(server);
    fourth.send('GET /project HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(await fourth.until((text) => text.includes('\r\n\r\n')), /^HTTP\/1\.1 200/);
  });

  it('are closed after so many requests', async () => {
    await using client = await createPair({ faults: { requestsPerConnection: 2 } });
    for (let call = 0; call < 6; call += 1) await client.as('alice', 'GET', PATH);
    const used = client.server.ledger.requests.map(({ connection }) => connection);
    assert.deepEqual(used, [1, 1, 2, 2, 3, 3, 4]);
  });

  it('are closed when they idle too long', async () => {
    await using client = await createPair({ profile: { keepAliveMs: 30 } });
    using raw = openRaw(client.server);
    raw.send('GET /project HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.equal(await raw.ended, 'fin');
  });

  it('carry pipelined requests in order', async () => {
    await using client = await createPair();
    const jwt = await client.login('alice');
    using raw = openRaw(client.server);
    raw.send(rawGet(PATH, jwt) + rawGet('/api/v3/project/1/version', jwt));
    const text = await raw.until((one) => one.includes('2024.1.0'));
    assert.ok(text.indexOf('"project"') < text.indexOf('"version"'));
  });

  it('count what is in flight and its peak', async () => {
    await using client = await createPair();
    const { server } = client;
    server.setFaults({ rules: [{ kind: 'hang' }] });
    const raws = Array.from({ length: 3 }, () => openRaw(server));
    for (const raw of raws) raw.send('GET /project HTTP/1.1\r\nHost: x\r\n\r\n');
    while (server.stats.inFlight < 3) await new Promise((resolve) => setImmediate(resolve));
    for (const raw of raws) raw.socket.destroy();
    while (server.stats.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.stats.inFlightPeak, 3);
    assert.equal(server.stats.faults, 3);
  });

  for (const [name, bytes] of [
    ['no HTTP', 'nonsense\r\n\r\n'],
    ['CL and TE', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a bare LF in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\nc\r\n\r\n'],
    ['CONNECT', 'CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n'],
  ] as const) {
    it(`${name} is answered with 400 and noted`, async () => {
      await using client = await createPair();
      using raw = openRaw(client.server);
      raw.send(bytes);
      assert.match(await raw.until(() => false), /^HTTP\/1\.1 400 Bad Request/);
      assert.equal(client.server.ledger.malformed.length, 1);
      assert.equal(client.server.ledger.malformed[0]?.connection, 1);
      assert.equal(client.server.ledger.requests.length, 0);
    });
  }

  it('that are cut in the middle of a body do no work', async () => {
    await using client = await createPair();
    const { server } = client;
    const jwt = await client.login('alice');
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `POST /api/v3/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer:${jwt}\r\nContent-Length: 100\r\n\r\n{"comm`,
    );
    while (server.stats.requests < 2) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    while (server.stats.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.jobs.size, 0);
    assert.equal(server.ledger.jobs.length, 0);
  });
});

describe('the ledger', () => {
  it('keeps each request as it came, without its credential', async () => {
    await using client = await createPair();
    const jwt = await client.login('alice');
    using raw = openRaw(client.server);
    raw.send(
      `GET /api/v3/jobs/%31?a=%41&b HTTP/1.1\r\nhOsT: x\r\nAUTHORIZATION: Bearer:${jwt}\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n`,
    );
    await raw.until(() => false);
    const entry = client.server.ledger.requests.at(-1);
    assert.equal(entry?.target, '/api/v3/jobs/%31?a=%41&b');
    assert.deepEqual(entry?.rawHeaders, [
      ...['hOsT', 'x', 'AUTHORIZATION', 'Bearer:[redacted]'],
      ...['X-A', '1', 'X-A', '2', 'Connection', 'close'],
    ]);
    assert.equal(entry?.account, 'alice');
    assert.equal(entry?.status, 404);
    assert.equal(entry?.jti, client.server.ledger.logins[0]?.jti);
    assert.ok(!JSON.stringify(client.server.ledger).includes(jwt));
  });

  it('keeps bodies of job routes up to 64 KiB, and the hash of all', async () => {
    await using client = await createPair();
    await client.as('alice', 'POST', '/api/v3/jobs', { command: 'x'.repeat(70_000) });
    await client.as('alice', 'POST', '/api/v3/other', { secret: 1 });
    const [jobs, other] = client.server.ledger.requests.slice(-2);
    assert.equal(jobs?.body?.length, 65_536);
    assert.equal(jobs?.bodyBytes, 70_014);
    assert.equal(other?.body, null);
    assert.match(other?.bodySha256 ?? '', /^[0-9a-f]{64}$/);
  });

  it('stays empty when it is off', async () => {
    await using client = await createPair({ ledger: false });
    await client.as('alice', 'GET', PATH);
    assert.equal(client.server.ledger.requests.length, 0);
    assert.equal(client.server.stats.requests, 2);
  });

  it('counters go back to what is open', () => {
    const stats = {
      ...createStats(),
      connectionsOpened: 9,
      connectionsOpen: 2,
      connectionsPeak: 5,
      inFlight: 1,
      requests: 7,
    };
    resetStats(stats);
    assert.deepEqual([stats.connectionsOpened, stats.connectionsOpen, stats.connectionsPeak], [0, 2, 2]);
    assert.deepEqual([stats.requests, stats.inFlight, stats.inFlightPeak], [0, 1, 1]);
  });
});
