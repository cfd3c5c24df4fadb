import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { createAuthority, spkiPin } from '../../standin/certificates.ts';
import { createVovserver, type Vovserver } from '../../standin/vovserver/index.ts';
import { createClient, createPair, openRaw, rawGet, submit, USERS } from './client.ts';

interface Handshake {
  readonly code: string;
  readonly pin: string;
  readonly protocol: string | null;
}

/** One handshake; `code` is `ok` or why a strict client would refuse. */
async function shake(server: Vovserver, options: ConnectionOptions = {}): Promise<Handshake> {
  const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  const failed = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  const code = await Promise.race([failed, once(socket, 'secureConnect').then(() => 'ok')]);
  const raw = code === 'ok' ? socket.getPeerX509Certificate() : undefined;
  const refusal = socket.authorizationError;
  const result = {
    code: code === 'ok' && refusal ? String((refusal as unknown as NodeJS.ErrnoException).code ?? refusal) : code,
    pin: raw === undefined ? '' : spkiPin(raw.toString()),
    protocol: socket.getProtocol(),
  };
  socket.destroy();
  return result;
}

const trusting = (server: Vovserver): ConnectionOptions => ({ ca: server.caPem ?? server.leaf?.certPem ?? '' });

describe('transports', () => {
  for (const [transport, expected] of [
    ['https-ca', 'ok'],
    ['https-selfsigned', 'ok'],
    ['https-wronghost', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['https-expired', 'CERT_HAS_EXPIRED'],
  ] as const) {
    it(`${transport}: a strict client that trusts its issuer says ${expected}`, async () => {
      await using server = await createVovserver({ transport });
      const seen = await shake(server, trusting(server));
      assert.equal(seen.code, expected);
      assert.equal(seen.pin, server.pin);
      assert.equal(seen.protocol, 'TLSv1.3');
    });
  }

  it('http speaks plain HTTP', async () => {
    await using client = await createPair();
    assert.match(client.server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await client.as('alice', 'GET', '/api/v3/project/1/project')).status, 200);
    assert.equal(client.server.pin, '');
  });

  it('https serves calls, on one connection', async () => {
    await using client = await createPair({ transport: 'https-ca' });
    for (let call = 0; call < 5; call += 1) {
      assert.equal((await client.as('alice', 'GET', '/api/v3/project/1/project')).status, 200);
    }
    assert.equal(client.server.stats.connectionsOpened, 1);
    assert.deepEqual(new Set(client.server.ledger.requests.map(({ connection }) => connection)), new Set([1]));
  });

  it('takes further names and another authority', async () => {
    const authority = await createAuthority();
    await using server = await createVovserver({ authority, altNames: ['vov.example'] });
    assert.equal((await shake(server, { ca: authority.certPem, servername: 'vov.example' })).code, 'ok');
  });

  it('has TLS 1.3 as its floor, and 1.2 when the profile lowers it', async () => {
    await using server = await createVovserver();
    assert.notEqual((await shake(server, { maxVersion: 'TLSv1.2' })).code, 'ok');
    server.setProfile({ minTls: 'TLSv1.2' });
    assert.equal((await shake(server, { ...trusting(server), maxVersion: 'TLSv1.2' })).protocol, 'TLSv1.2');
    server.setProfile({ maxTls: 'TLSv1.2' });
    assert.equal((await shake(server, trusting(server))).protocol, 'TLSv1.2');
    assert.equal(server.stats.tlsFailures, 1);
  });

  it('demands a client certificate when it is given authorities for them', async () => {
    const authority = await createAuthority('clients');
    const { certPem: cert, keyPem: key } = await authority.leaf({ usage: 'client' });
    await using server = await createVovserver({ clientCaPem: authority.certPem, users: USERS });
    await using without = createClient(server);
    await assert.rejects(without.login('alice'));
    const socket = connect({ port: server.port, host: '127.0.0.1', cert, key, ...trusting(server) });
    await once(socket, 'secureConnect');
    socket.write('GET /project HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = await once(socket, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it('answers plain HTTP on the TLS port as the profile says', async () => {
    await using server = await createVovserver();
    const ask = async (): Promise<string> => {
      using raw = openRaw(server, true);
      raw.send('GET /project?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      return await raw.until(() => false);
    };
    assert.match(await ask(), /^HTTP\/1\.1 400 Bad Request[\s\S]*Bad Request\n$/);
    server.setProfile({ plainHttp: 'redirect' });
    const moved = await ask();
    assert.match(moved, /^HTTP\/1\.1 301 /);
    assert.ok(moved.includes(`\r\nLocation: https://127.0.0.1:${server.port}/project?x=1\r\n`));
    server.setProfile({ plainHttp: 'served' });
    assert.match(await ask(), /^HTTP\/1\.1 200 OK/);
    assert.equal(server.ledger.malformed.length, 2);
  });
});

describe('certificates that change', () => {
  it('shows a new one to new connections at once, and leaves open ones alone', async () => {
    await using client = await createPair({ transport: 'https-ca' });
    const { server } = client;
    await client.as('alice', 'GET', '/api/v3/project/1');
    const before = server.pin;
    const leaf = await server.rotate();
    assert.notEqual(leaf.spkiPin, before);
    assert.equal((await shake(server, trusting(server))).pin, leaf.spkiPin);
    assert.equal((await client.as('alice', 'GET', '/api/v3/project/1')).status, 200);
    const renewed = await server.rotate({ reuseKey: leaf });
    assert.equal(renewed.spkiPin, leaf.spkiPin);
    assert.equal((await shake(server, trusting(server))).pin, leaf.spkiPin);
  });

  it('can turn bad while it runs', async () => {
    await using server = await createVovserver();
    await server.rotate({ validity: 'expired' });
    assert.equal((await shake(server, trusting(server))).code, 'CERT_HAS_EXPIRED');
    await server.rotate({ issuer: 'self' });
    assert.equal((await shake(server, trusting(server))).code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  it('with `restart` cuts what is open', async () => {
    await using server = await createVovserver();
    using raw = openRaw(server);
    await once(raw.socket, 'secureConnect');
    const { port } = server;
    await server.rotate({ restart: true });
    assert.equal(await raw.ended, 'reset');
    assert.equal(server.port, port);
    assert.equal((await shake(server, trusting(server))).pin, server.pin);
  });

  for (const resume of [true, false]) {
    it(`${resume ? 'resumes' : 'does not resume'} an old session with resume: ${resume}`, async () => {
      await using server = await createVovserver();
      const options = { port: server.port, host: '127.0.0.1', ...trusting(server) };
      const first = connect(options);
      const [session] = (await once(first, 'session')) as [Buffer];
      await server.rotate({ resume });
      const second = connect({ ...options, session });
      await once(second, 'secureConnect');
      assert.equal(second.isSessionReused(), resume);
      first.destroy();
      second.destroy();
    });
  }

  it('a self-signed one is new after a restart, unless the profile keeps it', async () => {
    await using server = await createVovserver({ transport: 'https-selfsigned' });
    const first = server.pin;
    await server.restart();
    assert.notEqual(server.pin, first);
    const second = server.pin;
    server.setProfile({ newCertificateAtRestart: false });
    await server.restart();
    assert.equal(server.pin, second);
    assert.equal((await shake(server)).pin, second);
  });

  it('plain HTTP has none to change', async () => {
    await using server = await createVovserver({ transport: 'http' });
    await assert.rejects(server.rotate(), RangeError);
  });
});

describe('stop and restart', () => {
  it('refuses connections while it is stopped and comes back on its port', async () => {
    await using server = await createVovserver({ transport: 'http', users: USERS });
    await using client = createClient(server);
    const { url } = server;
    await client.login('alice');
    await server.stop();
    await using late = createClient(server);
    await assert.rejects(late.login('alice'), { code: 'ECONNREFUSED' });
    await server.restart();
    assert.equal(server.url, url);
    assert.ok(await late.login('alice'));
  });

  it('comes back elsewhere, with its living jobs asleep or lost', async () => {
    for (const [jobs, state] of [
      ['kept', 'Queued'],
      ['sleeping', 'Sleeping'],
      ['vanished', undefined],
    ] as const) {
      await using client = await createPair({ profile: { tokensSurviveRestart: true, idleMs: 0, queuedMs: 9e6 } });
      const { server } = client;
      const id = await submit(client, 'alice', 'a');
      const { port } = server;
      await server.restart({ port: 0, jobs });
      assert.notEqual(server.port, port);
      assert.equal(server.jobs.get(id)?.state, state);
    }
  });

  it('cuts a call that is under way', async () => {
    await using client = await createPair();
    const { server } = client;
    const jwt = await client.login('alice');
    server.setFaults({ rules: [{ kind: 'hang' }] });
    using raw = openRaw(server);
    raw.send(rawGet('/api/v3/jobs/1', jwt));
    while (server.stats.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    await server.restart();
    assert.equal(await raw.ended, 'reset');
  });
});
