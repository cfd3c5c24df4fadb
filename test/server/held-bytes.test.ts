import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { HeldBudget, HeldBytes } from '../../src/server/held-bytes.ts';
import { writeBody } from '../../src/server/write-body.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createWorld } from '../world/world.ts';

const isSaturated = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'GW_SATURATED' && error.retryAfter !== undefined;

describe('what an answer holds', () => {
  it('grows and shrinks within the budget, and is given back once', () => {
    const budget = new HeldBudget(100);
    const [one, two] = [new HeldBytes(budget, 'ann'), new HeldBytes(budget, 'ben')];
    one.hold(60);
    two.hold(40);
    assert.throws(() => two.hold(41), isSaturated);
    one.hold(50);
    two.hold(50);
    one.release();
    one.release();
    one.hold(70);
    assert.equal(budget.all.taken, 50);
  });

  it('is a part of it for each person, except for a single answer', () => {
    const budget = new HeldBudget(100, 25);
    const first = new HeldBytes(budget, 'ann');
    const second = new HeldBytes(budget, 'ann');
    first.hold(40);
    assert.throws(() => second.hold(1), isSaturated);
    const other = new HeldBytes(budget, 'ben');
    other.hold(25);
    first.hold(20);
    second.hold(5);
    assert.throws(() => second.hold(6), isSaturated);
    first.release();
    second.hold(60);
    assert.equal(budget.all.taken, 85);
    for (const held of [second, other]) held.release();
    assert.equal(budget.all.taken, 0);
  });

  it('is held until the response is closed, or not at all when it is', () => {
    const budget = new HeldBudget(100);
    const response = Object.assign(new EventEmitter(), { closed: false });
    const held = new HeldBytes(budget, 'ann');
    held.hold(10);
    held.releaseWith(response as unknown as ServerResponse);
    assert.equal(budget.all.taken, 10);
    response.emit('close');
    assert.equal(budget.all.taken, 0);
    const late = new HeldBytes(budget, 'ann');
    late.hold(10);
    late.releaseWith({ closed: true } as ServerResponse);
    assert.equal(budget.all.taken, 0);
  });
});

const USERS = ['alice', 'bob', 'carl', 'dora', 'emil'];

describe('filtered answers that nobody reads', () => {
  it('are held up to a bound, then refused until there is room again', async () => {
    await using world = await createWorld({
      users: USERS,
      config: { log: { level: 'error' }, jobs: { visibility: 'own' } },
    });
    const pad = 'x'.repeat(1_000_000);
    const columns = ['IDINT', 'USER', 'COMMAND'].map((field, col) => ({ col, field }));
    const textFor = (user: string): string => {
      const rows = Array.from({ length: 15 }, (_, nth) => [100_000 + nth, user, pad]);
      return JSON.stringify({ startrow: 1, endrow: rows.length, columns, rows });
    };
    const slow: Socket[] = [];
    const tokens = new Map<string, string>();
    for (const user of USERS) tokens.set(user, await world.token(user));
    const ask = async (user: string, limit: number): Promise<string> => {
      const text = textFor(user);
      world.vovserver.setFaults({ rules: [{ kind: 'answer', status: 200, path: '/query', text }] });
      const socket = connect(world.gateway.port, '127.0.0.1');
      slow.push(socket);
      const path = `/api/v3/query?select=idint,user,command&from=jobs&limit=${limit}`;
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.get(user)}\r\n\r\n`);
      const [head] = (await once(socket, 'data')) as [Buffer];
      socket.pause();
      return head.toString('latin1');
    };
    assert.match(await ask('alice', 20), /^HTTP\/1\.1 200 /);
    const refused = await ask('alice', 30);
    assert.match(refused, /^HTTP\/1\.1 503 /);
    assert.match(refused, /^Retry-After: \d+\r$/im);
    assert.match(refused, /GW_SATURATED.*Your other large answers/s);
    for (const name of ['bob', 'carl', 'dora']) {
      assert.match(await ask(name, 20), /^HTTP\/1\.1 200 /, 'others are not in its way');
    }
    assert.match(await ask('emil', 20), /^HTTP\/1\.1 503 /, 'all together have a bound');
    for (const socket of slow.splice(0)) socket.destroy();
    await eventually('there is room again', async () => /^HTTP\/1\.1 200 /.test(await ask('alice', 31)));
    for (const socket of slow) socket.destroy();
  });
});

describe('the writing of a body', () => {
  /** A response over a real socket whose other side reads or does not. */
  async function open(): Promise<{ response: ServerResponse; socket: Socket } & AsyncDisposable> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const asked = once(server, 'request');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.pause();
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [, response] = (await asked) as [unknown, ServerResponse];
    return {
      response,
      socket,
      async [Symbol.asyncDispose]() {
        socket.destroy();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }
  const body = Buffer.alloc(32 * 1024 * 1024, 'x');

  it('goes as far as its reader takes it, and cuts who takes nothing for half a minute', async () => {
    await using rig = await open();
    const clock = createManualClock();
    const written = writeBody(rig.response, body, clock);
    const { socket } = rig.response;
    let before = -1;
    await eventually('nothing more is taken', () => {
      const now = socket?.bytesWritten ?? 0;
      const still = now === before && now > 0 && rig.response.writableNeedDrain;
      before = now;
      return still;
    });
    await clock.advance(29_999);
    assert.equal(rig.response.destroyed, false);
    await clock.advance(1);
    assert.equal(await written, false);
    assert.equal(rig.response.destroyed, true);
  });

  it('gives a reader that takes it all of it', async () => {
    await using rig = await open();
    let bytes = 0;
    rig.socket.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    rig.socket.resume();
    rig.response.writeHead(200, { 'content-length': body.length });
    assert.equal(await writeBody(rig.response, body, createManualClock()), true);
    await eventually('all of it is there', () => bytes > body.length);
    assert.equal(rig.response.writableFinished, true);
  });

  it('ends with a reader that leaves', async () => {
    await using rig = await open();
    const written = writeBody(rig.response, body, createManualClock());
    rig.socket.destroy();
    assert.equal(await written, true);
  });
});
