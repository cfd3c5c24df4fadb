import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Away, AwayError } from '../../src/platform/redis-away.ts';
import type { RedisClient } from '../../src/platform/redis-client.ts';
import { backoff, createLink } from '../../src/platform/redis-link.ts';
import { createManualClock } from '../world/manual-clock.ts';

const away = (code: string): Away => ({ code, reason: `${code} for a test` });

/** A client whose fate the test decides. */
function fakeClient() {
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Away>();
  ready.promise.catch(() => undefined);
  const fake = {
    closed: 0,
    becomeReady: () => ready.resolve(),
    fail: (code: string) => ready.reject(new AwayError(away(code))),
    end: (code: string) => ended.resolve(away(code)),
  };
  const client: RedisClient = {
    ready: ready.promise,
    ended: ended.promise,
    send: async () => null,
    probe: async () => undefined,
    close: async () => {
      fake.closed += 1;
      ended.resolve(away('CLOSED'));
    },
  };
  return { ...fake, fake, client };
}

function open(options: { keepDoubtful?: boolean; failOpen?: () => boolean } = {}) {
  const clock = createManualClock();
  const clients: ReturnType<typeof fakeClient>[] = [];
  const attempts: number[] = [];
  const log: string[] = [];
  const settling: { answer: () => Promise<void>; last: string[] } = { answer: async () => undefined, last: [] };
  const link = createLink({
    clock,
    random: () => 1,
    keepDoubtful: options.keepDoubtful ?? true,
    open(attempt) {
      attempts.push(attempt);
      if (options.failOpen?.()) throw new AwayError(away('TLSFILE'));
      const client = fakeClient();
      clients.push(client);
      return client.client;
    },
    settle(_client, last) {
      settling.last.push(last.code);
      return settling.answer();
    },
    onUp: () => log.push('up'),
    onDown: ({ code }) => log.push(`down ${code}`),
  });
  const latest = (): ReturnType<typeof fakeClient> => {
    const client = clients.at(-1);
    assert.ok(client);
    return client;
  };
  return { link, clock, clients, attempts, log, settling, latest };
}

test('is up when the client is ready and settled, not before', async () => {
  const { link, clock, log, settling, latest } = open();
  const settled = Promise.withResolvers<void>();
  settling.answer = () => settled.promise;
  await clock.advance(0);
  assert.equal(link.client(), null);
  latest().becomeReady();
  await clock.advance(0);
  assert.equal(link.client(), null);
  settled.resolve();
  await link.started;
  assert.equal(link.client(), latest().client);
  assert.deepEqual(log, ['up']);
});

test('a lost client is replaced, and closed', async () => {
  const { link, clock, clients, log, latest } = open();
  latest().becomeReady();
  await clock.advance(0);
  latest().end('ECONNRESET');
  await clock.advance(0);
  assert.equal(link.client(), null);
  assert.equal(link.away().code, 'ECONNRESET');
  assert.equal(clients[0]?.fake.closed, 1);
  await clock.advance(1000);
  assert.equal(clients.length, 2);
  latest().becomeReady();
  await clock.advance(0);
  assert.equal(link.client(), clients[1]?.client);
  assert.deepEqual(log, ['up', 'down ECONNRESET', 'up']);
});

test('tries for ever, at most a second apart, and says each reason once', async () => {
  const { clock, clients, attempts, log, latest } = open();
  for (let round = 0; round < 20; round += 1) {
    latest().fail('ECONNREFUSED');
    await clock.advance(1000);
    assert.equal(clients.length, round + 2);
  }
  latest().fail('WRONGPASS');
  await clock.advance(1000);
  assert.deepEqual(log, ['down ECONNREFUSED', 'down WRONGPASS']);
  assert.deepEqual(attempts.slice(0, 3), [1, 2, 3]);
  latest().becomeReady();
  await clock.advance(0);
  latest().end('ECONNRESET');
  await clock.advance(100);
  assert.equal(attempts.at(-1), 1, 'attempts are counted anew after a success');
});

test('a client that cannot even be opened is tried again', async () => {
  let failures = 3;
  const { link, clock, attempts, log, latest } = open({
    failOpen() {
      failures -= 1;
      return failures >= 0;
    },
  });
  await link.started;
  assert.equal(link.away().code, 'TLSFILE');
  await clock.advance(3000);
  latest().becomeReady();
  await clock.advance(0);
  assert.deepEqual(attempts, [1, 2, 3, 4]);
  assert.deepEqual(log, ['down TLSFILE', 'up']);
});

