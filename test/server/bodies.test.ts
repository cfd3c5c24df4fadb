import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { dial, parseAnswers, send } from '../security/raw.ts';
import { createWorld, type World } from '../world/world.ts';

const KIB = 1024;
const LIMIT = 1024 * KIB;
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
let logfile = 0;

/** A job of exactly `bytes` bytes of JSON. */
function jobOf(bytes: number): Buffer {
  const job = { command: '', logfile: `log-${++logfile}`, rundir: '/tmp', env: 'BASE' };
  const rest = bytes - Buffer.byteLength(JSON.stringify(job));
  return Buffer.from(JSON.stringify({ ...job, command: 'x'.repeat(rest) }));
}

describe('bodies', () => {
  let world: World;
  let head: string;
  before(async () => {
    world = await createWorld({ config: { limits: { mode: 'off' }, server: { limits: { bodyBytes: '1MiB' } } } });
    const token = await world.token('alice');
    await world.call('GET', '/api/v3/project/1/version', { token });
    head = `Host: gw\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
  });
  after(() => world[Symbol.asyncDispose]());

  const post = (framing: string, body: Buffer | string) =>
    send(
      world.gateway.port,
      Buffer.concat([
        Buffer.from(`POST /api/v3/jobs HTTP/1.1\r\n${head}Connection: close\r\n${framing}\r\n`),
        Buffer.from(body),
      ]),
    );
  const sized = (body: Buffer) => post(`Content-Length: ${body.length}\r\n`, body);
  const chunked = (body: Buffer, size: number) => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < body.length; at += size) {
      const piece = body.subarray(at, at + size);
      pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
    }
    return post('Transfer-Encoding: chunked\r\n', Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]));
  };
  const posts = () =>
    world.vovserver.ledger.requests.filter(({ method, target }) => method === 'POST' && target.endsWith('/jobs'));

  async function arrives(body: Buffer, sending: () => ReturnType<typeof send>): Promise<void> {
    const before = posts().length;
    const [answer] = await sending();
    assert.equal(answer?.status, 200, answer?.body);
    const [seen, ...more] = posts().slice(before);
    assert.deepEqual(more, []);
    assert.equal(seen?.bodyBytes, body.length);
    assert.equal(seen?.bodySha256, sha(body));
  }

  for (const bytes of [200, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 600 * KIB, LIMIT - 1, LIMIT]) {
    it(`${bytes} bytes of known length arrive byte for byte`, async () => {
      const body = jobOf(bytes);
      await arrives(body, () => sized(body));
    });
    it(`${bytes} bytes in chunks arrive byte for byte`, async () => {
      const body = jobOf(bytes);
      await arrives(body, () => chunked(body, 30_000));
    });
  }

  it('bytes in the smallest chunks arrive as they were', async () => {
    const body = jobOf(2000);
    await arrives(body, () => chunked(body, 1));
  });

  for (const bytes of [LIMIT + 1, 2 * LIMIT]) {
    it(`${bytes} bytes are too many: 413 that names the limit, nothing reaches vovserver`, async () => {
      const before = posts().length;
      const body = jobOf(bytes);
      for (const [answer] of [await sized(body), await chunked(body, 60_000)]) {
        assert.equal(answer?.status, 413);
        const problem = JSON.parse(answer?.body ?? '');
        assert.equal(problem.code, 'GW_BODY_TOO_LARGE');
        assert.match(problem.detail, /1048576/);
        assert.equal(answer?.headers.get('connection'), 'close');
      }
      assert.equal(posts().length, before);
    });
  }

  it('a length over the limit is refused before a byte of the body was sent', async () => {
    const [answer] = await post(`Content-Length: ${LIMIT * 1000}\r\n`, '');
    assert.equal(answer?.status, 413);
  });

  it('a caller who breaks off in a streamed body leaves the gateway and vovserver alone', async () => {
    const socket = await dial(world.gateway.port);
    socket.on('error', () => undefined);
    socket.write(`POST /api/v3/jobs HTTP/1.1\r\n${head}Content-Length: ${600 * KIB}\r\n\r\n`);
    socket.write(Buffer.alloc(300 * KIB, 0x20));
    socket.destroy();
    await once(socket, 'close');
    const jobs = world.vovserver.ledger.jobs.length;
    const body = jobOf(500);
    await arrives(body, () => sized(body));
    assert.equal(world.vovserver.ledger.jobs.length, jobs + 1);
  });

  it('Expect: 100-continue is answered before the body is asked for, and not at all when it is refused', async () => {
    const exchange = async (token: string): Promise<string> => {
      const body = jobOf(300);
      const socket = await dial(world.gateway.port);
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (/^HTTP\/1\.1 100 Continue\r\n\r\n$/.test(text)) socket.write(body);
      });
      socket.write(
        `POST /api/v3/jobs HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
          `Expect: 100-continue\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
      );
      await once(socket, 'end');
      socket.destroy();
      return text;
    };
    const good = await exchange(await world.token('alice'));
    assert.match(good, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    const bad = await exchange('nonsense');
    assert.match(bad, /^HTTP\/1\.1 401 /);
    assert.doesNotMatch(bad, /100 Continue/);
    assert.equal(parseAnswers(bad).length, 1);
  });
});
