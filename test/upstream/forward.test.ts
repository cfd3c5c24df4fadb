import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import type { Credential } from '../../src/upstream/index.ts';
import { countingCredential, createRawServer, createRig, queueOf, reply, tokenOf, until } from './rig.ts';

describe('what goes to vovserver', () => {
  it('is exactly the request line, the allowed headers and the gateway’s own', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    await rig.call({
      target: '/api/v3/query?select=id,user&where=a%20b',
      headers: {
        accept: 'application/json',
        authorization: 'Bearer caller-secret',
        cookie: 'session=secret',
        'user-agent': 'vov_rest/1.0',
        'x-forwarded-for': '1.2.3.4',
        x_request_id: 'twin',
        te: 'trailers',
      },
    });
    assert.equal(
      server.received[0]?.join(''),
      [
        'GET /api/v3/query?select=id,user&where=a%20b HTTP/1.1',
        `host: localhost:${server.port}`,
        'connection: keep-alive',
        'accept: application/json',
        'user-agent: vov_rest/1.0',
        'accept-encoding: identity',
        'authorization: Bearer:jwt-alice',
        'x-request-id: rid-1',
        'traceparent: 00-11111111111111111111111111111111-2222222222222222-01',
        '',
        '',
      ].join('\r\n'),
    );
  });

  it('has one Content-Length and the bytes of a body from memory', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{"jobid":7}', '201 Created'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const body = '{"command":"sleep 1","priority,sched":4}';
    const answer = await rig.call({ method: 'POST', body, headers: { 'content-type': 'application/json' } });
    assert.equal(answer.status, 201);
    const [request] = server.requests;
    assert.equal(request?.body.toString(), body);
    assert.equal(request?.head.match(/content-length: 40\b/gi)?.length, 1);
    assert.equal(request?.headers.get('content-type'), 'application/json');
    assert.equal(request?.headers.has('transfer-encoding'), false);
  });

  it('says Content-Length 0 for a POST without a body and none for a GET', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    await rig.call({ method: 'POST' });
    await rig.call();
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.get('content-length')),
      ['0', undefined],
    );
  });

  it('streams a body of stated length, and a chunked one, one request each', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    await rig.call({
      method: 'POST',
      body: 'x'.repeat(100_000),
      headers: { 'content-length': '100000' },
      streamUpTo: 100_000,
    });
    const caller = connect(rig.port, '127.0.0.1');
    const head = 'POST /api/v3/jobs HTTP/1.1\r\nHost: x\r\nX-Test-Stream: 100\r\nTransfer-Encoding: chunked\r\n\r\n';
    caller.write(`${head}3\r\nabc\r\n`);
    await until(() => server.received.flat().join('').includes('abc'));
    caller.write('3;ext=1\r\ndef\r\n0\r\nTrailer: x\r\n\r\n');
    await until(() => server.requests.length === 2);
    caller.destroy();
    assert.equal(server.requests[0]?.body.length, 100_000);
    assert.equal(server.requests[0]?.headers.get('content-length'), '100000');
    assert.equal(server.requests[1]?.headers.get('transfer-encoding'), 'chunked');
    assert.equal(server.requests[1]?.headers.get('content-length'), undefined);
    assert.equal(server.requests[1]?.body.toString(), '3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n');
    assert.equal(server.requests.length, 2);
  });

  it('uses the space form when the queue says so', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url, { authorization: 'space' })] });
    await rig.call();
    assert.equal(server.requests[0]?.headers.get('authorization'), 'Bearer jwt-alice');
  });

  it('refuses a streamed body over its limit before and while it is sent', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const stated = { method: 'POST', body: 'x'.repeat(50), headers: { 'content-length': '50' }, streamUpTo: 10 };
    assert.equal((await rig.call(stated)).code, 'GW_BODY_TOO_LARGE');
    assert.equal(server.accepted, 0, 'nothing was sent');
    const chunked = {
      method: 'POST',
      body: 'x'.repeat(50),
      headers: { 'transfer-encoding': 'chunked' },
      streamUpTo: 10,
    };
    assert.equal((await rig.call(chunked)).code, 'GW_BODY_TOO_LARGE');
    assert.equal(server.requests.length, 0, 'no complete request arrived');
  });
});