test('a doubtful client is probed every 250 ms and stays when it answers', async () => {
  const { link, clock, clients, log, settling, latest } = open();
  latest().becomeReady();
  await clock.advance(0);
  const { client } = latest();
  settling.answer = () => Promise.reject(new AwayError(away('TIMEOUT')));
  settling.last.length = 0;
  link.doubt(client, away('TIMEOUT'));
  link.doubt(client, away('TIMEOUT'));
  assert.equal(link.client(), null);
  await clock.advance(1000);
  assert.deepEqual(settling.last, ['TIMEOUT', 'TIMEOUT', 'TIMEOUT', 'TIMEOUT', 'TIMEOUT']);
  settling.answer = async () => undefined;
  await clock.advance(250);
  assert.equal(link.client(), client);
  assert.equal(clients.length, 1);
  assert.deepEqual(log, ['up', 'down TIMEOUT', 'up']);
});

test('a doubtful client that ends is replaced, and its probes stop', async () => {
  const { link, clock, clients, settling, latest } = open();
  latest().becomeReady();
  await clock.advance(0);
  settling.answer = () => Promise.reject(new AwayError(away('TIMEOUT')));
  link.doubt(latest().client, away('TIMEOUT'));
  await clock.advance(500);
  latest().end('ESOCKET');
  await clock.advance(0);
  settling.last.length = 0;
  await clock.advance(5000);
  assert.deepEqual(settling.last, [], 'nothing to settle: the new client is not ready yet');
  assert.equal(clients.length, 2);
});

test('a doubtful client is replaced at once after READONLY, and where it is not to be kept', async () => {
  for (const [keepDoubtful, code] of [
    [true, 'READONLY'],
    [false, 'TIMEOUT'],
  ] as const) {
    const { link, clock, clients, settling, latest } = open({ keepDoubtful });
    latest().becomeReady();
    await clock.advance(0);
    settling.last.length = 0;
    link.doubt(latest().client, away(code));
    assert.equal(clients[0]?.fake.closed, 1);
    await clock.advance(1000);
    assert.equal(clients.length, 2);
    latest().becomeReady();
    await clock.advance(0);
    assert.deepEqual(settling.last, [code], 'the new one is told why');
  }
});

test('doubt about a client that is out of use changes nothing', async () => {
  const { link, clock, clients, log, latest } = open();
  latest().becomeReady();
  await clock.advance(0);
  latest().end('ECONNRESET');
  await clock.advance(1000);
  latest().becomeReady();
  await clock.advance(0);
  const old = clients[0]?.client;
  assert.ok(old);
  link.doubt(old, away('TIMEOUT'));
  assert.equal(link.client(), latest().client);
  assert.deepEqual(log, ['up', 'down ECONNRESET', 'up']);
});

test('closed: the client is closed, nothing is reported or tried any more', async () => {
  const { link, clock, clients, log, latest } = open();
  latest().becomeReady();
  await clock.advance(0);
  await link[Symbol.asyncDispose]();
  await link[Symbol.asyncDispose]();
  assert.equal(link.client(), null);
  await clock.advance(60_000);
  assert.equal(clients.length, 1);
  assert.equal(clients[0]?.fake.closed, 1);
  assert.deepEqual(log, ['up']);
});

test('closed while it waits for the next attempt or for the first one', async () => {
  const waiting = open();
  waiting.latest().fail('ECONNREFUSED');
  await waiting.clock.advance(0);
  await waiting.link[Symbol.asyncDispose]();
  await waiting.clock.advance(60_000);
  assert.equal(waiting.clients.length, 1);
  const first = open();
  await first.link[Symbol.asyncDispose]();
  await first.link.started;
  first.latest().becomeReady();
  await first.clock.advance(60_000);
  assert.equal(first.link.client(), null);
  assert.deepEqual(first.log, []);
});

test('the pause before an attempt grows to one second and is never shorter than half of it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempt, random) => {
        const pause = backoff(attempt, () => random);
        assert.ok(pause >= 50 && pause <= 1000);
        assert.ok(backoff(attempt + 1, () => random) >= pause);
      },
    ),
  );
  assert.equal(
    backoff(20, () => 1),
    1000,
  );
});
