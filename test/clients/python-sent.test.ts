import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { createAuthority } from '../../standin/certificates.ts';
import { assertError, createModuleWorld, type ModuleWorld, type Step } from './module-world.ts';

// Another urllib3 tells the same failure by other classes: the module is held to every one that is installed here.
const versionOf = (python: string): string =>
  spawnSync(python, ['-c', 'import requests, urllib3; print(requests.__version__, urllib3.__version__)'], {
    encoding: 'utf8',
  }).stdout?.trim() ?? '';
const INTERPRETERS = new Map(
  ['/usr/bin/python3', 'python3'].map((python) => [versionOf(python), python] as const).filter(([text]) => text !== ''),
);

type Break = 'garbage' | 'reset' | 'nothing';
type Tunnel = 'stands' | 'refused' | 'lost';

/** A gateway behind TLS that gets a request and never answers, and a network that then does something to the caller. */
async function createNetwork(files: { readonly cert: string; readonly key: string }) {
  const received: string[] = [];
  const open = new Set<Socket>();
  let [breaks, tunnel]: [Break, Tunnel] = ['nothing', 'stands'];
  let caller: Socket | null = null;
  const keep = (socket: Socket): Socket => {
    open.add(socket);
    return socket.on('error', () => undefined).on('close', () => open.delete(socket));
  };
  const gateway = createTlsServer(files, (socket) => {
    let text = '';
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        text += String(chunk);
        if (!text.includes('"command"')) return;
        received.push(text.split('\r\n', 1)[0] ?? '');
        if (breaks === 'garbage') caller?.write('HTTP/1.1 502 Bad Gateway, in clear\r\n\r\n'.repeat(2));
        if (breaks === 'reset') caller?.resetAndDestroy();
      });
  });
  gateway.on('connection', keep).on('tlsClientError', () => undefined);
  const gatewayPort = await portOf(gateway);
  const join = (from: Socket): void => {
    caller = from;
    const onward = keep(connect(gatewayPort, '127.0.0.1'));
    from.pipe(onward).pipe(from);
  };
  const wire = createServer((socket) => join(keep(socket)));
  const proxy = createServer((socket) => {
    keep(socket).once('data', () => {
      if (tunnel === 'refused') {
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (tunnel === 'lost') socket.end();
      else join(socket);
    });
  });
  const [wirePort, proxyPort] = [await portOf(wire), await portOf(proxy)];
  return {
    received,
    wirePort,
    gatewayPort,
    proxyUrl: `http://127.0.0.1:${proxyPort}`,
    set(next: { readonly breaks?: Break; readonly tunnel?: Tunnel }) {
      breaks = next.breaks ?? 'nothing';
      tunnel = next.tunnel ?? 'stands';
      received.length = 0;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await Promise.all([gateway, wire, proxy].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('clients/python: what was sent', () => {
  let module: ModuleWorld;
  let network: Awaited<ReturnType<typeof createNetwork>>;
  let [ca, other] = ['', ''];
  before(async () => {
    module = await createModuleWorld();
    const authority = await createAuthority();
    const leaf = await authority.leaf({ hosts: ['localhost', 'gateway.test'] });
    network = await createNetwork({ cert: leaf.certPem, key: leaf.keyPem });
    [ca, other] = [join(module.folder, 'ca.pem'), join(module.folder, 'other.pem')];
    await writeFile(ca, authority.certPem);
    await writeFile(other, (await createAuthority()).certPem);
  });
  after(async () => {
    await network[Symbol.asyncDispose]();
    await module[Symbol.asyncDispose]();
  });

  const post = (url: string, verify: string): Step[] => [
    { do: 'new', verify, timeout: 10 },
    { do: 'setJWT', token: 't' },
    { do: 'submitRequest', method: 'POST', url: `${url}/api/v3/jobs`, jsonData: { command: 'x' } },
  ];
  const straight = (): string => `https://localhost:${network.wirePort}`;
  const BEHIND = 'https://gateway.test';

  it('is tried with every version of requests that is here', () => assert.notEqual(INTERPRETERS.size, 0));

  for (const [version, interpreter] of INTERPRETERS) {
    const outcome = async (url: string, verify = ca, env: Record<string, string> = {}) =>
      (await module.probe(post(url, verify), env, interpreter))[2];
    const proxied = () => ({ https_proxy: network.proxyUrl });

    it(`a request that arrived has an unknown outcome, whatever came then (requests, urllib3 ${version})`, async () => {
      for (const breaks of ['garbage', 'reset'] as const) {
        for (const [url, env] of [
          [straight(), {}],
          [BEHIND, proxied()],
        ] as const) {
          network.set({ breaks });
          assertError(await outcome(url, ca, env), 'VOVOutcomeUnknown', /POST \/api\/v3\/jobs: the answer was lost/);
          assert.deepEqual(network.received, ['POST /api/v3/jobs HTTP/1.1'], `${breaks} ${url}`);
        }
      }
    });

    it(`a request without connection or tunnel was not sent (requests, urllib3 ${version})`, async () => {
      for (const tunnel of ['refused', 'lost'] as const) {
        network.set({ tunnel });
        assertError(await outcome(BEHIND, ca, proxied()), 'VOVConnectionError', /cannot be reached/);
      }
      const closed = createServer();
      const port = await portOf(closed);
      await new Promise((resolve) => closed.close(resolve));
      const away = { https_proxy: `http://127.0.0.1:${port}` };
      assertError(await outcome(BEHIND, ca, away), 'VOVConnectionError', /cannot be reached/);
      assertError(await outcome(`https://localhost:${port}`), 'VOVConnectionError', /cannot be reached/);
      assert.deepEqual(network.received, []);
    });

    it(`a server without the right certificate, or without TLS, gets nothing (requests, urllib3 ${version})`, async () => {
      network.set({});
      assertError(await outcome(straight(), other), 'VOVCertificateError', /VOVGW_CA_FILE/);
      assertError(await outcome(BEHIND, other, proxied()), 'VOVCertificateError', /VOVGW_CA_FILE/);
      const misnamed = await outcome(`https://127.0.0.1:${network.wirePort}`);
      assertError(misnamed, 'VOVCertificateError', /VOVGW_CA_FILE/);
      assertError(
        await outcome(network.proxyUrl.replace('http:', 'https:')),
        'VOVConnectionError',
        /cannot be reached/,
      );
      assert.deepEqual(network.received, []);
    });
  }
});
