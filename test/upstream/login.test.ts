import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Secret } from '../../src/kernel/index.ts';
import type { LoginAnswer } from '../../src/upstream/index.ts';
import { createRawServer, createRig, queueOf, type RawHandler, reply, until } from './rig.ts';

const PASSWORD = 'p&=+% ä"\u{1f511}';

async function loginAt(handler: RawHandler, more: object = {}): Promise<{ answer: LoginAnswer; log: string }> {
  await using server = await createRawServer(handler);
  await using rig = await createRig({ queues: [queueOf(server.url, more)] });
  const answer = await rig.upstream.login('night', 'alice', new Secret(PASSWORD));
  await until(() => server.sockets.size === 0);
  return { answer, log: JSON.stringify([rig.told, answer.kind === 'failed' ? { ...answer.error } : null]) };
}

const says = (body: string, status = '200 OK', type = 'application/json'): RawHandler => {
  return (socket) =>
    void socket.write(
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
};

describe('login', () => {
  it('posts user name and password form-encoded, on a connection of its own, and gives the token', async () => {
    await using server = await createRawServer((socket) => {
      reply(socket, '{"token_type":"Bearer","access_token":"a.b.c","expires_in":600}');
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answer = await rig.upstream.login('night', 'alice smith', new Secret(PASSWORD));
    assert.ok(answer.kind === 'ok');
    assert.deepEqual([answer.tokenType, answer.accessToken.reveal(), answer.expiresIn], ['Bearer', 'a.b.c', 600]);
    const [request] = server.requests;
    assert.deepEqual([request?.method, request?.target], ['POST', '/api/v3/token']);
    assert.equal(request?.headers.get('content-type'), 'application/x-www-form-urlencoded');
    assert.equal(request?.headers.has('authorization'), false);
    const form = new URLSearchParams(request?.body.toString());
    assert.deepEqual(
      [...form],
      [
        ['username', 'alice smith'],
        ['password', PASSWORD],
      ],
    );
    await until(() => server.sockets.size === 0);
  });

  it('carries every password unharmed', async () => {
    await using server = await createRawServer((socket, { body }) => {
      const password = new URLSearchParams(body.toString()).get('password') ?? '';
      const token = Buffer.from(password).toString('base64url');
      reply(socket, JSON.stringify({ token_type: 'Bearer', access_token: `x${token}` }));
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1 }), async (password) => {
        const answer = await rig.upstream.login('night', 'alice', new Secret(password));
        assert.ok(answer.kind === 'ok');
        assert.equal(Buffer.from(answer.accessToken.reveal().slice(1), 'base64url').toString(), password);
        assert.equal(answer.expiresIn, null);
      }),
      { numRuns: 50 },
    );
  });

  const rejected = [
    ['401 with JSON', says('{"error":"no"}', '401 Unauthorized'), 401],
    ['401 with HTML', says('<html>', '401 Unauthorized', 'text/html'), 401],
    ['401 with nothing', says('', '401 Unauthorized'), 401],
    ['403', says('{"error":"no"}', '403 Forbidden'), 403],
    ['400 with a JSON error', says('{"error":"no"}', '400 Bad Request'), 400],
  ] as const;
  for (const [what, handler, status] of rejected) {
    it(`takes ${what} as a verdict on the password`, async () => {
      const { answer } = await loginAt(handler);
      assert.deepEqual(answer, { kind: 'rejected', status });
    });
  }

  const failed: readonly (readonly [string, RawHandler, string, RegExp, object?])[] = [
    [
      '400 without a JSON error',
      says('Bad Request', '400 Bad Request', 'text/plain'),
      'GW_UPSTREAM_INVALID',
      /status 400/,
    ],
    ['404', says('<html>', '404 Not Found', 'text/html'), 'GW_UPSTREAM_INVALID', /HTML page \(status 404\)/],
    ['429', says('{"error":"slow"}', '429 Too Many'), 'GW_UPSTREAM_INVALID', /status 429/],
    ['500', says('{"error":"x"}', '500 Oh'), 'GW_UPSTREAM_DOWN', /status 500/],
    ['503', says('', '503 Recovering'), 'GW_UPSTREAM_DOWN', /status 503/],
    ['a redirect', says('', '302 Found'), 'GW_UPSTREAM_INVALID', /status 302/],
    ['200 with HTML', says('<html>login</html>', '200 OK', 'text/html'), 'GW_UPSTREAM_INVALID', /HTML page/],
    ['200 with half a JSON', says('{"token_type":'), 'GW_UPSTREAM_INVALID', /instead of JSON/],
    ['200 without a token', says('{"token_type":"Bearer"}'), 'GW_UPSTREAM_INVALID', /without token_type/],
    ['200 with null', says('null'), 'GW_UPSTREAM_INVALID', /instead of JSON/],
    [
      'a token that is a number',
      says('{"token_type":"Bearer","access_token":7}'),
      'GW_UPSTREAM_INVALID',
      /without token/,
    ],
    [
      'a token with a line break',
      says('{"token_type":"Bearer","access_token":"a\\r\\nX: y"}'),
      'GW_UPSTREAM_INVALID',
      /cannot stand/,
    ],
    [
      'a token type with a space',
      says('{"token_type":"Be arer","access_token":"a"}'),
      'GW_UPSTREAM_INVALID',
      /cannot stand/,
    ],
    ['more than 64 KiB', says(`{"x":"${'y'.repeat(70_000)}"}`), 'GW_UPSTREAM_INVALID', /ended early|no valid/],
    ['status 099', says('{}', '099 Odd'), 'GW_UPSTREAM_INVALID', /no valid HTTP/],
    ['a reset', (socket) => socket.destroy(), 'GW_UPSTREAM_DOWN', /without an answer/],
    ['no answer', () => undefined, 'GW_UPSTREAM_TIMEOUT', /time limit/, { timeouts: { login: '80ms' } }],
    [
      'an answer that trickles',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        const timer = setInterval(() => socket.write('X: y\r\n'), 10);
        socket.on('close', () => clearInterval(timer));
      },
      'GW_UPSTREAM_TIMEOUT',
      /time limit/,
      { timeouts: { login: '80ms' } },
    ],
  ];
  for (const [what, handler, code, detail, more] of failed) {
    it(`fails on ${what}, which is no verdict on the password`, async () => {
      const { answer, log } = await loginAt(handler, more);
      assert.ok(answer.kind === 'failed', answer.kind);
      assert.equal(answer.error.code, code);
      assert.match(answer.error.detail, detail);
      assert.ok(!log.includes(JSON.stringify(PASSWORD).slice(1, -1)) && !log.includes(encodeURIComponent(PASSWORD)));
    });
  }

  it('fails when vovserver cannot be reached, and for a queue that is not configured', async () => {
    const server = await createRawServer(() => undefined);
    await server[Symbol.asyncDispose]();
    await using rig = await createRig({ queues: [queueOf(`http://127.0.0.1:${server.port}`)] });
    const down = await rig.upstream.login('night', 'alice', new Secret('x'));
    assert.ok(down.kind === 'failed');
    assert.equal(down.error.code, 'GW_UPSTREAM_DOWN');
    const unknown = await rig.upstream.login('day', 'alice', new Secret('x'));
    assert.ok(unknown.kind === 'failed');
    assert.equal(unknown.error.code, 'GW_INTERNAL');
  });

  it('ends when it is given up', async () => {
    await using server = await createRawServer(() => undefined);
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const stop = new AbortController();
    const pending = rig.upstream.login('night', 'alice', new Secret('x'), stop.signal);
    await until(() => server.requests.length === 1);
    stop.abort();
    assert.equal((await pending).kind, 'failed');
    await until(() => server.sockets.size === 0);
    assert.equal((await rig.upstream.login('night', 'alice', new Secret('x'), stop.signal)).kind, 'failed');
    assert.equal(server.requests.length, 1);
  });

  it('sends no password to a server that said it is another queue', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{"rows":[["day"]]}'));
    await using rig = await createRig({ queues: [queueOf(server.url, { checkName: true })] });
    assert.equal((await rig.call()).code, 'GW_UPSTREAM_WRONG_QUEUE');
    const answer = await rig.upstream.login('night', 'alice', new Secret('x'));
    assert.ok(answer.kind === 'failed');
    assert.equal(answer.error.code, 'GW_UPSTREAM_WRONG_QUEUE');
    assert.equal(server.requests.length, 1);
  });
});
