import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { createRawServer, createRig, queueOf, type RawRequest, reply, until } from './rig.ts';

function openPost(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.write('POST /leaving HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  return socket;
}

const accountOf = ({ headers }: RawRequest): string => (headers.get('authorization') ?? '').replace('Bearer:jwt-', '');

/** A server that holds every answer back until `flush`. */
async function createHoldingServer() {
  const held: { socket: Socket; request: RawRequest }[] = [];
  const server = await createRawServer((socket, request) => held.push({ socket, request }));
  const flush = (count = held.length): void => {
    for (const { socket, request } of held.splice(0, count)) reply(socket, accountOf(request));
  };
  return { server, held, flush, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe('connections', () => {
  it('are kept alive and used again by the same account only', async () => {
    const byConnection = new Map<Socket, Set<string>>();
    await using server = await createRawServer((socket, request) => {
      const accounts = byConnection.get(socket) ?? new Set();
      byConnection.set(socket, accounts.add(accountOf(request)));
      reply(socket, '{}');
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    for (let round = 0; round < 5; round += 1) {
      for (const account of ['alice', 'bob', 'carol']) assert.equal((await rig.call({ account })).status, 200);
    }
    assert.equal(server.accepted, 3);
    for (const accounts of byConnection.values()) assert.equal(accounts.size, 1);
    assert.equal(rig.told.open, 3);
  });

  it('are at most perAccount for one account; the others wait and all are answered', async () => {
    await using holding = await createHoldingServer();
    const { server, held, flush } = holding;
    await using rig = await createRig({ queues: [queueOf(server.url, { connections: { perAccount: 3 } })] });
    const calls = Array.from({ length: 10 }, () => rig.call());
    let answered = 0;
    for (const call of calls) void call.then(() => (answered += 1));
    await until(() => held.length === 3);
    assert.equal(server.accepted, 3);
    while (answered < 10) {
      flush();
      await until(() => held.length > 0 || answered === 10);
      assert.ok(held.length <= 3);
    }
    for (const { status } of await Promise.all(calls)) assert.equal(status, 200);
    assert.equal(server.accepted, 3);
  });

  it('are at most total for all accounts, one request at a time on each', async () => {
    await using holding = await createHoldingServer();
    const { server, held, flush } = holding;
    const connections = { perAccount: 2, total: 4 };
    await using rig = await createRig({ queues: [queueOf(server.url, { connections })] });
    const calls = Array.from({ length: 20 }, (_, nth) => rig.call({ account: `user${nth % 10}` }));
    const all = Promise.all(calls);
    let done = false;
    void all.then(() => {
      done = true;
    });
    while (!done) {
      await until(() => held.length > 0 || done);
      assert.ok(held.length <= 4);
      assert.ok(server.sockets.size <= 4 + 1, 'one may still be closing');
      flush(1);
    }
    (await all).forEach((answer, nth) => {
      assert.equal(answer.body.toString(), `user${nth % 10}`);
    });
    assert.ok(rig.told.peak <= 5);
  });

  it('of the idlest account are closed first when the total is reached', async () => {
    const sockets = new Map<string, Socket>();
    await using server = await createRawServer((socket, request) => {
      sockets.set(accountOf(request), socket);
      reply(socket, '{}');
    });
    await using rig = await createRig({ queues: [queueOf(server.url, { connections: { total: 3 } })] });
    for (const account of ['old', 'middle', 'young', 'old']) await rig.call({ account });
    await rig.call({ account: 'new' });
    await until(() => sockets.get('middle')?.destroyed === true);
    assert.equal(sockets.get('old')?.destroyed, false);
    assert.equal(sockets.get('young')?.destroyed, false);
    assert.equal(server.accepted, 4);
  });

  it('are closed after the idle time', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url, { connections: { idle: '50ms' } })] });
    await rig.call();
    await until(() => server.sockets.size === 0);
    await until(() => rig.told.open === 0);
  });

  it('are not kept longer than the server says', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}', '200 OK', ['Keep-Alive: timeout=1']));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    await rig.call();
    await until(() => server.sockets.size === 0);
  });

  it('that the server closes after each answer cost no call', async () => {
    await using server = await createRawServer((socket) => {
      reply(socket, '{}', '200 OK', ['Connection: close']);
      socket.end();
    });
    await using rig = await createRig({ queues: [queueOf(server.url, { connections: { perAccount: 2 } })] });
    const answers = await Promise.all(Array.from({ length: 50 }, () => rig.call({ method: 'POST', body: '{}' })));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(server.requests.length, 50);
  });

  it('that the server closes silently while idle cost no call, not even a POST', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    for (let round = 0; round < 30; round += 1) {
      const answer = await rig.call({ method: 'POST', body: '{}' });
      assert.equal(answer.status, 200, `${round} ${answer.code}`);
      for (const socket of server.sockets) socket.end();
      // The close is under way, but not necessarily seen, when the next call starts.
      if (round % 2 === 0) await until(() => rig.told.open === 0);
    }
    assert.equal(server.requests.length, 30);
  });

  it('wait in vain no longer than the time limit, and the caller may leave the queue', async () => {
    await using holding = await createHoldingServer();
    const { server, held } = holding;
    const more = { connections: { perAccount: 1 }, timeouts: { headers: '900ms', connect: '100ms', total: '300ms' } };
    await using rig = await createRig({ queues: [queueOf(server.url, more)] });
    const first = rig.call();
    await until(() => held.length === 1);
    const second = await rig.call({ method: 'POST', body: '{}' });
    assert.equal(second.code, 'GW_UPSTREAM_DOWN');
    assert.match(second.detail ?? '', /nothing was executed/);
    assert.equal((await first).code, 'GW_UPSTREAM_TIMEOUT');
    assert.equal(server.requests.length, 1);
  });

  it('are not given to a caller who left while he waited', async () => {
    await using holding = await createHoldingServer();
    const { server, held, flush } = holding;
    await using rig = await createRig({ queues: [queueOf(server.url, { connections: { perAccount: 1 } })] });
    const first = rig.call();
    await until(() => held.length === 1);
    const leaving = openPost(rig.port);
    const third = rig.call({ target: '/third' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    leaving.destroy();
    await until(() => rig.errors.length === 1);
    flush();
    await until(() => held.length === 1);
    flush();
    assert.deepEqual([(await first).status, (await third).status], [200, 200]);
    assert.deepEqual(
      server.requests.map(({ method, target }) => `${method} ${target}`),
      ['GET /api/v3/jobs/1', 'GET /third'],
    );
  });

  it('reach a server by IPv6 and by name, with the Host that belongs to it', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    for (const host of ['[::1]', '127.0.0.1', 'localhost']) {
      await using rig = await createRig({ queues: [queueOf(`http://${host}:${server.port}`)] });
      assert.equal((await rig.call()).status, 200, host);
      assert.equal(server.requests.at(-1)?.headers.get('host'), `${host}:${server.port}`);
    }
  });
});

