import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, it } from 'node:test';
import supertest from 'supertest';
import { type Component, createAdminApp, type Readiness, toReadiness } from '../../src/admin/index.ts';
import type { LogFields } from '../../src/observe/index.ts';
import { captureReport } from '../observe/log-capture.ts';

const STORE: Component = { name: 'store', state: 'ok', detail: 'redis' };
const QUEUE: Component = { name: 'queue:main', state: 'ok', detail: 'level 3: verified by authority' };
const AWAY: Component = { name: 'queue:night', state: 'degraded', detail: 'level 2: certificate not verified; down' };

/** An admin app on a replica whose readiness the test sets. */
function createWorld(readiness: Readiness = toReadiness('serving', [STORE, QUEUE])) {
  const captured = captureReport();
  const state = { readiness };
  const app = createAdminApp({
    report: captured.report,
    readiness: () => state.readiness,
    version: '1.2.3',
    revision: 'abc123',
  });
  return { ...captured, state, agent: supertest(app), app };
}

describe('the pages of the admin listener', () => {
  for (const path of ['/healthz', '/livez']) {
    it(`${path} says ok whatever the state`, async () => {
      for (const life of ['starting', 'serving', 'draining'] as const) {
        const world = createWorld(toReadiness(life, [{ ...STORE, state: 'failed' }]));
        await world.agent.get(path).expect(200, 'ok\n').expect('content-type', 'text/plain; charset=utf-8');
      }
    });
  }

  it('/healthz does not ask for readiness', async () => {
    const { report } = createWorld();
    const app = createAdminApp({ report, readiness: () => assert.fail('asked'), version: '1' });
    await supertest(app).get('/healthz').expect(200);
  });

  it('/startupz is 503 only while starting', async () => {
    await createWorld(toReadiness('starting', [])).agent.get('/startupz').expect(503, 'starting\n');
    await createWorld(toReadiness('serving', [])).agent.get('/startupz').expect(200, 'started\n');
    await createWorld(toReadiness('draining', [])).agent.get('/startupz').expect(200, 'started\n');
  });

  it('/version names what runs', async () => {
    const { agent } = createWorld();
    const expected = { name: 'vov-gateway', version: '1.2.3', revision: 'abc123', node: process.version };
    await agent.get('/version').expect(200, expected).expect('content-type', 'application/json; charset=utf-8');
  });

  it('/version says unknown without a revision', async () => {
    const { report } = createWorld();
    const app = createAdminApp({ report, readiness: () => toReadiness('serving', []), version: '1' });
    const { body } = await supertest(app).get('/version').expect(200);
    assert.equal(body.revision, 'unknown');
  });

  it('/metrics is the registry, with its content type', async () => {
    const { agent, report } = createWorld();
    report.requestStarted('api');
    const { text } = await agent.get('/metrics').expect(200).expect('content-type', report.contentType);
    assert.match(text, /^vovgw_requests_in_flight\{door="api"\} 1$/m);
    assert.ok(text.endsWith('\n'));
  });
});

describe('/readyz', () => {
  it('is ok while all is well', async () => {
    await createWorld().agent.get('/readyz').expect(200, 'ok\n');
  });

  it('stays 200 and says degraded while a queue or the store is away', async () => {
    await createWorld(toReadiness('serving', [STORE, AWAY]))
      .agent.get('/readyz')
      .expect(200, 'degraded\n');
    const storeAway: Component = { ...STORE, state: 'degraded' };
    await createWorld(toReadiness('serving', [storeAway]))
      .agent.get('/readyz')
      .expect(200, 'degraded\n');
  });

  it('is 503 while starting, draining, or when a component failed', async () => {
    await createWorld(toReadiness('starting', [STORE]))
      .agent.get('/readyz')
      .expect(503, 'starting\n');
    await createWorld(toReadiness('draining', [STORE]))
      .agent.get('/readyz')
      .expect(503, 'draining\n');
    const failed: Component = { ...STORE, state: 'failed' };
    await createWorld(toReadiness('serving', [failed]))
      .agent.get('/readyz')
      .expect(503, 'failed\n');
  });

  it('follows the state from one probe to the next', async () => {
    const { agent, state } = createWorld(toReadiness('starting', []));
    await agent.get('/readyz').expect(503);
    state.readiness = toReadiness('serving', []);
    await agent.get('/readyz').expect(200);
    state.readiness = toReadiness('draining', []);
    await agent.get('/readyz').expect(503);
  });

  it('lists the components on ?verbose as text', async () => {
    const { agent } = createWorld(toReadiness('serving', [STORE, AWAY]));
    const lines = ['degraded', 'ok\tstore\tredis', 'degraded\tqueue:night\tlevel 2: certificate not verified; down'];
    await agent.get('/readyz?verbose').expect(200, `${lines.join('\n')}\n`);
    await agent.get('/readyz?verbose=1').expect(200, `${lines.join('\n')}\n`);
  });

  it('answers in JSON to who accepts it', async () => {
    const { agent } = createWorld(toReadiness('serving', [STORE, AWAY]));
    await agent.get('/readyz').set('Accept', 'application/json').expect(200, { status: 'degraded' });
    const { body } = await agent.get('/readyz?verbose').set('Accept', 'application/json').expect(200);
    assert.deepEqual(body, { status: 'degraded', components: [STORE, AWAY] });
  });

  it('writes no control characters of a detail into the text', async () => {
    const forged: Component = { name: 'queue:main', state: 'degraded', detail: 'HTML\r\nok\tstore\u001b[2J' };
    const { text } = await createWorld(toReadiness('serving', [forged]))
      .agent.get('/readyz?verbose')
      .expect(200);
    assert.equal(text.split('\n').length, 3);
    assert.doesNotMatch(text, /[\u001b\r]/);
  });
});

