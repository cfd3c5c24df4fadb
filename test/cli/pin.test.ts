import assert from 'node:assert/strict';
import { createServer as createTcpServer, type Server } from 'node:net';
import { after, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { parse } from 'yaml';
import { runPin } from '../../src/cli/pin.ts';
import { queueSchema } from '../../src/config/schema-queue.ts';
import { createAuthority, createSelfSigned, type Leaf } from '../../standin/certificates.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

/** A TLS server that notes what it receives. */
async function serverOf(leaf: Leaf): Promise<{ url: string; received: Buffer[]; names: string[] }> {
  const received: Buffer[] = [];
  const names: string[] = [];
  const options = {
    cert: leaf.certPem,
    key: leaf.keyPem,
    SNICallback(name: string, done: (error: null) => void) {
      names.push(name);
      done(null);
    },
  };
  const server = createTlsServer(options, (socket) => {
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.on('error', () => undefined);
  });
  return { url: `https://localhost:${await listen(server)}`, received, names };
}

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runPin(
    argv,
    (text) => {
      out += text;
    },
    (text) => {
      err += text;
    },
  );
  return { code, out, err };
}

/** The YAML at the end, as it would stand in a queue. */
function queueFrom(out: string) {
  const lines = out.trimEnd().split('\n');
  const from = lines.findLastIndex((line) => line.trimStart().startsWith('urls:'));
  return queueSchema.parse({ name: 'night', ...parse(lines.slice(from).join('\n')) });
}

describe('vovgw pin fetch', () => {
  it('prints everything about a self-signed server: level 2, its pin, and YAML that is valid', async () => {
    const leaf = await createSelfSigned();
    const { url, received } = await serverOf(leaf);
    const { code, out, err } = await run('fetch', url);
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /Subject +CN=localhost/);
    assert.match(out, /Issuer +CN=localhost/);
    assert.match(out, /Names +DNS:localhost, IP Address:127\.0\.0\.1/);
    assert.match(out, /Valid +\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d, (29|30) days left/);
    assert.match(out, /verify: ca would fail here: .*SELF_SIGNED/);
    assert.match(out, /Level +2 .*self-signed/);
    assert.ok(out.includes(`Pin        ${leaf.spkiPin}\n`));
    const queue = queueFrom(out);
    assert.deepEqual([queue.urls, queue.tls.verify, queue.tls.pins], [[url], 'pin', [leaf.spkiPin]]);
    assert.equal(Buffer.concat(received).length, 0, 'nothing was sent');
  });

  it('says why a certificate of an unknown authority would fail, and what would help', async () => {
    const { url } = await serverOf(await (await createAuthority()).leaf());
    const { out } = await run('fetch', url);
    assert.match(out, /would fail here: UNABLE_TO/);
    assert.match(out, /3 when tls\.caFile names the authority/);
  });

  it('names the other reasons: expired, other host, CN only', async () => {
    for (const [options, reason] of [
      [{ validity: 'expired' as const }, /EXPIRED/],
      [{ hosts: ['other.example'] }, /is for DNS:other\.example, not for localhost/],
      [{ altNames: false }, /no subjectAltName/],
    ] as const) {
      const { url } = await serverOf(await createSelfSigned(options));
      const { code, out } = await run('fetch', url);
      assert.equal(code, 0);
      assert.match(out, reason);
    }
  });

  it('sends and checks --server-name, and puts it into the YAML', async () => {
    const leaf = await createSelfSigned({ hosts: ['vov.example'] });
    const { url, names } = await serverOf(leaf);
    const { out } = await run('fetch', url, '--server-name', 'vov.example');
    assert.deepEqual(names, ['vov.example']);
    assert.ok(!out.includes('not for'));
    assert.equal(queueFrom(out).tls.serverName, 'vov.example');
  });

  it('does not let the certificate steer the terminal', async () => {
    const { url } = await serverOf(await createSelfSigned({ commonName: '\u001b[31mred' }));
    const { out } = await run('fetch', url);
    assert.match(out, /red/);
    assert.ok(!/[\u0000-\u0009\u000b-\u001f]/.test(out));
  });

  it('calls http:// level 1 and says what that means, without a connection', async () => {
    const { code, out } = await run('fetch', 'http://vov.example:6330');
    assert.equal(code, 0);
    assert.match(out, /Level +1 /);
    const queue = queueFrom(out);
    assert.deepEqual([queue.urls, queue.allowInsecure], [['http://vov.example:6330'], true]);
  });

  it('exits 1 when there is no handshake: nobody listens, plain text, silence', async () => {
    const plain = await listen(createTcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    const silent = await listen(createTcpServer((socket) => void socket.on('error', () => undefined)));
    const gone = createTcpServer();
    const closed = await listen(gone);
    await new Promise((resolve) => gone.close(resolve));
    for (const [port, reason] of [
      [plain, /ERR_SSL/],
      [closed, /ECONNREFUSED/],
      [silent, /within 50 ms/],
    ] as const) {
      const { code, out, err } = await run('fetch', `https://127.0.0.1:${port}`, '--timeout', '50');
      assert.deepEqual([code, out], [1, '']);
      assert.match(err, reason);
    }
  });

  it('exits 2 and shows its usage when called wrongly', async () => {
    for (const argv of [
      [],
      ['show', 'https://a'],
      ['fetch'],
      ['fetch', 'a b'],
      ['fetch', 'localhost:6330'],
      ['fetch', 'ftp://a'],
      ['fetch', 'https://u:p@a'],
      ['fetch', 'https://a', 'https://b'],
      ['fetch', 'https://a', '--insecure'],
      ['fetch', 'https://a', '--timeout', 'soon'],
    ]) {
      const { code, out, err } = await run(...argv);
      assert.deepEqual([code, out], [2, ''], argv.join(' '));
      assert.match(err, /^vovgw pin: .+\n\nvovgw pin fetch URL/);
    }
  });
});
