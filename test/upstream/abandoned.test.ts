import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/kernel/index.ts';
import { createCarrier, type Upstream } from '../../src/upstream/index.ts';
import { callOf } from './calls.ts';
import { createFakeGate } from './fake-gate.ts';
import { CONFIG } from './fake-upstream.ts';
import {
  countingCredential,
  createRawServer,
  createRig,
  createToldReport,
  queueOf,
  type RawRequest,
  reply,
  until,
} from './rig.ts';

/** A vovserver that works on each list until it is told, whoever has hung up meanwhile, and counts by itself. */
async function createWorking() {
  const lists: { socket: Socket; request: RawRequest; closed: boolean }[] = [];
  const counts = { begun: 0, peak: 0 };
  const server = await createRawServer((socket, request) => {
    const list = { socket, request, closed: false };
    socket.once('close', () => {
      list.closed = true;
    });
    lists.push(list);
    counts.peak = Math.max(counts.peak, lists.length);
  });
  return { server, lists, counts, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** A queue behind a carrier with so many turns, and the vovserver that works. */
async function createScene(limit: number, queue: object = {}) {
  const working = await createWorking();
  const gate = createFakeGate(limit);
  const rig = await createRig({
    queues: [queueOf(working.server.url, queue)],
    road: (upstream: Upstream) => {
      const report = { log: createToldReport().log, coalesced: () => undefined };
      const carrier = createCarrier({ upstream, gate, settings: () => CONFIG, clock: systemClock, report });
      return (...call) => {
        working.counts.begun += 1;
        return carrier.forward(...call);
      };
    },
  });
  const scene = {
    ...working,
    gate,
    rig,
    /** Somebody asks and hangs up once it is known that he asked. */
    async abandon(target: string, head = 'GET', rest = ''): Promise<void> {
      const nth = gate.asked.length;
      const caller = connect(rig.port, '127.0.0.1');
      caller.write(`${head} ${target} HTTP/1.1\r\nHost: x\r\n${rest}\r\n`);
      const at = working.server.requests.length;
      const goes = gate.open < gate.limit;
      await until(() => gate.asked.length > nth && (!goes || working.server.requests.length > at));
      caller.destroy();
      await until(() => gate.asked[nth]?.signal.aborted === true);
    },
    answer(body = '{}', status = '200 OK'): void {
      const list = working.lists.shift();
      if (list !== undefined) reply(list.socket, body, status);
    },
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await working[Symbol.asyncDispose]();
    },
  };
  return scene;
}

describe('reads whose callers hang up', () => {
  it('are never more under way at vovserver than may be, and their turns come back with the answers', async () => {
    await using scene = await createScene(2);
    for (let nth = 0; nth < 20; nth += 1) await scene.abandon(`/list/${nth}`);
    assert.equal(scene.counts.peak, 2);
    assert.equal(scene.gate.open, 2);
    const waiting = scene.rig.call({ target: '/wanted' });
    await until(() => scene.gate.waiting.size === 1);
    scene.answer();
    await until(() => scene.lists.some(({ request }) => request.target === '/wanted'));
    assert.equal(scene.counts.peak, 2);
    scene.answer();
    scene.answer('{"wanted":1}');
    assert.equal((await waiting).body.toString(), '{"wanted":1}');
    await until(() => scene.gate.open === 0);
    assert.equal(scene.server.requests.length, 3);
    assert.deepEqual(
      scene.gate.done.map(({ ok }) => ok),
      [null, null, true],
    );
    assert.ok(scene.gate.done.every(({ seconds }) => Number.isFinite(seconds)));
  });

  it('leave connections that others use, when their answers are short', async () => {
    await using scene = await createScene(2);
    for (let nth = 0; nth < 5; nth += 1) {
      await scene.abandon(`/list/${nth}`);
      scene.answer();
      await until(() => scene.gate.open === 0);
    }
    const wanted = scene.rig.call({ target: '/wanted' });
    await until(() => scene.lists.length === 1);
    scene.answer('{"wanted":1}');
    assert.equal((await wanted).body.toString(), '{"wanted":1}');
    assert.equal(scene.server.accepted, 1);
  });

  for (const [what, head] of [
    ['long', 'Content-Length: 10000000'],
    ['of unknown length', 'Transfer-Encoding: chunked'],
  ]) {
    it(`whose answer is ${what} end with its head`, async () => {
      await using scene = await createScene(1);
      await scene.abandon('/list');
      const [list] = scene.lists;
      list?.socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
      await until(() => scene.gate.open === 0 && list?.closed === true);
      assert.deepEqual([scene.rig.told.upstream.length, scene.rig.told.upstream[0]?.result], [1, 'aborted']);
    });
  }

  it('end amid a short answer that does not come to its end', async () => {
    await using scene = await createScene(1);
    await scene.abandon('/list');
    scene.lists[0]?.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
    await until(() => scene.gate.open === 0);
    assert.deepEqual(
      scene.gate.done.map(({ ok }) => ok),
      [null],
    );
    assert.equal(scene.server.requests.length, 1);
  });

  it('are not ended by interim answers', async () => {
    await using scene = await createScene(1);
    await scene.abandon('/list');
    scene.lists[0]?.socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n');
    const waiting = scene.rig.call({ target: '/wanted' });
    await until(() => scene.gate.waiting.size === 1);
    assert.equal(scene.gate.open, 1);
    scene.answer();
    await until(() => scene.lists.length === 1);
    scene.answer();
    assert.equal((await waiting).status, 200);
  });

  for (const timeouts of [{ total: '300ms' }, { headers: '300ms' }]) {
    it(`end when their time is over (${Object.keys(timeouts)})`, async () => {
      await using scene = await createScene(2, { timeouts });
      await scene.abandon('/list/1');
      await scene.abandon('/list/2');
      await until(() => scene.gate.open === 0);
      await until(() => scene.lists.every(({ closed }) => closed));
      assert.equal(scene.server.requests.length, 2);
      assert.deepEqual(
        scene.rig.told.upstream.map(({ result }) => result),
        ['timeout', 'timeout'],
      );
      assert.equal(scene.rig.told.open, 0);
    });
  }

  it('that vovserver never answers stop further calls, as those of callers who stay do', async () => {
    await using scene = await createScene(8, { timeouts: { headers: '300ms' } });
    for (let nth = 0; nth < 5; nth += 1) await scene.abandon(`/list/${nth}`);
    await until(() => scene.gate.open === 0);
    assert.ok(scene.gate.done.every(({ ok, seconds }) => ok === false && Number.isFinite(seconds)));
    assert.equal((await scene.rig.call()).code, 'GW_UPSTREAM_DOWN');
    assert.equal(scene.server.requests.length, 5);
  });

  it('that vovserver answers late stop nothing', async () => {
    await using scene = await createScene(8);
    for (let nth = 0; nth < 6; nth += 1) await scene.abandon(`/list/${nth}`);
    for (let nth = 0; nth < 6; nth += 1) scene.answer();
    await until(() => scene.gate.open === 0);
    const wanted = scene.rig.call();
    await until(() => scene.lists.length === 1);
    scene.answer();
    assert.equal((await wanted).status, 200);
  });

  it('are not sent again when their connection is lost or their JWT is dead', async () => {
    await using scene = await createScene(1);
    const first = scene.rig.call();
    await until(() => scene.lists.length === 1);
    scene.answer();
    await first;
    await scene.abandon('/lost');
    scene.lists.shift()?.socket.resetAndDestroy();
    await until(() => scene.gate.open === 0);
    await scene.abandon('/unauthorized');
    scene.answer('{}', '401 Unauthorized');
    await until(() => scene.gate.open === 0);
    assert.deepEqual(
      scene.server.requests.map(({ target }) => target),
      ['/api/v3/jobs/1', '/lost', '/unauthorized'],
    );
  });

  it('that were equal are one under way, and who comes then gets an answer of his own time', async () => {
    await using scene = await createScene(8);
    await scene.abandon('/list');
    const gone = Array.from({ length: 5 }, () => connect(scene.rig.port, '127.0.0.1'));
    for (const caller of gone) caller.write('GET /list HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => scene.counts.begun === 6);
    for (const caller of gone) caller.destroy();
    await until(() => scene.rig.errors.length === 5);
    const wanted = [scene.rig.call({ target: '/list' }), scene.rig.call({ target: '/list' })];
    await until(() => scene.counts.begun === 8);
    const other = scene.rig.call({ target: '/other' });
    await until(() => scene.lists.length === 2);
    assert.equal(scene.gate.open, 2);
    scene.answer('{"old":1}');
    scene.answer('{"other":1}');
    assert.equal((await other).body.toString(), '{"other":1}');
    await until(() => scene.lists.length === 1);
    scene.answer('{"new":1}');
    for (const answer of await Promise.all(wanted)) assert.equal(answer.body.toString(), '{"new":1}');
    assert.equal(scene.server.requests.length, 3);
    await until(() => scene.gate.open === 0);
  });

  it('that were shared by several are under way until their answer when all of them left', async () => {
    await using scene = await createScene(8);
    const first = scene.rig.call({ target: '/list' });
    await until(() => scene.lists.length === 1);
    const callers = Array.from({ length: 3 }, () => connect(scene.rig.port, '127.0.0.1'));
    for (const caller of callers) caller.write('GET /list HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => scene.counts.begun === 4);
    scene.answer();
    await first;
    await until(() => scene.lists.length === 1);
    for (const caller of callers) caller.destroy();
    await until(() => scene.rig.errors.length === 3);
    const late = scene.rig.call({ target: '/list' });
    await until(() => scene.counts.begun === 5);
    assert.deepEqual([scene.gate.open, scene.server.requests.length], [1, 2]);
    scene.answer('{"old":1}');
    await until(() => scene.server.requests.length === 3);
    scene.answer('{"late":1}');
    assert.equal((await late).body.toString(), '{"late":1}');
    await until(() => scene.gate.open === 0);
  });
});

describe('writes whose callers hang up', () => {
  it('are under way until the head of their answer', async () => {
    await using scene = await createScene(1);
    await scene.abandon('/stop', 'POST', 'Content-Length: 0\r\n');
    assert.equal(scene.gate.open, 1);
    scene.answer();
    await until(() => scene.gate.open === 0);
    assert.equal(scene.rig.told.upstream[0]?.result, 'aborted');
    assert.equal(scene.server.requests.length, 1);
  });

  it('end at once when a part of their body was still to come', async () => {
    await using server = await createRawServer(() => undefined);
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const caller = connect(rig.port, '127.0.0.1');
    caller.write('POST /put HTTP/1.1\r\nHost: x\r\nX-Test-Stream: 1000\r\nContent-Length: 100\r\n\r\nabc');
    await until(() => server.received[0]?.some((chunk) => chunk.includes('abc')) === true);
    caller.destroy();
    await until(() => server.sockets.size === 0 && rig.told.upstream.length === 1);
    assert.equal(server.requests.length, 0);
  });
});

describe('the end of the gateway', () => {
  for (const seeThrough of [false, true]) {
    it(`ends what is under way for nobody at once (seeThrough ${seeThrough})`, async () => {
      await using scene = await createScene(1);
      const gone = new AbortController();
      const call = callOf({ method: 'POST', signal: gone.signal, seeThrough });
      const asked = scene.rig.upstream.ask(call, countingCredential('alice'), 1000);
      const failed = assert.rejects(asked, { code: 'GW_OUTCOME_UNKNOWN' });
      await until(() => scene.lists.length === 1);
      gone.abort();
      assert.equal(scene.lists[0]?.closed, false);
      await scene.rig.upstream[Symbol.asyncDispose]();
      await failed;
      await until(() => scene.lists[0]?.closed === true);
    });
  }
});
