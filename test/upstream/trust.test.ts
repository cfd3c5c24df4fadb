import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { nameIn } from '../../src/upstream/queue-name.ts';
import { createSelfSigned } from '../../standin/certificates.ts';
import { createManualClock } from '../world/manual-clock.ts';
import {
  countingCredential,
  createRawServer,
  createRig,
  queueOf,
  type RawRequest,
  reply,
  tokenOf,
  until,
} from './rig.ts';

const NAME_PATH = '/api/v3/project/1/project';
const named = (name: string): string =>
  JSON.stringify({ startrow: 1, endrow: 1, errmsg: '', columns: [{ col: 0, field: 'project' }], rows: [[name]] });

/** A server that tells its name and answers everything else. */
const tells =
  (name: () => string) =>
  (socket: Socket, { target }: RawRequest): void =>
    reply(socket, target === NAME_PATH ? named(name()) : '{"row":1}');
const CHECK = { checkName: true };
const questions = (requests: readonly RawRequest[]): RawRequest[] =>
  requests.filter(({ target }) => target === NAME_PATH);

describe('the name of the queue', () => {
  it('is asked once, with the JWT of the first caller, before any call', async () => {
    await using server = await createRawServer(tells(() => 'night'));
    await using rig = await createRig({ queues: [queueOf(server.url, CHECK)] });
    const answers = await Promise.all(Array.from({ length: 10 }, (_, nth) => rig.call({ account: `user${nth}` })));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(questions(server.requests).length, 1);
    assert.equal(server.requests[0]?.target, NAME_PATH);
    assert.match(server.requests[0]?.headers.get('authorization') ?? '', /^Bearer:jwt-user\d$/);
  });

  it('that is another one keeps every call away, and is asked again after 5 s at the earliest', async () => {
    let name = 'day"<b>\n';
    await using server = await createRawServer(tells(() => name));
    const clock = createManualClock();
    await using rig = await createRig({ queues: [queueOf(server.url, CHECK)], clock });
    for (let round = 0; round < 3; round += 1) {
      const answer = await rig.call({ method: 'POST', body: '{}' });
      assert.deepEqual([answer.status, answer.code], [503, 'GW_UPSTREAM_WRONG_QUEUE']);
      assert.match(answer.detail ?? '', /the queue "day\\"<b>\?", not "night"/);
    }
    assert.equal(server.requests.length, 1);
    assert.equal(rig.upstream.status()[0]?.state, 'wrong_queue');
    name = 'night';
    await clock.advance(4000);
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_WRONG_QUEUE');
    await clock.advance(1000);
    assert.equal((await rig.call()).status, 200);
    assert.equal(rig.upstream.status()[0]?.state, 'up');
  });

  const NONSENSE = [
    ['HTML', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>', /an HTML page/],
    [
      'text',
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi',
      /text\/plain instead of JSON/,
    ],
    ['nothing', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', /no content type/],
    ['404', 'HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>', /status 404/],
    ['another shape', 'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"rows":[[]]}', /without a name/],
  ] as const;
  for (const [what, bytes, detail] of NONSENSE) {
    it(`cannot be ${what}: 502 with a clear detail`, async () => {
      await using server = await createRawServer((socket) => void socket.write(bytes));
      await using rig = await createRig({ queues: [queueOf(server.url, CHECK)] });
      const answer = await rig.call();
      assert.equal(answer.code, 'GW_UPSTREAM_INVALID');
      assert.match(answer.detail ?? '', detail);
      assert.equal((await rig.call()).code, 'GW_UPSTREAM_INVALID');
      assert.equal(server.requests.length, 1);
    });
  }

  it('is not given while vovserver answers 5xx: 503, asked again with the next call', async () => {
    let up = false;
    await using server = await createRawServer((socket, request) => {
      if (up) tells(() => 'night')(socket, request);
      else reply(socket, '{}', '503 Recovering');
    });
    await using rig = await createRig({ queues: [queueOf(server.url, CHECK)] });
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_DOWN');
    up = true;
    assert.equal((await rig.call()).status, 200);
  });

  it('is asked again after the server was down, so that another queue on its port gets no call', async () => {
    const first = await createRawServer(tells(() => 'night'));
    const more = { ...CHECK, failover: { probe: '20ms' } };
    await using rig = await createRig({ queues: [queueOf(`http://127.0.0.1:${first.port}`, more)] });
    assert.equal((await rig.call()).status, 200);
    await first[Symbol.asyncDispose]();
    assert.equal((await rig.call({ method: 'POST', body: '{}' })).code, 'GW_UPSTREAM_DOWN');
    await using second = await createRawServer(
      tells(() => 'day'),
      undefined,
      first.port,
    );
    await until(() => rig.upstream.status()[0]?.state !== 'down');
    assert.equal((await rig.call({ method: 'POST', body: '{}' })).code, 'GW_UPSTREAM_WRONG_QUEUE');
    assert.deepEqual(
      second.requests.map(({ target }) => target),
      [NAME_PATH],
    );
  });

  it('is asked again over a key that was not seen before, and not over one that was', async () => {
    const [one, two] = await Promise.all([createSelfSigned(), createSelfSigned()]);
    const options = ({ certPem, keyPem }: typeof one) => ({ cert: certPem, key: keyPem });
    await using server = await createRawServer(
      tells(() => 'night'),
      options(one),
    );
    const tls = { verify: 'none' };
    await using rig = await createRig({ queues: [queueOf(server.url, { ...CHECK, tls })] });
    for (const leaf of [one, two, one, two]) {
      server.setCertificate(options(leaf));
      for (const socket of server.sockets) socket.destroy();
      await until(() => rig.told.open === 0);
      assert.equal((await rig.call({ method: 'POST', body: '{}' })).status, 200);
    }
    assert.equal(questions(server.requests).length, 2);
  });

  it('is asked with a new JWT when the first one is rejected; other callers ask by themselves', async () => {
    await using server = await createRawServer((socket, request) => {
      const good = request.headers.get('authorization') === 'Bearer:jwt-bob';
      if (good) tells(() => 'night')(socket, request);
      else reply(socket, '{"error":"no"}', '401 Unauthorized');
    });
    const credential = (account: string) => ({
      get: () => tokenOf(`jwt-${account}`),
      renew: async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        throw new GatewayError('GW_CREDENTIAL_UNAVAILABLE', 'no password');
      },
    });
    await using rig = await createRig({ queues: [queueOf(server.url, CHECK)], credential });
    const [alice, bob] = await Promise.all([rig.call({ account: 'alice' }), rig.call({ account: 'bob' })]);
    assert.equal(alice?.code, 'GW_CREDENTIAL_UNAVAILABLE');
    assert.equal(bob?.status, 200);
  });

  it('counts as the one renewal of a call', async () => {
    const credential = countingCredential('alice');
    await using server = await createRawServer((socket, request) => {
      const good = request.headers.get('authorization') === 'Bearer:jwt-alice-1';
      if (good) tells(() => 'night')(socket, request);
      else reply(socket, '{"error":"no"}', '401 Unauthorized');
    });
    await using rig = await createRig({ queues: [queueOf(server.url, CHECK)], credential: () => credential });
    assert.equal((await rig.call()).status, 200);
    assert.equal(credential.renewals, 1);
    assert.equal(rig.results[0]?.renewed, true);
  });

  it('is read from the first cell only when nothing speaks against it', () => {
    const of = (value: unknown): string | null => nameIn(Buffer.from(JSON.stringify(value)));
    assert.equal(of({ rows: [['night']] }), 'night');
    assert.equal(of({ errmsg: '', errormsg: '', rows: [['night']] }), 'night');
    for (const wrong of [
      { errmsg: 'no', rows: [['night']] },
      { errormsg: 'no', rows: [['night']] },
      { rows: [[7]] },
      { rows: ['night'] },
      { rows: [] },
      { rows: 'night' },
      {},
      null,
      [],
      'night',
    ]) {
      assert.equal(of(wrong), null, JSON.stringify(wrong));
    }
    assert.equal(nameIn(Buffer.from('{"rows":[["night"]]')), null);
  });
});

describe('candidates', () => {
  it('are taken in order when one cannot be reached, and the one that answers stays', async () => {
    const dead = await createRawServer(tells(() => 'night'));
    await using spare = await createRawServer(tells(() => 'night'));
    const credential = countingCredential('alice');
    const urls = [`http://127.0.0.1:${dead.port}`, `http://127.0.0.1:${spare.port}`];
    await using rig = await createRig({ queues: [queueOf(urls, CHECK)], credential: () => credential });
    assert.equal((await rig.call()).status, 200);
    const before = rig.upstream.epoch('night');
    await dead[Symbol.asyncDispose]();
    assert.equal((await rig.call({ method: 'POST', body: '{}' })).status, 200);
    assert.notEqual(rig.upstream.epoch('night'), before);
    assert.equal(rig.upstream.status()[0]?.url, urls[1]);
    assert.equal(questions(spare.requests).length, 1);
    await using back = await createRawServer(
      tells(() => 'night'),
      undefined,
      dead.port,
    );
    assert.equal((await rig.call()).status, 200);
    assert.equal(back.requests.length, 0);
  });

  it('are looked at once each before the caller gets 503, and by no later call', async () => {
    const servers = await Promise.all([1, 2, 3].map(() => createRawServer(() => undefined)));
    const urls = servers.map(({ port }) => `http://127.0.0.1:${port}`);
    for (const server of servers) await server[Symbol.asyncDispose]();
    for (const checkName of [true, false]) {
      await using rig = await createRig({ queues: [queueOf(urls, { checkName })], clock: createManualClock() });
      for (let round = 0; round < 3; round += 1) {
        assert.equal((await rig.call({ method: 'POST', body: '{}' })).code, 'GW_UPSTREAM_DOWN');
      }
      const downs = rig.told.log.filter(({ fields }) => fields.event === 'upstream_down');
      assert.deepEqual(new Set(downs.map(({ fields }) => `http://${String(fields.host)}`)), new Set(urls));
      assert.equal(downs.length, 3);
      assert.equal(rig.told.upstream.length, checkName ? 0 : 1);
    }
  });

  it('have an epoch each, which names scheme, host and port', async () => {
    const epochs = new Set<string>();
    for (const url of ['http://a:1', 'http://a:2', 'http://b:1', 'https://a:1']) {
      await using rig = await createRig({ queues: [queueOf(url, { tls: { probe: '1h' } })] });
      epochs.add(rig.upstream.epoch('night'));
    }
    assert.equal(epochs.size, 4);
    await using rig = await createRig({ queues: [queueOf('http://a:1/')] });
    assert.ok(epochs.has(rig.upstream.epoch('night')));
  });
});
