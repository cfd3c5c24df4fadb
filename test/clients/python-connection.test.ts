import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { RequestListener, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { assertError, createModuleWorld, fake, type ModuleWorld, type Step } from './module-world.ts';

let module: ModuleWorld;
before(async () => {
  module = await createModuleWorld();
});
after(() => module[Symbol.asyncDispose]());

const giveToken = (res: ServerResponse, name: string): void =>
  void res.end(JSON.stringify({ access_token: `token-of-${name}`, user: 'alice' }));
const giving =
  (name: string): RequestListener =>
  (_req, res) =>
    giveToken(res, name);
const refusing: RequestListener = (_req, res) => void res.writeHead(401).end('{"error":"no"}');
const authorize = (url: string): Step => ({ do: 'authorize', url, password: 'pw' });
const read = (url: string): Step => ({ do: 'submitRequest', method: 'GET', url });
/** Path and credential of what a server was sent. */
const sentTo = ({ seen }: Awaited<ReturnType<typeof fake>>) =>
  seen.map(({ url, headers }) => [url, headers.authorization ?? null]);

describe('clients/python: one connection, whole', () => {
  it('a sign-in that failed leaves server and token as they were', async () => {
    await using a = await fake(giving('a'));
    await using b = await fake(refusing);
    const outcomes = await module.probe([
      { do: 'new' },
      authorize(a.url),
      authorize(b.url),
      { do: 'authorize', url: b.url },
      read('/api/v3/x'),
      read(`${b.url}/api/v3/x`),
      { do: 'getJWT' },
    ]);
    assertError(outcomes[2], 'VOVAuthError', /401/);
    assertError(outcomes[3], 'VOVUsageError', /vovgw login/);
    assertError(outcomes[5], 'VOVUsageError', /another server/);
    assert.equal(outcomes[6]?.result, 'token-of-a');
    assert.deepEqual(sentTo(a).at(-1), ['/api/v3/x', 'Bearer token-of-a']);
    assert.deepEqual(sentTo(b), [['/api/v3/token', null]]);
  });

  it('a token that the gateway refuses replaces nothing', async () => {
    await using a = await fake(giving('a'));
    await using b = await fake(refusing);
    const stale: Step = { do: 'authorize', url: b.url, env: { VOVGW_TOKEN: 'stale' } };
    const outcomes = await module.probe([{ do: 'new' }, authorize(a.url), stale, read('/api/v3/x')]);
    assertError(outcomes[2], 'VOVAuthError', /401/);
    assert.deepEqual(sentTo(a).at(-1), ['/api/v3/x', 'Bearer token-of-a']);
    assert.deepEqual(sentTo(b), [['/gateway/v1/me', 'Bearer stale']]);
  });

  it('while one thread signs in elsewhere, calls go where they went, with the token that they had', async () => {
    await using a = await fake(giving('a'));
    const held: ServerResponse[] = [];
    await using b = await fake((req, res) => {
      if (req.url === '/api/v3/token') held.push(res);
      else res.end('{}');
    });
    const asked = join(module.folder, 'b-was-asked');
    const running = module.probe([
      { do: 'new' },
      authorize(a.url),
      { do: 'spawn', step: authorize(b.url) },
      { do: 'wait', file: asked },
      read(`${b.url}/api/v3/first`),
      read('/api/v3/first'),
      { do: 'join' },
      read('/api/v3/second'),
    ]);
    const atB = await eventually('the sign-in at b', () => held[0]);
    await writeFile(asked, '');
    await eventually('the call meanwhile', () => [...a.seen, ...b.seen].find(({ url }) => url === '/api/v3/first'));
    giveToken(atB, 'b');
    const outcomes = await running;
    assertError(outcomes[4], 'VOVUsageError', /another server/);
    assert.deepEqual(sentTo(a).slice(1), [['/api/v3/first', 'Bearer token-of-a']]);
    assert.deepEqual(sentTo(b).slice(1), [['/api/v3/second', 'Bearer token-of-b']]);
  });

  it('a call that was refused is not sent again with the token of another sign-in', async () => {
    const held: ServerResponse[] = [];
    let signIns = 0;
    await using server = await fake((req, res) => {
      if (req.url === '/api/v3/token') giveToken(res, `sign-in-${++signIns}`);
      else held.push(res);
    });
    const asked = join(module.folder, 'call-arrived');
    const running = module.probe([
      { do: 'new' },
      authorize(server.url),
      { do: 'spawn', step: read('/api/v3/x') },
      { do: 'wait', file: asked },
      { ...authorize(server.url), username: 'bob' },
      { do: 'touch', file: `${asked}-too` },
      { do: 'join' },
    ]);
    const call = await eventually('the call', () => held[0]);
    await writeFile(asked, '');
    await eventually('the second sign-in', () => (signIns === 2 ? true : undefined));
    await eventually('the second connection', () => existsSync(`${asked}-too`) || undefined);
    call.writeHead(401).end('{}');
    assert.equal((await running).at(-1)?.result, 'VOVAuthError');
    assert.deepEqual(
      sentTo(server).filter(([url]) => url === '/api/v3/x'),
      [['/api/v3/x', 'Bearer token-of-sign-in-1']],
    );
  });
});

describe('clients/python: proxies', () => {
  it('none stands between a program and this machine, whatever the environment says', async () => {
    await using server = await fake(giving('a'));
    await using proxy = await fake(giving('proxy'));
    const env = { http_proxy: proxy.url, HTTP_PROXY: proxy.url, all_proxy: proxy.url, https_proxy: proxy.url };
    for (const url of [server.url, server.url.replace('127.0.0.1', 'localhost')]) {
      const outcomes = await module.probe([{ do: 'new' }, authorize(url), read('/api/v3/x')], env);
      assert.equal(outcomes[2]?.error, undefined, JSON.stringify(outcomes));
    }
    assert.equal(server.seen.length, 4);
    assert.deepEqual(proxy.seen, []);
  });
});
