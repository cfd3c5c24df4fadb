import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FailureKind, failureToError, type SendFailure } from '../../src/upstream/failure.ts';
import { createRawServer, createRig, queueOf, reply, until } from './rig.ts';

const UNSAFE = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a request of which nothing was sent', () => {
  it('is answered 503 with Retry-After for every method', async () => {
    await using rig = await createRig({ queues: [queueOf(`http://127.0.0.1:${await closedPort()}`)] });
    for (const method of ['GET', ...UNSAFE]) {
      const answer = await rig.call({ method });
      assert.deepEqual([answer.status, answer.code], [503, 'GW_UPSTREAM_DOWN']);
      const seconds = Number(answer.headers['retry-after']);
      assert.ok(seconds >= 170 && seconds <= 210, 'what an outage is expected to last, and a little more');
    }
    assert.equal(rig.upstream.status()[0]?.state, 'down');
    assert.deepEqual(
      rig.told.upstream.map(({ result }) => result),
      ['connect'],
      'only the first call tried',
    );
    const downs = rig.told.log.filter(({ fields }) => fields.event === 'upstream_down');
    assert.equal(downs.length, 1, 'an outage is told once');
  });

  it('is answered 503 when the host name does not exist', async () => {
    await using rig = await createRig({ queues: [queueOf('http://no-such-host.invalid:6330')] });
    assert.equal((await rig.call({ method: 'POST' })).code, 'GW_UPSTREAM_DOWN');
  });
});

describe('a request that vovserver may have received', () => {
  for (const method of UNSAFE) {
    it(`${method} is never sent again, neither on a new nor on a used connection`, async () => {
      let broken = false;
      await using server = await createRawServer((socket) => {
        if (broken) socket.destroy();
        else reply(socket, '{}');
      });
      await using rig = await createRig({ queues: [queueOf(server.url)] });
      assert.equal((await rig.call({ method, body: '{}' })).status, 200);
      broken = true;
      for (let round = 0; round < 2; round += 1) {
        const answer = await rig.call({ method, body: '{}' });
        assert.deepEqual([answer.status, answer.code], [504, 'GW_OUTCOME_UNKNOWN']);
      }
      assert.equal(server.requests.length, 3);
    });
  }

  it('GET is sent once more when its used connection went stale', async () => {
    const broken = new WeakSet();
    await using server = await createRawServer((socket) => {
      if (broken.has(socket)) socket.destroy();
      else reply(socket, '{"fresh":1}');
      broken.add(socket);
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    for (let round = 0; round < 10; round += 1) assert.equal((await rig.call()).body.toString(), '{"fresh":1}');
  });

  it('GET is not sent a third time, and not again on a new connection', async () => {
    let broken = false;
    await using server = await createRawServer((socket) => {
      if (broken) socket.destroy();
      else reply(socket, '{}');
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    await rig.call();
    broken = true;
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_DOWN');
    assert.equal(server.requests.length, 3);
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_DOWN');
    assert.equal(server.requests.length, 4);
  });

  it('GET is not sent again after the first byte of an answer', async () => {
    let broken = false;
    await using server = await createRawServer((socket) => {
      if (broken) socket.end('HTTP/1.1 2');
      else reply(socket, '{}');
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    await rig.call();
    broken = true;
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_INVALID');
    assert.equal(server.requests.length, 2);
  });
});

describe('time limits', () => {
  const SHORT = { timeouts: { headers: '100ms', body: '100ms', total: '700ms' } };

  it('end the wait for the first byte', async () => {
    await using server = await createRawServer(() => undefined);
    await using rig = await createRig({ queues: [queueOf(server.url, SHORT)] });
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_TIMEOUT');
    assert.equal((await rig.call({ method: 'POST', body: '{}' })).code, 'GW_OUTCOME_UNKNOWN');
    assert.equal(server.requests.length, 2);
    await until(() => server.sockets.size === 0);
    assert.deepEqual(
      rig.told.upstream.map(({ result }) => result),
      ['timeout', 'timeout'],
    );
  });

  it('end a pause amid the answer by cutting the caller', async () => {
    await using server = await createRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
    });
    await using rig = await createRig({ queues: [queueOf(server.url, SHORT)] });
    const answer = await rig.call();
    assert.deepEqual([answer.cut, answer.body.toString()], [true, 'abc']);
    assert.equal(rig.results[0]?.complete, false);
  });

  it('end an endless answer and an endless head that trickle', async () => {
    for (const head of ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HTTP/1.1 200 OK\r\n']) {
      const body = head.includes('chunked');
      await using server = await createRawServer((socket) => {
        socket.write(head);
        const timer = setInterval(() => socket.write(body ? '1\r\nx\r\n' : 'X: y\r\n'), 20);
        socket.on('close', () => clearInterval(timer));
      });
      const more = { timeouts: { headers: '10s', body: '10s', total: '300ms' } };
      await using rig = await createRig({ queues: [queueOf(server.url, more)] });
      const answer = await rig.call();
      if (body) assert.equal(answer.cut, true);
      else assert.equal(answer.code, 'GW_UPSTREAM_TIMEOUT');
      await until(() => server.sockets.size === 0);
    }
  });
});

describe('the answer to a failed call', () => {
  const kinds: FailureKind[] = ['connect', 'tls', 'timeout', 'reset', 'invalid', 'aborted', 'untrusted'];
  const failure: fc.Arbitrary<SendFailure> = fc.oneof(
    fc.record({ sent: fc.constant('not_sent' as const), kind: fc.constantFrom(...kinds), reason: fc.string() }),
    fc.record({
      sent: fc.constant('possibly_sent' as const),
      kind: fc.constantFrom(...kinds),
      reason: fc.string(),
      answerBegun: fc.boolean(),
      reused: fc.boolean(),
    }),
  );

  it('says that the outcome is unknown exactly when an unsafe request may have been received', () => {
    fc.assert(
      fc.property(failure, fc.constantFrom('GET', 'HEAD', 'OPTIONS', ...UNSAFE, 'LOCK'), (failed, method) => {
        const error = failureToError(failed, method);
        const unsafe = !['GET', 'HEAD', 'OPTIONS'].includes(method);
        assert.equal(error.code === 'GW_OUTCOME_UNKNOWN', unsafe && failed.sent === 'possibly_sent');
        assert.equal(error.internal, failed.reason);
        assert.equal(error.retryAfter !== undefined, error.code === 'GW_UPSTREAM_DOWN');
        assert.ok([502, 503, 504].includes(error.status));
      }),
    );
  });
});
