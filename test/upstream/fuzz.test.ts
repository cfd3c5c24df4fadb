import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { createRawServer, createRig, queueOf, type RawServer, type Rig } from './rig.ts';

const BODY = '{"rows":[["45080","alice"]]}';
const GOOD = [
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
  `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}`,
  'HTTP/1.1 204 No Content\r\nETag: "1"\r\n\r\n',
];

/** Writes the pieces one after the other, each in a segment of its own. */
async function writePieces(socket: Socket, pieces: readonly Buffer[], end: boolean): Promise<void> {
  socket.setNoDelay(true);
  for (const piece of pieces) {
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
  }
  if (end) socket.end();
}

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...new Set(places.map((place) => place % bytes.length)), bytes.length].sort((a, b) => a - b);
  return edges.slice(1).map((edge, at) => bytes.subarray(edges[at], edge));
}

interface Mutation {
  readonly at: number;
  readonly kind: 'flip' | 'drop' | 'double' | 'insert' | 'cut';
  readonly byte: number;
}

function mutate(bytes: Buffer, { at, kind, byte }: Mutation): Buffer {
  const place = at % (bytes.length + 1);
  const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
  switch (kind) {
    case 'flip':
      return Buffer.concat([head, Buffer.from([(tail[0] ?? 0) ^ (byte || 1)]), tail.subarray(1)]);
    case 'drop':
      return Buffer.concat([head, tail.subarray(1 + (byte % 8))]);
    case 'double':
      return Buffer.concat([head, tail, tail]);
    case 'insert':
      return Buffer.concat([head, Buffer.from([byte, 13, 10].slice(0, 1 + (byte % 3))), tail]);
    case 'cut':
      return head;
  }
}

describe('answers in every shape', () => {
  let server: RawServer;
  let rig: Rig;
  let pieces: Buffer[] = [];
  let end = false;

  before(async () => {
    server = await createRawServer((socket) => void writePieces(socket, pieces, end));
    // Every answer ends by itself, so the limits of time are the usual ones: none is met, however slow the machine is.
    rig = await createRig({ queues: [queueOf(server.url)] });
  });
  after(async () => {
    await rig[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it('are the same however TCP cuts them', async () => {
    const statuses = [200, 200, 404, 204];
    const bodies = [BODY, BODY, '{}', ''];
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 3 }), fc.array(fc.nat({ max: 500 }), { maxLength: 6 }), async (which, places) => {
        pieces = cutAt(Buffer.from(GOOD[which] ?? ''), places);
        end = false;
        const answer = await rig.call();
        assert.deepEqual([answer.status, answer.body.toString(), answer.cut], [statuses[which], bodies[which], false]);
      }),
      { numRuns: 200 },
    );
  });

  it('that are mutated give a valid answer, an error of the gateway or a cut, and nothing else', async () => {
    const mutation = fc.record({
      at: fc.nat({ max: 200 }),
      kind: fc.constantFrom('flip' as const, 'drop' as const, 'double' as const, 'insert' as const, 'cut' as const),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 3 }),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('GET', 'POST'),
        async (which, mutations, method) => {
          pieces = [mutations.reduce(mutate, Buffer.from(GOOD[which] ?? ''))];
          end = true;
          const before = server.requests.filter((request) => request.method === 'POST').length;
          const answer = await rig.call({ method });
          const posts = server.requests.filter((request) => request.method === 'POST').length - before;
          assert.ok(posts <= (method === 'POST' ? 1 : 0), 'a POST went more than once');
          if (answer.code !== undefined) {
            const codes =
              method === 'POST' ? ['GW_OUTCOME_UNKNOWN', 'GW_CREDENTIAL_UNAVAILABLE'] : ['GW_UPSTREAM_DOWN'];
            assert.ok(['GW_UPSTREAM_INVALID', ...codes].includes(answer.code), answer.code);
          } else if (!answer.cut) {
            assert.ok(answer.status >= 200 && answer.status <= 599 && answer.status !== 401);
          }
          const { location } = answer.headers;
          if (location !== undefined) assert.match(location, /^\/(?![/\\])/);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('that are noise never stop the next call', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (noise) => {
        pieces = [Buffer.from(noise)];
        end = true;
        const answer = await rig.call();
        assert.ok([502, 503].includes(answer.status), `${answer.status}`);
        pieces = [Buffer.from(GOOD[0] ?? '')];
        end = false;
        assert.equal((await rig.call()).body.toString(), BODY);
      }),
      { numRuns: 100 },
    );
  });
});