describe('what the admin listener refuses', () => {
  it('is every path but its own', async () => {
    const { agent } = createWorld();
    const odd = [
      '/',
      '/metrics/',
      '/Metrics',
      '//metrics',
      '/metrics%2f',
      '/./metrics',
      '/api/v3/jobs',
      '/admin',
      '/toString',
    ];
    for (const path of odd) {
      const { text } = await agent.get(path).expect(404);
      assert.match(text, /^nothing here; pages: \/healthz .*\/version\n$/);
    }
  });

  it('is every method but GET and HEAD', async () => {
    const { agent } = createWorld();
    for (const path of ['/healthz', '/readyz', '/metrics', '/version']) {
      for (const method of ['post', 'put', 'patch', 'delete', 'options', 'trace'] as const) {
        await agent[method](path).expect(405, 'Method Not Allowed\n').expect('allow', 'GET, HEAD');
      }
    }
  });

  it('answers HEAD like GET, without the body', async () => {
    const { agent } = createWorld(toReadiness('draining', []));
    const get = await agent.get('/readyz').expect(503);
    const head = await agent.head('/readyz').expect(503);
    assert.equal(head.headers['content-length'], get.headers['content-length']);
    assert.equal(head.text, undefined);
  });

  it('tells caches and browsers to keep their hands off', async () => {
    const { agent } = createWorld();
    for (const path of ['/readyz', '/metrics', '/nothing']) {
      await agent.get(path).expect('cache-control', 'no-store').expect('x-content-type-options', 'nosniff');
    }
  });

  it('answers 500 and logs when a page fails, and goes on', async () => {
    const logged: LogFields[] = [];
    const { report } = createWorld();
    const log = { ...report.log, error: (fields: LogFields) => void logged.push(fields) };
    const broken = { contentType: 'text/plain', log, metrics: () => Promise.reject(new Error('no metrics')) };
    const agent = supertest(
      createAdminApp({ report: broken, readiness: () => toReadiness('serving', []), version: '1' }),
    );
    const { text } = await agent.get('/metrics').expect(500);
    assert.doesNotMatch(text, /no metrics/);
    assert.equal(logged.length, 1);
    assert.match(String(logged[0]?.error), /no metrics/);
    await agent.get('/healthz').expect(200);
  });
});

/** A listening admin app. */
async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer(createWorld().app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** What comes back on a raw connection until the other side closes it. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.end(text);
  let answer = '';
  for await (const piece of socket.setEncoding('latin1')) answer += String(piece);
  return answer;
}

describe('the admin listener on a socket', () => {
  it('answers absolute and asterisk targets with 404', async () => {
    const { server, port } = await listen();
    for (const target of ['http://other.example/metrics', '*', 'metrics']) {
      const answer = await exchange(port, `OPTIONS ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 (404|400) /, target);
    }
    server.close();
  });

  it('reads a body away and answers the next request on the same connection', async () => {
    const { server, port } = await listen();
    const body = 'GET /version HTTP/1.1\r\n\r\n';
    const first = `GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const answer = await exchange(port, `${first}GET /startupz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.equal(answer.match(/HTTP\/1\.1 200/g)?.length, 2);
    assert.match(answer, /ok\n[\s\S]*started\n$/);
    server.close();
  });
});