describe('bytes that nobody asked for', () => {
  const FOREIGN = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign';

  it('on an idle connection end it, and the next call does not get them', async () => {
    await using server = await createRawServer((socket, request) => reply(socket, accountOf(request)));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    for (let round = 0; round < 20; round += 1) {
      assert.equal((await rig.call()).body.toString(), 'alice');
      for (const socket of server.sockets) socket.write(FOREIGN);
      if (round % 2 === 0) await until(() => server.sockets.size === 0);
      else await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(server.accepted, 20);
  });

  it('right behind an answer end the connection', async () => {
    await using server = await createRawServer((socket, request) => {
      const own = accountOf(request);
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${own.length}\r\n\r\n${own}${FOREIGN}`);
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    for (let round = 0; round < 20; round += 1) assert.equal((await rig.call()).body.toString(), 'alice');
    assert.equal(server.accepted, 20);
  });

  it('never reach another account: 0 foreign answers in a race over 20 accounts', async () => {
    // The worst case: each answer is followed, a moment later, by a second one that carries the account's own name.
    await using server = await createRawServer((socket, request) => {
      const own = accountOf(request);
      reply(socket, own);
      setImmediate(() => {
        if (!socket.destroyed) reply(socket, own);
      });
    });
    const connections = { perAccount: 2, total: 16 };
    await using rig = await createRig({ queues: [queueOf(server.url, { connections })] });
    let foreign = 0;
    let own = 0;
    const poll = async (account: string): Promise<void> => {
      for (let round = 0; round < 50; round += 1) {
        const answer = await rig.call({ account });
        if (answer.body.toString() === account) own += 1;
        else if (/^user/.test(answer.body.toString())) foreign += 1;
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, nth) => poll(`user${nth}`)));
    assert.equal(foreign, 0);
    assert.ok(own > 900, `${own} of 1000 calls got their answer`);
  });
});
