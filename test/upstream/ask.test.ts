import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Clock, type ErrorCode, GatewayError, systemClock } from '../../src/kernel/index.ts';
import { AnswerTooLong, createUpstream, type UpstreamCall, type UpstreamHandle } from '../../src/upstream/index.ts';
import { Collector } from '../../src/upstream/sink.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import {
  countingCredential,
  createRawServer,
  createRig,
  createToldReport,
  queueOf,
  type RawHandler,
  reply,
  until,
} from './rig.ts';

const LIMIT = 1_000_000;
const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE'];

interface AskRig extends AsyncDisposable {
  readonly upstream: UpstreamHandle;
  readonly told: ReturnType<typeof createToldReport>['told'];
  readonly server: Awaited<ReturnType<typeof createRawServer>>;
  ask(more?: Partial<UpstreamCall>, maxBytes?: number): ReturnType<UpstreamHandle['ask']>;
}

async function rigOf(handler: RawHandler, more: object = {}, clock: Clock = systemClock): Promise<AskRig> {
  const server = await createRawServer(handler);
  const report = createToldReport();
  const upstream = createUpstream({ queues: [queueOf(server.url, more)], report, clock });
  const credential = countingCredential('alice');
  return {
    upstream,
    told: report.told,
    server,
    ask: (of = {}, maxBytes = LIMIT) => upstream.ask(callOf(of), credential, maxBytes),
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const failsWith = (code: ErrorCode) => (error: unknown) => error instanceof GatewayError && error.code === code;

const post = (method: string): Partial<UpstreamCall> => ({
  method,
  class: 'submit',
  body: { kind: 'bytes', bytes: Buffer.from('{}') },
});

describe('a whole answer', () => {
  it('is status, body and allowed headers, without lengths and without the head of the call', async () => {
    const fields = ['Set-Cookie: a=b', 'Server: vovserver', 'ETag: "7"', 'Cache-Control: no-cache'];
    await using rig = await rigOf((socket) => reply(socket, '{"id":1}', '201 Created', fields));
    const answer = await rig.ask({ ...post('POST'), head: ['x-request-id', 'rid-1'] });
    assert.deepEqual(
      [answer.status, answer.body.toString(), answer.renewed, answer.seconds >= 0],
      [201, '{"id":1}', false, true],
    );
    assert.deepEqual(answer.headers, ['content-type', 'application/json', 'etag', '"7"', 'cache-control', 'no-cache']);
    assert.deepEqual(
      rig.told.upstream.map(({ result }) => result),
      [201],
    );
  });

  it('carries any bytes, in any pieces, chunked or with a length or until the connection closes', async () => {
    const all = Buffer.from(Array.from({ length: 70_000 }, (_, at) => (at * 7919) % 256));
    const forms: RawHandler[] = [
      (socket) => socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n`), all])),
      (socket) => socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'), all])),
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        for (let at = 0; at < all.length; at += 1000) {
          socket.write(Buffer.concat([Buffer.from('3e8\r\n'), all.subarray(at, at + 1000), Buffer.from('\r\n')]));
        }
        socket.write('0\r\n\r\n');
      },
    ];
    for (const form of forms) {
      await using rig = await rigOf(form);
      assert.ok((await rig.ask()).body.equals(all));
    }
  });

  it('has no body after HEAD, 204 and 304, whatever length is stated', async () => {
    const heads = ['204 No Content', '304 Not Modified'];
    await using rig = await rigOf((socket, { method }) =>
      socket.write(`HTTP/1.1 ${method === 'HEAD' ? '200 OK' : heads.shift()}\r\nContent-Length: 5000000\r\n\r\n`),
    );
    const seen = [await rig.ask({ method: 'HEAD' }), await rig.ask(), await rig.ask()];
    assert.deepEqual(
      seen.map(({ status, body }) => [status, body.length]),
      [
        [200, 0],
        [204, 0],
        [304, 0],
      ],
    );
  });

  it('keeps its connection for the next call', async () => {
    await using rig = await rigOf((socket) => reply(socket, '{}'));
    for (let round = 0; round < 5; round += 1) assert.equal((await rig.ask()).status, 200);
    assert.equal(rig.server.accepted, 1);
  });

  it('is no redirect', async () => {
    await using rig = await rigOf((socket) => reply(socket, '', '302 Found', ['Location: /api/v3/jobs/2']));
    await assert.rejects(rig.ask(), failsWith('GW_UPSTREAM_INVALID'));
    await assert.rejects(rig.ask(post('POST')), failsWith('GW_OUTCOME_UNKNOWN'));
  });
});

describe('a 401 from vovserver', () => {
  it('renews the JWT once and sends the body again', async () => {
    await using rig = await rigOf((socket, { headers }) =>
      headers.get('authorization') === 'Bearer:jwt-alice' ? reply(socket, 'no', '401 No') : reply(socket, '{}'),
    );
    const answer = await rig.ask(post('POST'));
    assert.deepEqual([answer.status, answer.renewed, answer.body.toString()], [200, true, '{}']);
    assert.deepEqual(
      rig.server.requests.map(({ body }) => body.toString()),
      ['{}', '{}'],
    );
  });

  it('twice is a failure of the credential, and nothing of its body comes through', async () => {
    await using rig = await rigOf((socket) => reply(socket, 'secret', '401 No'));
    await assert.rejects(rig.ask(), failsWith('GW_CREDENTIAL_UNAVAILABLE'));
    assert.equal(rig.server.requests.length, 2);
  });
});

describe('a call that broke', () => {
  it('is sent again only as a read on a connection gone stale', async () => {
    const used = new WeakSet();
    await using rig = await rigOf((socket) => {
      if (used.has(socket)) socket.destroy();
      else reply(socket, '{}');
      used.add(socket);
    });
    for (let round = 0; round < 5; round += 1) assert.equal((await rig.ask()).status, 200);
    await assert.rejects(rig.ask(post('POST')), failsWith('GW_OUTCOME_UNKNOWN'));
  });

  it('amid its answer is invalid for a read, unknown for a write, also when the head had come', async () => {
    const sizes = [10, 100_000];
    for (const size of sizes) {
      await using rig = await rigOf((socket) =>
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(size)}`),
      );
      await assert.rejects(rig.ask(), failsWith('GW_UPSTREAM_INVALID'));
      for (const method of WRITES) await assert.rejects(rig.ask(post(method)), failsWith('GW_OUTCOME_UNKNOWN'));
      assert.equal(rig.server.requests.length, 5, 'nothing was sent twice');
    }
  });

  it('by a pause amid the answer is a time-out', async () => {
    const short = { timeouts: { body: '100ms' } };
    await using rig = await rigOf((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'), short);
    await assert.rejects(rig.ask(), failsWith('GW_UPSTREAM_TIMEOUT'));
  });

  it('by the time limit of the whole call is a time-out', async () => {
    const clock = createManualClock();
    await using rig = await rigOf(() => undefined, { timeouts: { total: '60s' } }, clock);
    const asked = assert.rejects(rig.ask(), failsWith('GW_UPSTREAM_TIMEOUT'));
    await until(() => rig.server.requests.length === 1);
    await clock.advance(61_000);
    await asked;
  });

  it('before anything was sent may be repeated by its caller', async () => {
    await using server = await createRawServer(() => undefined);
    const gone = server.url;
    await server[Symbol.asyncDispose]();
    await using rig = await createRig({ queues: [queueOf(gone)] });
    for (const method of ['GET', ...WRITES]) {
      const asked = rig.upstream.ask(callOf({ method }), countingCredential('alice'), LIMIT);
      await assert.rejects(asked, failsWith('GW_UPSTREAM_DOWN'));
    }
  });

  it('by its caller is cut at vovserver', async () => {
    await using rig = await rigOf(() => undefined);
    const gone = new AbortController();
    const asked = assert.rejects(rig.ask({ signal: gone.signal }), GatewayError);
    await until(() => rig.server.requests.length === 1);
    gone.abort();
    await asked;
    await until(() => rig.server.sockets.size === 0);
  });

  it('for a queue that is not configured never goes', async () => {
    await using rig = await rigOf((socket) => reply(socket, '{}'));
    await assert.rejects(rig.ask({ queue: 'other' }), failsWith('GW_INTERNAL'));
  });
});

describe('a longer answer', () => {
  it('is refused at its stated length, at once', async () => {
    await using rig = await rigOf((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nx'));
    await assert.rejects(rig.ask({}, 10), AnswerTooLong);
    await until(() => rig.server.sockets.size === 0);
  });

  it('is refused as soon as its pieces are longer, though the rest never comes', async () => {
    await using rig = await rigOf((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nabcde\r\n');
    });
    await assert.rejects(rig.ask({}, 10), AnswerTooLong);
    await until(() => rig.server.sockets.size === 0);
  });

  it('of exactly the limit is taken', async () => {
    await using rig = await rigOf((socket) => reply(socket, '0123456789'));
    assert.equal((await rig.ask({}, 10)).body.toString(), '0123456789');
    await assert.rejects(rig.ask({}, 9), AnswerTooLong);
  });

  it('to a write leaves its outcome unknown', async () => {
    await using rig = await rigOf((socket) => reply(socket, '0123456789'));
    for (const method of WRITES) await assert.rejects(rig.ask(post(method), 9), failsWith('GW_OUTCOME_UNKNOWN'));
    assert.equal(rig.server.requests.length, 4);
  });
});

describe('the collector', () => {
  it('gives the pieces in order, or nothing beyond its limit', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40_000 }).map(Buffer.from), { maxLength: 6 });
    fc.assert(
      fc.property(pieces, fc.nat(120_000), (written, maxBytes) => {
        const collector = new Collector(maxBytes);
        collector.writeHead(200, ['content-length', '0', 'etag', '"1"']);
        for (const piece of written) collector.write(piece);
        const all = Buffer.concat(written);
        assert.equal(collector.tooLong, all.length > maxBytes);
        assert.equal(collector.destroyed, collector.tooLong);
        const { body, headers } = collector.answer(0, false);
        assert.ok(body.equals(collector.tooLong ? Buffer.alloc(0) : all));
        assert.deepEqual(headers, ['etag', '"1"']);
      }),
    );
  });
});
