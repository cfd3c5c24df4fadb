import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { createUpstream } from '../../src/upstream/index.ts';
import { createStrangers } from '../../src/upstream/strangers.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createRawServer, createToldReport, queueOf, type RawServer, reply } from './rig.ts';

const TOKEN = '{"token_type":"Bearer","access_token":"jwt"}';

/** What a server that is no vovserver of the queue, or not well, answers to a password. */
const ANSWERS: Readonly<Record<string, (socket: Socket) => void>> = {
  'a password is wrong': (socket) => reply(socket, '{"error":"no"}', '401 Unauthorized'),
  'a privilege is missing': (socket) => reply(socket, '{"error":"no"}', '403 Forbidden'),
  'bad request': (socket) => reply(socket, '{}', '400 Bad Request'),
  'no such page': (socket) => reply(socket, '<html>', '404 Not Found', ['X-Page: html']),
  'a redirection': (socket) => reply(socket, '', '302 Found', ['Location: /login']),
  'an error': (socket) => reply(socket, '{}', '500 Internal Server Error'),
  'not available': (socket) => reply(socket, '{}', '503 Service Unavailable'),
  'a page of HTML': (socket) => reply(socket, '<html>'),
  'no token': (socket) => reply(socket, '{}'),
  'a token, and no name for it': (socket) => reply(socket, TOKEN),
  'the end of the connection': (socket) => void socket.destroy(),
  'half an answer': (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"token'),
};

async function deadUrl(): Promise<string> {
  await using server = await createRawServer(() => undefined);
  return `http://127.0.0.1:${server.port}`;
}

/** A queue whose first server is away and whose second one is `stranger`; gives what logs an account in. */
async function createScene({ port }: RawServer, more: object = {}) {
  const clock = createManualClock();
  const urls = [await deadUrl(), `http://127.0.0.1:${port}`];
  const upstream = createUpstream({
    queues: [queueOf(urls, { checkName: true, ...more })],
    report: createToldReport(),
    clock,
  });
  const login = (user: string) => upstream.login('night', user, new Secret(`password of ${user}`));
  return { clock, login, [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose]() };
}

const createStranger = (answer: (socket: Socket) => void): Promise<RawServer> =>
  createRawServer((socket, { method }) => {
    if (method === 'POST') answer(socket);
    else reply(socket, '{}', '401 Unauthorized');
  });

const passwords = ({ requests }: RawServer): number => requests.filter(({ method }) => method === 'POST').length;

describe('a server that has not told its name gets two passwords at most when it answers', () => {
  for (const [what, answer] of Object.entries(ANSWERS)) {
    it(`${what}, to one after the other`, async () => {
      await using stranger = await createStranger(answer);
      await using scene = await createScene(stranger);
      for (let nth = 0; nth < 8; nth += 1) await scene.login(`user${nth}`);
      assert.equal(passwords(stranger), 2);
    });

    it(`${what}, to many at once`, async () => {
      await using stranger = await createStranger(answer);
      await using scene = await createScene(stranger);
      await Promise.all(Array.from({ length: 8 }, (_, nth) => scene.login(`user${nth}`)));
      assert.equal(passwords(stranger), 2);
    });
  }

  it('nothing in time', async () => {
    await using stranger = await createStranger(() => undefined);
    await using scene = await createScene(stranger);
    for (let nth = 0; nth < 5; nth += 1) {
      const before = passwords(stranger);
      const login = scene.login(`user${nth}`);
      const ended = { yet: false };
      void login.finally(() => {
        ended.yet = true;
      });
      await eventually('it was sent, or kept back', () => passwords(stranger) > before || ended.yet);
      await scene.clock.advance(10_000);
      assert.equal((await login).kind, 'failed');
      // Not long enough for another look at the server.
      if (passwords(stranger) === 2) break;
    }
    for (let nth = 5; nth < 9; nth += 1) assert.equal((await scene.login(`user${nth}`)).kind, 'failed');
    assert.equal(passwords(stranger), 2);
  });
});

describe('a server that tells its name', () => {
  it('gets every password, whatever it answered before to one', async () => {
    let well = false;
    await using server = await createRawServer((socket, { method, headers }) => {
      if (method === 'POST') return well ? reply(socket, TOKEN) : reply(socket, '{}', '503 Service Unavailable');
      if (!headers.has('authorization')) return reply(socket, '{}', '401 Unauthorized');
      reply(socket, '{"errmsg":"","rows":[["night"]]}');
    });
    await using scene = await createScene(server);
    assert.equal((await scene.login('alice')).kind, 'failed');
    well = true;
    for (const user of ['alice', 'bob', 'carol']) assert.equal((await scene.login(user)).kind, 'ok');
  });
});

describe('what is known of a server that has not told its name', () => {
  it('is that two were in vain, and whose password it rejected', () => {
    const strangers = createStrangers({ clock: createManualClock(), isChosen: () => false });
    assert.equal(strangers.rejected('alice'), null);
    assert.equal(strangers.rejected('bob'), 'leave');
    assert.deepEqual([strangers.hasRejected('alice'), strangers.hasRejected('carol')], [true, false]);
    assert.equal(strangers.unproven(), null);
    strangers.known();
    assert.equal(strangers.hasRejected('alice'), false);
    assert.equal(strangers.strange(), null);
    assert.equal(strangers.unproven(), 'leave');
  });

  it('is for five minutes whose password it rejected, so that nobody is locked out for ever', async () => {
    const clock = createManualClock();
    const strangers = createStrangers({ clock, isChosen: () => false });
    strangers.rejected('alice');
    await clock.advance(299_999);
    assert.ok(strangers.hasRejected('alice'));
    await clock.advance(1);
    assert.ok(!strangers.hasRejected('alice'));
    assert.equal(strangers.rejected('alice'), 'leave', 'it counts again');
  });

  it('is of a chosen one how many accounts it turned away, each once; it rests longer and longer', () => {
    const strangers = createStrangers({ clock: createManualClock(), isChosen: () => true });
    const told = ['a', 'b', 'a', 'c', 'a', 'd'].map((account) => strangers.rejected(account));
    assert.deepEqual(new Set(told), new Set([null]));
    assert.equal(strangers.rejected('e'), 'rest');
    assert.deepEqual(
      Array.from({ length: 6 }, () => strangers.rest()),
      [20_000, 40_000, 80_000, 160_000, 300_000, 300_000],
    );
    strangers.known();
    assert.equal(strangers.rest(), 20_000);
  });

  it('is of a chosen one, too, that it answers as no vovserver does: then others are tried', () => {
    const strangers = createStrangers({ clock: createManualClock(), isChosen: () => true });
    assert.deepEqual([strangers.strange(), strangers.rejected('a'), strangers.strange()], [null, null, 'leave']);
  });
});
