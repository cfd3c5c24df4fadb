import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { HeldBytes } from '../../src/server/held-bytes.ts';
import { ByteBudget } from '../../src/upstream/index.ts';
import { eventually } from '../world/eventually.ts';
import { createWorld } from '../world/world.ts';

const isSaturated = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'GW_SATURATED' && error.retryAfter !== undefined;

describe('what an answer holds', () => {
  it('grows and shrinks within the budget, and is given back once', () => {
    const budget = new ByteBudget(100);
    const [one, two] = [new HeldBytes(budget), new HeldBytes(budget)];
    one.hold(60);
    two.hold(40);
    assert.throws(() => two.hold(41), isSaturated);
    one.hold(50);
    two.hold(50);
    one.release();
    one.release();
    one.hold(70);
    assert.equal(budget.taken, 50);
  });

  it('is held until the response is closed, or not at all when it is', () => {
    const budget = new ByteBudget(100);
    const response = Object.assign(new EventEmitter(), { closed: false });
    const held = new HeldBytes(budget);
    held.hold(10);
    held.releaseWith(response as unknown as ServerResponse);
    assert.equal(budget.taken, 10);
    response.emit('close');
    assert.equal(budget.taken, 0);
    const late = new HeldBytes(budget);
    late.hold(10);
    late.releaseWith({ closed: true } as ServerResponse);
    assert.equal(budget.taken, 0);
  });
});

describe('filtered answers that nobody reads', () => {
  it('are held up to a bound, then refused until there is room again', async () => {
    await using world = await createWorld({ config: { log: { level: 'error' }, jobs: { visibility: 'own' } } });
    const token = await world.token('alice');
    const rows = Array.from({ length: 15 }, (_, nth) => [100_000 + nth, 'alice', 'x'.repeat(1_000_000)]);
    const columns = ['IDINT', 'USER', 'COMMAND'].map((field, col) => ({ col, field }));
    const text = JSON.stringify({ startrow: 1, endrow: 15, columns, rows });
    world.vovserver.addFault({ kind: 'answer', status: 200, path: '/query', text });
    const slow: Socket[] = [];
    const ask = async (limit: number): Promise<string> => {
      const socket = connect(world.gateway.port, '127.0.0.1');
      slow.push(socket);
      const path = `/api/v3/query?select=idint,user,command&from=jobs&limit=${limit}`;
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
      const [head] = (await once(socket, 'data')) as [Buffer];
      socket.pause();
      return head.toString('latin1');
    };
    for (let nth = 0; nth < 4; nth += 1) assert.match(await ask(20 + nth), /^HTTP\/1\.1 200 /);
    const refused = await ask(30);
    assert.match(refused, /^HTTP\/1\.1 503 /);
    assert.match(refused, /^Retry-After: \d+\r$/im);
    assert.match(refused, /GW_SATURATED/);
    for (const socket of slow.splice(0)) socket.destroy();
    await eventually('there is room again', async () => /^HTTP\/1\.1 200 /.test(await ask(31)));
    for (const socket of slow) socket.destroy();
  });
});
