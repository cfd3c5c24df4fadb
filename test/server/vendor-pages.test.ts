import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { LARGEST_BYTES } from '../../src/server/vendor-page-passes.ts';
import { createRawServer, queueOf, type RawHandler, until } from '../upstream/rig.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createVendorRig, outcomeOf, PAGE } from './vendor-rig.ts';

const html = (body = 'hello', headers: readonly string[] = [], status = '200 OK'): string =>
  [
    `HTTP/1.1 ${status}`,
    'Content-Type: text/html',
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
const write =
  (text: string): RawHandler =>
  (socket) =>
    void socket.write(text);
const INVALID = '502 GW_UPSTREAM_INVALID';
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n';

describe('the vendor’s pages', () => {
  it('come from vovserver with headers of an allow-list and a policy of their own', async () => {
    const noise = ['Set-Cookie: a=b', 'Server: vov', 'X-Powered-By: x', 'Access-Control-Allow-Origin: *', 'Refresh: 0'];
    const kept = ['ETag: "v1"', 'Last-Modified: Wed, 25 Nov 2026 03:20:37 GMT', 'Cache-Control: public, max-age=99999'];
    const csp = ['Content-Security-Policy: default-src *', 'X-Frame-Options: ALLOWALL'];
    await using server = await createRawServer(write(html('hello', [...noise, ...kept, ...csp])));
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const answer = await rig.get();
    assert.equal(await answer.text(), 'hello');
    const {
      date,
      connection,
      'keep-alive': _alive,
      'content-security-policy': policy,
      ...headers
    } = Object.fromEntries(answer.headers);
    assert.ok(date && connection);
    assert.deepEqual(headers, {
      'cache-control': 'private, max-age=3600',
      'content-length': '5',
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-opener-policy': 'unsafe-none',
      etag: '"v1"',
      'last-modified': 'Wed, 25 Nov 2026 03:20:37 GMT',
      vary: 'Accept-Encoding, Cookie',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'x-request-id': 'rid-1',
    });
    const host = `127.0.0.1:${rig.port}`;
    assert.match(policy ?? '', new RegExp(`^default-src 'none'; .*connect-src ${host}/api/v3/ ${host}/html/; `));
    const [record] = rig.told.upstream;
    assert.deepEqual([record?.route, record?.method, record?.result], ['/html/*', 'GET', 200]);
  });

  it('are asked for with six headers of the caller and none that speaks of him or the connection', async () => {
    await using server = await createRawServer(write(html()));
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const sent = [
      `GET ${PAGE}?v=1.2 HTTP/1.1`,
      'Host: gateway.example',
      'Accept: text/html',
      'Accept-Encoding: gzip',
      'Accept-Language: de',
      'If-None-Match: "v0"',
      'If-Modified-Since: Wed, 25 Nov 2026 03:20:37 GMT',
      'User-Agent: browser',
      'Cookie: __Host-session=secret',
      'Authorization: Bearer secret',
      'Connection: close, X-Named',
      'X-Named: secret',
      'X-Forwarded-For: 192.0.2.1',
      'X-Original-URL: /vov/srvconfig.cgi',
      'Forwarded: for=192.0.2.1',
      'Referer: https://gateway.example/ui/tokens',
      'Range: bytes=0-1',
      'Expect: 100-continue',
      'TE: trailers',
      'Upgrade: websocket',
    ];
    const answer = await rig.raw(`${sent.join('\r\n')}\r\n\r\n`);
    assert.match(answer, /HTTP\/1\.1 200 OK/);
    const [request] = server.requests;
    assert.equal(request?.target, `${PAGE}?v=1.2`);
    assert.deepEqual(Object.fromEntries(request?.headers ?? []), {
      accept: 'text/html',
      'accept-encoding': 'gzip',
      'accept-language': 'de',
      'if-none-match': '"v0"',
      'if-modified-since': 'Wed, 25 Nov 2026 03:20:37 GMT',
      'user-agent': 'browser',
      host: `localhost:${server.port}`,
      connection: 'close',
    });
  });

  it('survive a Trailer header, which ends a process that runs the proxy middleware alone', async () => {
    await using server = await createRawServer(write(html()));
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    for (const header of ['Trailer: X', 'Trailer: Content-Length', 'TE: trailers\r\nTrailer: Host']) {
      const answer = await rig.raw(`GET ${PAGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 200 OK/);
    }
    const chunked = 'Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n';
    const withBody = await rig.raw(`GET ${PAGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${chunked}`);
    assert.match(withBody, /^HTTP\/1\.1 200 OK/);
    assert.ok(server.requests.every(({ headers, body }) => !headers.has('trailer') && body.length === 0));
    assert.equal(await outcomeOf(await rig.get()), '200');
  });

  it('answer HEAD without a body, and 304 to who has the page', async () => {
    await using server = await createRawServer((socket, request) => {
      const known = request.headers.has('if-none-match');
      if (known) socket.write('HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n');
      else socket.write(request.method === 'HEAD' ? `${HEAD}Content-Length: 5\r\n\r\n` : html());
    });
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const head = await rig.get(PAGE, {}, 'HEAD');
    assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '5', '']);
    const known = await rig.get(PAGE, { 'if-none-match': '"v1"' });
    assert.deepEqual([known.status, known.headers.get('etag'), await known.text()], [304, '"v1"', '']);
  });

  it('pass compressed bytes as they are, a bomb included', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    await using server = await createRawServer((socket) => {
      socket.write(`${HEAD}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`);
      socket.write(bomb);
    });
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const answer = await rig.raw(`GET ${PAGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /\r\nContent-Encoding: gzip\r\n/);
    assert.equal(answer.length - answer.indexOf('\r\n\r\n') - 4, bomb.length);
  });

  it('follow vovserver within its documentation, and nowhere else', async () => {
    const to = new Map([
      ['/html/a.html', '/html/b.html'],
      ['/html/b.html', 'c.html?v=2'],
      ['/html/c.html', 'https://evil.example/html/x.html'],
      ['/html/d.html', '//evil.example/html/x.html'],
      ['/html/e.html', '/vov/srvconfig.cgi'],
      ['/html/f.html', '/html/../project'],
      ['/html/g.html', 'javascript:alert(1)'],
      ['/html/h.html', 'http://user@localhost/html/x.html'],
    ]);
    await using server = await createRawServer((socket, { target }) => {
      socket.write(`HTTP/1.1 302 Found\r\nLocation: ${to.get(target)}\r\nContent-Length: 0\r\n\r\n`);
    });
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const seen: [string, string | null][] = [];
    for (const path of to.keys()) {
      const answer = await rig.get(path);
      seen.push([await outcomeOf(answer), answer.headers.get('location')]);
    }
    assert.deepEqual(seen.slice(0, 2), [
      ['302', '/html/b.html'],
      ['302', '/html/c.html?v=2'],
    ]);
    for (const [outcome, location] of seen.slice(2)) {
      assert.match(outcome, /^502 GW_UPSTREAM_INVALID$|^404 GW_NOT_FOUND$/);
      assert.equal(location, null);
    }
  });

  it('are refused with a clear reason when vovserver wants a login, has none, or is unwell', async () => {
    let status = '401 Unauthorized';
    await using server = await createRawServer((socket) =>
      socket.write(html('secret', ['WWW-Authenticate: Basic'], status)),
    );
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const outcomes: string[] = [];
    for (status of [
      '401 Unauthorized',
      '403 Forbidden',
      '404 Not Found',
      '500 Oops',
      '503 Busy',
      '204 None',
      '206 Part',
    ]) {
      outcomes.push(await outcomeOf(await rig.get()));
    }
    assert.deepEqual(outcomes, [
      INVALID,
      INVALID,
      '404 GW_NOT_FOUND',
      '503 GW_UPSTREAM_DOWN',
      '503 GW_UPSTREAM_DOWN',
      INVALID,
      INVALID,
    ]);
    assert.match(rig.errors[0]?.detail ?? '', /wants a sign-in of its own/);
  });
});

const cutAfter =
  (text: string, cut: (socket: Socket) => void): RawHandler =>
  (socket) =>
    socket.write(text, () => cut(socket));

const GONE = '503 GW_UPSTREAM_DOWN';

/** What a hostile or broken server does, and what the caller gets. `cut`: the connection ends within the body. */
const HOSTILE: readonly (readonly [name: string, act: RawHandler, outcome: string])[] = [
  ['status 099', write('HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'), INVALID],
  ['status 000', write('HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n'), INVALID],
  ['status 999', write('HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n'), INVALID],
  ['status of two digits', write('HTTP/1.1 20 Odd\r\nContent-Length: 0\r\n\r\n'), INVALID],
  ['no HTTP at all', write('+PONG\r\n'), INVALID],
  ['switching protocols', write('HTTP/1.1 101 Hm\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc'), INVALID],
  ['a header without colon', write('HTTP/1.1 200 OK\r\nbroken header\r\n\r\n'), INVALID],
  ['a NUL in a header', write('HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'), INVALID],
  ['huge headers', write(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`), INVALID],
  ['two lengths', write(`${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`), INVALID],
  ['length and chunks', write(`${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`), INVALID],
  ['a length beyond the cap', write(`${HEAD}Content-Length: ${LARGEST_BYTES + 1}\r\n\r\n`), INVALID],
  [
    'another type',
    write('HTTP/1.1 200 OK\r\nContent-Type: application/x-msdownload\r\nContent-Length: 2\r\n\r\nMZ'),
    INVALID,
  ],
  ['two types', write('HTTP/1.1 200 OK\r\nContent-Type: text/html, x/y\r\nContent-Length: 0\r\n\r\n'), INVALID],
  ['an odd character set', write('HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-7\r\n\r\n'), INVALID],
  ['an odd coding', write(`${HEAD}Content-Encoding: gzip, gzip\r\nContent-Length: 0\r\n\r\n`), INVALID],
  ['a redirect without a place', write('HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n'), INVALID],
  ['a flood of hints', cutAfter('HTTP/1.1 103 H\r\nLink: </x>\r\n\r\n'.repeat(300), (s) => s.destroy()), GONE],
  ['an end before the answer', (socket) => socket.end(), GONE],
  ['a reset before the answer', (socket) => void socket.resetAndDestroy(), GONE],
  ['an end in the headers', cutAfter('HTTP/1.1 200 OK\r\nContent-T', (s) => s.end()), GONE],
  ['an end in the body', cutAfter(`${HEAD}Content-Length: 100\r\n\r\nabc`, (s) => s.end()), 'cut'],
  ['a reset in the body', cutAfter(`${HEAD}Content-Length: 100\r\n\r\nabc`, (s) => s.resetAndDestroy()), 'cut'],
  ['an end in the chunks', cutAfter(`${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nabc`, (s) => s.end()), 'cut'],
  ['a broken chunk', write(`${HEAD}Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n`), 'cut'],
];

async function tryOutcome(answer: Promise<Response>): Promise<string> {
  const response = await answer.catch(() => null);
  if (response === null) return 'cut';
  return await outcomeOf(response).catch(() => 'cut');
}

describe('the vendor’s pages of a hostile server', () => {
  for (const [name, act, outcome] of HOSTILE) {
    it(`${name}: the process lives, the caller gets a clean ${outcome === 'cut' ? 'end' : 'error'}`, async () => {
      await using server = await createRawServer(act);
      await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
      assert.equal(await tryOutcome(rig.get()), outcome);
      assert.equal(await tryOutcome(rig.get()), outcome, 'and the next one, too');
      await eventually('no connection is left', () => server.sockets.size === 0);
    });
  }

  it('bytes after the answer are nobody’s answer', async () => {
    await using server = await createRawServer(write(html('first') + html('second')));
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    for (let i = 0; i < 3; i += 1) assert.equal(await (await rig.get()).text(), 'first');
    assert.equal(server.accepted, 3, 'each page has a connection of its own');
  });

  it('an endless body is cut at the cap', async () => {
    const piece = Buffer.alloc(65_536, 'x');
    await using server = await createRawServer((socket) => {
      socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
      const more = (): void => {
        while (!socket.destroyed && socket.write(`10000\r\n${piece.toString('latin1')}\r\n`));
        if (!socket.destroyed) socket.once('drain', more);
      };
      more();
    });
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const answer = await rig.get();
    let bytes = 0;
    await assert.rejects(async () => {
      for await (const chunk of answer.body ?? []) bytes += chunk.length;
    });
    assert.ok(bytes > 0 && bytes <= LARGEST_BYTES, `${bytes} bytes`);
    await eventually('the server is told', () => server.sockets.size === 0);
  });

  it('a server that never answers is given up after the time for headers', async () => {
    const clock = createManualClock();
    await using server = await createRawServer(() => undefined);
    await using rig = await createVendorRig({ queues: [queueOf(server.url, { timeouts: { headers: '5s' } })], clock });
    const answer = rig.get();
    await until(() => server.requests.length === 1);
    await clock.advance(5000);
    assert.equal(await outcomeOf(await answer), '504 GW_UPSTREAM_TIMEOUT');
    assert.equal(rig.told.upstream.at(-1)?.result, 'timeout');
    await eventually('no connection is left', () => server.sockets.size === 0);
  });

  it('a server that trickles is cut when the time is up', async () => {
    const clock = createManualClock();
    await using server = await createRawServer(write(`${HEAD}Content-Length: 100\r\n\r\nabc`));
    await using rig = await createVendorRig({ queues: [queueOf(server.url)], clock });
    const answer = await rig.get();
    await clock.advance(60_000);
    await assert.rejects(answer.text());
    await eventually('no connection is left', () => server.sockets.size === 0);
  });

  it('a caller that leaves takes its connection to vovserver along', async () => {
    await using server = await createRawServer(() => undefined);
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const leaving = new AbortController();
    const gone = fetch(`http://127.0.0.1:${rig.port}${PAGE}`, { signal: leaving.signal });
    await until(() => server.requests.length === 1);
    leaving.abort();
    await assert.rejects(gone);
    await eventually('no connection is left', () => server.sockets.size === 0);
    await eventually('it is told', () => rig.told.upstream.at(-1)?.result === 'aborted');
  });

  it('many at once open few connections, and all are answered', async () => {
    let most = 0;
    const waiting = new Set<Socket>();
    await using server = await createRawServer((socket) => {
      waiting.add(socket);
      most = Math.max(most, waiting.size);
      setTimeout(() => {
        waiting.delete(socket);
        socket.write(html());
      }, 10);
    });
    await using rig = await createVendorRig({ queues: [queueOf(server.url)] });
    const outcomes = await Promise.all(Array.from({ length: 40 }, async () => outcomeOf(await rig.get())));
    assert.ok(outcomes.every((outcome) => outcome === '200'));
    assert.ok(most <= 8, `${most} at once`);
  });
});
