import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { before, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { createSelfSigned, type Leaf } from '../../standin/certificates.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { callOf } from './calls.ts';
import { countingCredential, createRawServer, createRig, queueOf, reply, until } from './rig.ts';

let leaf: Leaf;
before(async () => {
  leaf = await createSelfSigned();
});

/** More than both kernels keep between a writer and a reader who does not read. */
const BIG = Buffer.alloc(32 * 1024 * 1024, 'x');

/** One connection of a server that reads the begin of a request, and no more until it is told. */
class Stalled {
  bytes = 0;
  /** How it ended: an orderly end, the code of an error, or null for not yet. */
  ended: string | null = null;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (this.bytes === 0) socket.pause();
      this.bytes += chunk.length;
    });
    socket.on('end', () => {
      this.ended ??= 'end';
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      this.ended ??= code ?? 'error';
    });
  }

  read(): void {
    this.#socket.resume();
  }
}

/** A server on the far side of a partition, which begins while a request is on its way. */
async function createPartition(secure: boolean) {
  const connections: Stalled[] = [];
  const take = (socket: Socket): void => void connections.push(new Stalled(socket));
  const tls = { cert: leaf.certPem, key: leaf.keyPem };
  const server: Server = secure ? createTlsServer(tls, take) : createServer(take);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    /** The connection with the request; the others were only looked at. */
    carrying: () => connections.find(({ bytes }) => bytes > 0),
    queue: (more: object = {}) => {
      const pin = { tls: { verify: 'pin', pins: [leaf.spkiPin], probe: '1h' } };
      return queueOf(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`, { ...(secure ? pin : {}), ...more });
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What the connection saw of a write that was given up, after the partition healed. */
async function assertCut(carrying: Stalled | undefined): Promise<void> {
  assert.ok(carrying !== undefined);
  carrying.read();
  await until(() => carrying.ended !== null);
  assert.equal(carrying.ended, 'ECONNRESET');
  // An orderly end delivers some megabytes here.
  assert.ok(carrying.bytes < 1024 * 1024, `${carrying.bytes} bytes were delivered`);
}

for (const secure of [false, true]) {
  describe(`a write that is given up ${secure ? 'over TLS' : 'over TCP'}`, () => {
    for (const timeouts of [{ total: '300ms' }, { headers: '300ms' }]) {
      it(`after its time (${Object.keys(timeouts)}) is not delivered later`, async () => {
        await using partition = await createPartition(secure);
        await using rig = await createRig({ queues: [partition.queue({ timeouts })] });
        const answer = await rig.call({ method: 'POST', body: BIG });
        assert.equal(answer.code, 'GW_OUTCOME_UNKNOWN');
        assert.equal(rig.told.upstream[0]?.result, 'timeout');
        await assertCut(partition.carrying());
        await until(() => rig.told.open === 0);
      });
    }

    it('with its caller, who left, is not delivered after its time', async () => {
      const clock = createManualClock();
      await using partition = await createPartition(secure);
      await using rig = await createRig({ queues: [partition.queue({ timeouts: { total: '10s' } })], clock });
      const gone = new AbortController();
      const call = callOf({ method: 'POST', body: { kind: 'bytes', bytes: BIG }, signal: gone.signal });
      const failed = assert.rejects(rig.upstream.ask(call, countingCredential('alice'), 1000), {
        code: 'GW_OUTCOME_UNKNOWN',
      });
      await until(() => partition.carrying() !== undefined);
      gone.abort();
      assert.equal(partition.carrying()?.ended, null);
      await clock.advance(10_100);
      await failed;
      await assertCut(partition.carrying());
    });

    it('at the end of the gateway is not delivered later', async () => {
      await using partition = await createPartition(secure);
      await using rig = await createRig({ queues: [partition.queue()] });
      const call = callOf({ method: 'POST', body: { kind: 'bytes', bytes: BIG }, seeThrough: true });
      const failed = assert.rejects(rig.upstream.ask(call, countingCredential('alice'), 1000), {
        code: 'GW_OUTCOME_UNKNOWN',
      });
      await until(() => partition.carrying() !== undefined);
      await rig.upstream[Symbol.asyncDispose]();
      await failed;
      await assertCut(partition.carrying());
    });
  });

  describe(`a connection that carried whole answers ${secure ? 'over TLS' : 'over TCP'}`, () => {
    const serve = async (headers: readonly string[] = []) => {
      const ends: string[] = [];
      const tls = secure ? { cert: leaf.certPem, key: leaf.keyPem } : undefined;
      const known = new Set<Socket>();
      const server = await createRawServer((socket) => {
        if (!known.has(socket)) {
          known.add(socket);
          socket.on('end', () => ends.push('end'));
          socket.on('error', ({ code }: NodeJS.ErrnoException) => ends.push(code ?? 'error'));
        }
        reply(socket, '{}', '200 OK', headers);
      }, tls);
      return { server, ends };
    };
    const queue = (url: string, more: object = {}) => {
      const pin = { tls: { verify: 'pin', pins: [leaf.spkiPin], probe: '1h' } };
      return queueOf(url, { ...(secure ? pin : {}), ...more });
    };

    it('is closed in an orderly way when it is idle for too long', async () => {
      const { server, ends } = await serve();
      await using _server = server;
      await using rig = await createRig({ queues: [queue(server.url, { connections: { idle: '50ms' } })] });
      for (let nth = 0; nth < 3; nth += 1) assert.equal((await rig.call({ method: 'POST', body: '{}' })).status, 200);
      await until(() => ends.length > 0);
      assert.ok(
        ends.every((end) => end === 'end'),
        ends.join(),
      );
    });

    it('is closed in an orderly way at the end of the gateway, and when the server wants it', async () => {
      for (const headers of [[], ['Connection: close']]) {
        const { server, ends } = await serve(headers);
        await using _server = server;
        await using rig = await createRig({ queues: [queue(server.url)] });
        assert.equal((await rig.call({ method: 'POST', body: '{}' })).status, 200);
        await rig.upstream[Symbol.asyncDispose]();
        await until(() => ends.length > 0);
        assert.deepEqual(ends, ['end']);
      }
    });
  });
}
