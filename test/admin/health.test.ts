import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { runHealth } from '../../src/cli/health.ts';

interface Answerer extends AsyncDisposable {
  readonly port: string;
  readonly seen: string[];
}

/** A server that answers every request in the given way. */
async function answerer(listener: RequestListener): Promise<Answerer> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    listener(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: String((server.address() as AddressInfo).port),
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const saying =
  (status: number, body: string): RequestListener =>
  (_request, response) => {
    response.writeHead(status).end(body);
  };

/** Runs the verb; gives its exit code and what it printed. */
async function health(argv: string[], env: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const code = await runHealth(
    argv,
    env,
    (text) => {
      out += text;
    },
    (text) => {
      err += text;
    },
  );
  return { code, out, err };
}

describe('vovgw health', () => {
  it('exits 0 and prints the word when the gateway is ready', async () => {
    await using server = await answerer(saying(200, 'degraded\n'));
    assert.deepEqual(await health(['--port', server.port]), { code: 0, out: 'degraded\n', err: '' });
    assert.deepEqual(server.seen, ['GET /readyz']);
  });

  it('exits 1 and says why when it is not', async () => {
    await using server = await answerer(saying(503, 'draining\n'));
    assert.deepEqual(await health(['--port', server.port]), {
      code: 1,
      out: '',
      err: `vovgw health: http://127.0.0.1:${server.port}/readyz answered 503: draining\n`,
    });
  });

  it('takes a redirect for no answer', async () => {
    await using server = await answerer((_request, response) => {
      response.writeHead(302, { Location: '/healthz' }).end();
    });
    assert.equal((await health(['--port', server.port])).code, 1);
    assert.deepEqual(server.seen, ['GET /readyz']);
  });

  it('reads host and port from the environment; flags win', async () => {
    await using server = await answerer(saying(200, 'ok'));
    const env = { VOVGW_ADMIN_HOST: '0.0.0.0', VOVGW_ADMIN_PORT: server.port };
    assert.equal((await health([], env)).code, 0);
    assert.equal((await health(['--port', server.port], { VOVGW_ADMIN_PORT: '1' })).code, 0);
    assert.equal(
      (await health(['--host', '127.0.0.1', '--port', server.port], { VOVGW_ADMIN_HOST: '192.0.2.1' })).code,
      0,
    );
  });

  it('asks the given URL', async () => {
    await using server = await answerer(saying(200, 'ok'));
    assert.equal((await health(['--url', `http://127.0.0.1:${server.port}/healthz`])).code, 0);
    assert.deepEqual(server.seen, ['GET /healthz']);
  });

  it('calls loopback when the gateway listens on every address, in IPv6 too', async () => {
    const { err } = await health(['--host', '::', '--port', '1']);
    assert.match(err, /http:\/\/\[::1\]:1\/readyz/);
    assert.match((await health(['--host', '2001:db8::1', '--port', '1', '--timeout', '1'])).err, /\[2001:db8::1\]/);
  });

  it('exits 1 when nobody listens, and when no answer comes in time', async () => {
    assert.deepEqual(await health(['--port', '1']), {
      code: 1,
      out: '',
      err: 'vovgw health: http://127.0.0.1:1/readyz: ECONNREFUSED\n',
    });
    await using silent = await answerer(() => {});
    const { code, err } = await health(['--port', silent.port, '--timeout', '50']);
    assert.equal(code, 1);
    assert.match(err, /no answer within 50 ms/);
  });

  it('exits 1 when the answer breaks off', async () => {
    await using server = await answerer((_request, response) => {
      response.writeHead(200, { 'Content-Length': '100' }).write('o');
      response.destroy();
    });
    assert.equal((await health(['--port', server.port])).code, 1);
  });

  it('exits 2 and says how it is called when it is called wrongly', async () => {
    for (const argv of [
      ['--nope'],
      ['--url', 'not a url'],
      ['--url', 'https://x/'],
      ['--timeout', 'soon'],
      ['--timeout', '0'],
      ['extra'],
    ]) {
      const { code, out, err } = await health(argv);
      assert.equal(code, 2, argv.join(' '));
      assert.equal(out, '');
      assert.match(err, /^vovgw health: .+\n\nvovgw health \[--url URL\]/s);
    }
  });
});