describe('what comes to the caller', () => {
  it('is status, body and the allowed headers, beside what the server had set', async () => {
    const upstreamHeaders = [
      'Set-Cookie: a=b',
      'Server: vovserver',
      'X-Powered-By: x',
      'X-Frame-Options: ALLOW',
      'WWW-Authenticate: Basic',
      'Access-Control-Allow-Origin: *',
      'ETag: "1"',
      'Cache-Control: no-store',
      'Keep-Alive: timeout=5',
      'Retry-After: 3',
    ];
    await using server = await createRawServer((socket) => reply(socket, '{"a":1}', '418 Teapot', upstreamHeaders));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answer = await rig.call();
    assert.equal(answer.status, 418);
    assert.equal(answer.body.toString(), '{"a":1}');
    assert.equal(answer.headers['x-frame-options'], 'DENY');
    assert.equal(answer.headers['x-request-id'], 'rid-0');
    assert.equal(answer.headers.etag, '"1"');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(answer.headers['retry-after'], '3');
    assert.equal(answer.headers['content-length'], '7');
    for (const name of ['set-cookie', 'server', 'x-powered-by', 'www-authenticate', 'access-control-allow-origin']) {
      assert.equal(answer.headers[name], undefined, name);
    }
    assert.deepEqual(rig.results[0], {
      status: 418,
      bytesOut: 7,
      seconds: rig.results[0]?.seconds,
      renewed: false,
      complete: true,
    });
  });

  it('is a HEAD answer with its length and no body', async () => {
    await using server = await createRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1234\r\n\r\n');
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answer = await rig.call({ method: 'HEAD' });
    assert.deepEqual([answer.status, answer.headers['content-length'], answer.body.length], [200, '1234', 0]);
  });

  it('is never a redirect, and never a page that a browser would run', async () => {
    for (const location of ['/api/v3/jobs/2?x=1', '/ui/tokens', 'https://evil.example/']) {
      await using server = await createRawServer((socket) => reply(socket, '', '307 Away', [`Location: ${location}`]));
      await using rig = await createRig({ queues: [queueOf(server.url)] });
      const answer = await rig.call();
      assert.deepEqual([answer.status, answer.code, answer.headers.location], [502, 'GW_UPSTREAM_INVALID', undefined]);
    }
    const html = '<script>alert(1)</script>';
    await using server = await createRawServer((socket) => {
      socket.write(
        `HTTP/1.1 500 No\r\nContent-Type: Text/HTML; charset=utf-8\r\nContent-Length: ${html.length}\r\n\r\n${html}`,
      );
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answer = await rig.call();
    assert.deepEqual([answer.status, answer.headers['content-type']], [500, 'text/plain; charset=utf-8']);
    assert.equal(answer.body.toString(), html);
  });

  it('is never vovserver’s own 401', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{"error":"no"}', '401 Unauthorized'));
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answer = await rig.call();
    assert.equal(answer.code, 'GW_CREDENTIAL_UNAVAILABLE');
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['www-authenticate'], undefined);
    assert.equal(server.requests.length, 2);
  });
});

describe('a JWT that vovserver rejects', () => {
  const rejecting = (good: string) =>
    createRawServer((socket, { headers }) => {
      if (headers.get('authorization') === `Bearer:${good}`) reply(socket, '{"ok":1}');
      else reply(socket, '{"error":"expired"}', '401 Unauthorized');
    });

  it('is renewed once and the call sent again, with its body', async () => {
    await using server = await rejecting('jwt-alice-1');
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const answer = await rig.call({ method: 'POST', body: '{"command":"x"}' });
    assert.equal(answer.body.toString(), '{"ok":1}');
    assert.equal(rig.results[0]?.renewed, true);
    assert.deepEqual(
      server.requests.map(({ body }) => body.toString()),
      ['{"command":"x"}', '{"command":"x"}'],
    );
    assert.equal(server.accepted, 1, 'the connection of the 401 is kept');
  });

  it('answers 503 with Retry-After for a streamed body, with the JWT renewed for the next try', async () => {
    await using server = await rejecting('jwt-alice-1');
    const credential = countingCredential('alice');
    await using rig = await createRig({ queues: [queueOf(server.url)], credential: () => credential });
    const post = { method: 'POST', body: 'abc', headers: { 'content-length': '3' }, streamUpTo: 10 };
    const first = await rig.call(post);
    assert.deepEqual([first.status, first.headers['retry-after'], first.code], [503, '1', 'GW_CREDENTIAL_UNAVAILABLE']);
    assert.equal((await rig.call(post)).status, 200);
    assert.equal(credential.renewals, 1);
  });

  it('is taken as rejected though the body of the 401 is endless or breaks off', async () => {
    for (const act of ['endless', 'broken'] as const) {
      await using server = await createRawServer((socket, { headers }) => {
        if (headers.get('authorization') === 'Bearer:jwt-alice-1') return reply(socket, '{"ok":1}');
        socket.write('HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n');
        if (act === 'broken') socket.end('5\r\nabc');
        else socket.write(`20000\r\n${'x'.repeat(0x20000)}\r\n`);
      });
      await using rig = await createRig({ queues: [queueOf(server.url)] });
      assert.equal((await rig.call({ method: 'POST', body: '{}' })).status, 200, act);
    }
  });

  it('gives the error of the credential when there is no other JWT', async () => {
    await using server = await rejecting('none');
    const credential: Credential = {
      get: async () => tokenOf('old'),
      renew: () => Promise.reject(new GatewayError('GW_CREDENTIAL_UNAVAILABLE', 'The password was rejected.')),
    };
    await using rig = await createRig({ queues: [queueOf(server.url)], credential: () => credential });
    assert.equal((await rig.call()).detail, 'The password was rejected.');
    assert.equal(server.requests.length, 1);
  });
});

describe('streaming', () => {
  it('passes a large body unchanged and stops reading while the caller does not read', async () => {
    const size = 64 * 1024 * 1024;
    const piece = Buffer.alloc(64 * 1024, 'ab');
    let written = 0;
    await using server = await createRawServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const more = (): void => {
        while (written < size) {
          written += piece.length;
          if (!socket.write(piece)) return void socket.once('drain', more);
        }
      };
      more();
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const caller = connect(rig.port, '127.0.0.1');
    caller.write('GET /api/v3/query HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let seen = -1;
    // Nobody reads: what was written must come to a standstill far below the size.
    while (seen !== written) {
      seen = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(written > 0 && written < size / 2, `${written} bytes were taken from vovserver`);
    let got = 0;
    let wrong = 0;
    let head = '';
    for await (const chunk of caller as AsyncIterable<Buffer>) {
      let body = chunk;
      if (!head.endsWith('\r\n\r\n')) {
        const at = chunk.indexOf('\r\n\r\n');
        head += chunk.subarray(0, at + 4).toString('latin1');
        body = chunk.subarray(at + 4);
      }
      for (let at = 0; at < body.length; at += 4096) {
        if (body[at] !== ((got + at) % 2 === 0 ? 0x61 : 0x62)) wrong += 1;
      }
      got += body.length;
    }
    assert.deepEqual([got, wrong], [size, 0]);
    assert.equal(rig.results[0]?.complete, true);
    assert.equal(rig.results[0]?.bytesOut, size);
  });

  it('passes the first piece on before the last is there', async () => {
    let finish = (): void => undefined;
    await using server = await createRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
      finish = () => socket.write('4\r\nlast\r\n0\r\n\r\n');
    });
    await using rig = await createRig({ queues: [queueOf(server.url)] });
    const caller = connect(rig.port, '127.0.0.1');
    let got = '';
    caller.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    caller.write('GET /api/v3/query HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => got.includes('first'));
    finish();
    await until(() => got.includes('last'));
    caller.destroy();
  });

  it('cuts the call to vovserver when the caller goes away, with the head of the answer and amid it', async () => {
    const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n';
    for (const start of ['', `${HEAD}abc`]) {
      await using server = await createRawServer((socket) => void socket.write(start));
      await using rig = await createRig({ queues: [queueOf(server.url)] });
      const caller = connect(rig.port, '127.0.0.1');
      caller.write('GET /api/v3/query HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => server.requests.length === 1);
      if (start !== '') await new Promise((resolve) => caller.once('data', resolve));
      caller.destroy();
      if (start === '') for (const socket of server.sockets) socket.write(HEAD);
      await until(() => server.sockets.size === 0);
      await until(() => rig.told.upstream.length === 1);
      assert.equal(rig.told.upstream[0]?.result, 'aborted');
    }
  });

  it('does not call vovserver for a caller who is already gone', async () => {
    await using server = await createRawServer((socket) => reply(socket, '{}'));
    const slow: Credential = {
      get: () => new Promise((resolve) => setTimeout(() => resolve(tokenOf('late')), 50)),
      renew: async () => tokenOf('never'),
    };
    await using rig = await createRig({ queues: [queueOf(server.url)], credential: () => slow });
    const caller = connect(rig.port, '127.0.0.1');
    caller.write('POST /api/v3/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 10));
    caller.destroy();
    await until(() => rig.errors.length === 1);
    assert.equal(server.accepted, 0);
  });
});
