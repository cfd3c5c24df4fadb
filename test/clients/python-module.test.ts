import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { loginFile } from '../../src/cli/login-file.ts';
import { createAuthority } from '../../standin/certificates.ts';
import { createWorld, type World } from '../world/world.ts';
import { assertError, createModuleWorld, fake, type ModuleWorld, type Step } from './module-world.ts';

let module: ModuleWorld;
let folder: string;
let probe: ModuleWorld['probe'];

before(async () => {
  module = await createModuleWorld();
  ({ folder, probe } = module);
});
after(() => module[Symbol.asyncDispose]());

const urlOf = (world: World): string => `http://127.0.0.1:${world.gateway.port}`;

describe('clients/python: the documented methods', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  it('a program of the vendor’s kind runs unchanged with a token as the password', async () => {
    const token = await world.token('alice');
    const env = { NC_URL: urlOf(world), USER: 'alice' };
    const run = await module.python('module_flow.py', ['own'], `${token}\n`, { env });
    assert.equal(run.code, 0, run.err);
    assert.deepEqual(run.lines[0], { queue: 'test' });
    assert.ok(JSON.stringify(run.lines[2]).includes('LOG.own'));
  });

  it('authorize takes user name and password in either order of the documentation, and by keyword', async () => {
    const token = await world.token('alice');
    const url = urlOf(world);
    const read: Step = { do: 'submitRequest', method: 'get', url: '/api/v3/project/1/project' };
    for (const names of [
      { password: token },
      { username: 'alice', password: token },
      { username: token, password: 'alice' },
    ]) {
      const [, signedIn, answer] = await probe([{ do: 'new' }, { do: 'authorize', url, ...names }, read], {
        USER: 'username' in names ? 'somebody' : 'alice',
      });
      assert.deepEqual(signedIn, { result: null });
      assert.ok(String(answer?.result).includes('"test"'));
    }
  });

  it('a wrong password and a wrong user are a VOVAuthError with the request id', async () => {
    const token = await world.token('bob');
    const url = urlOf(world);
    const [, wrong, foreign] = await probe([
      { do: 'new' },
      { do: 'authorize', url, password: 'vgw_wrong' },
      { do: 'authorize', url, password: token },
    ]);
    assertError(wrong, 'VOVAuthError', /401 .*\[GW_UNAUTHENTICATED\] \(request [0-9a-f-]+\)/);
    assertError(foreign, 'VOVAuthError', /401/);
  });

  it('refusals of gateway and vovserver are a VOVRequestError with status, code and body', async () => {
    const token = await world.token('alice', ['read']);
    const url = urlOf(world);
    const [, , closed, unknown] = await probe([
      { do: 'new' },
      { do: 'setJWT', token },
      { do: 'submitRequest', method: 'POST', url: `${url}/api/v3/jobs`, jsonData: { command: 'x' } },
      { do: 'submitRequest', method: 'GET', url: `${url}/api/v3/nothing` },
    ]);
    assertError(closed, 'VOVRequestError', /403/);
    assert.equal(closed?.code, 'GW_SCOPE_MISSING');
    assertError(unknown, 'VOVRequestError', /404/);
    assert.equal(unknown?.code, null);
  });

  it('getJWT and setJWT carry a token to another object, with and without Bearer', async () => {
    const token = await world.token('alice');
    const url = `${urlOf(world)}/api/v3/project/1/project`;
    for (const spelling of [token, `Bearer ${token}`, `Bearer:${token}`, ` bearer: ${token}\n`]) {
      const [, , jwt, answer] = await probe([
        { do: 'new' },
        { do: 'setJWT', token: spelling },
        { do: 'getJWT' },
        { do: 'submitRequest', method: 'GET', url },
      ]);
      assert.equal(jwt?.result, token);
      assert.ok(String(answer?.result).includes('"test"'));
    }
    const [, bad, missing] = await probe([
      { do: 'new' },
      { do: 'setJWT', token: 'two\r\nlines' },
      { do: 'submitRequest', method: 'GET', url },
    ]);
    assertError(bad, 'VOVUsageError', /no token/);
    assertError(missing, 'VOVUsageError', /authorize\(\)/);
  });

  it('a derived token that was ended is renewed by the password, once, and the refused call is sent again', async () => {
    const token = await world.token('alice');
    const done = join(folder, 'ended');
    const asked = join(folder, 'asked');
    const running = probe([
      { do: 'new' },
      { do: 'authorize', url: urlOf(world), password: token },
      { do: 'touch', file: asked },
      { do: 'wait', file: done },
      { do: 'submitRequest', method: 'POST', url: '/api/v3/jobs', jsonData: job('renewed') },
    ]);
    await appeared(asked);
    const derived = (await world.gateway.tokens.list('alice')).filter(({ parent }) => parent !== null);
    for (const { id } of derived) await world.gateway.tokens.revoke(id);
    await writeFile(done, '');
    const outcomes = await running;
    assert.ok(String(outcomes.at(-1)?.result).includes('jobid'), JSON.stringify(outcomes.at(-1)));
    const sent = world.vovserver.ledger.requests.filter(({ method }) => method === 'POST');
    assert.equal(sent.filter(({ target }) => target === '/api/v3/jobs').length >= 1, true);
  });
});

const job = (marker: string) => ({ command: 'sleep 1', logfile: `LOG.${marker}`, rundir: '/tmp', env: 'BASE' });

async function appeared(file: string): Promise<void> {
  const { existsSync } = await import('node:fs');
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('clients/python: where the token comes from', () => {
  const ME = JSON.stringify({ user: 'alice' });
  const ok: RequestListener = (_req, res) => res.end(ME);

  const withLogin = async (login: object | string, mode?: number): Promise<Record<string, string>> => ({
    XDG_CONFIG_HOME: await module.login(login, mode),
  });

  it('from $VOVGW_TOKEN before the file, and proves it at the gateway', async () => {
    await using server = await fake(ok);
    const env = { ...(await withLogin({ url: server.url, token: 'from-file' })), VOVGW_TOKEN: 'from-env' };
    const outcomes = await probe([{ do: 'new' }, { do: 'authorize', url: server.url }, { do: 'getJWT' }], env);
    assert.equal(outcomes[2]?.result, 'from-env');
    assert.deepEqual(
      server.seen.map(({ url, headers }) => [url, headers.authorization]),
      [['/gateway/v1/me', 'Bearer from-env']],
    );
  });

  it('from the file of vovgw login, for its own server only', async () => {
    await using server = await fake(ok);
    await using other = await fake(ok);
    const env = await withLogin({ url: `${server.url}/`, token: 'from-file' });
    const [, good, , bad] = await probe(
      [{ do: 'new' }, { do: 'authorize', url: server.url }, { do: 'new' }, { do: 'authorize', url: other.url }],
      env,
    );
    assert.deepEqual(good, { result: null });
    assertError(bad, 'VOVUsageError', /vovgw login --url/);
    assert.equal(other.seen.length, 0);
  });

  it('from below an absolute $XDG_CONFIG_HOME, else below ~/.config, as vovgw login keeps it', async () => {
    await using server = await fake(ok);
    const home = await mkdtemp(join(folder, 'home-'));
    const kept = (below: string, token: string) => module.login({ url: server.url, token }, 0o600, below);
    await kept(join(home, '.config'), 'from-home');
    await kept(join(folder, 'relative'), 'from-relative');
    const absolute = await kept(await mkdtemp(join(folder, 'config-')), 'from-absolute');
    for (const [named, token] of [
      [absolute, 'from-absolute'],
      ['relative', 'from-home'],
      ['', 'from-home'],
    ] as const) {
      const env = { HOME: home, XDG_CONFIG_HOME: named };
      const outcomes = await probe([{ do: 'new' }, { do: 'authorize', url: server.url }, { do: 'getJWT' }], env);
      assert.equal(outcomes[2]?.result, token, named);
      assert.ok((await readFile(loginFile(env), 'utf8')).includes(token), 'the command line means the same file');
    }
  });

  it('never from a file that others may read, or a damaged one', async () => {
    await using server = await fake(ok);
    const open = await withLogin({ url: server.url, token: 'from-file' }, 0o644);
    assertError(
      (await probe([{ do: 'new' }, { do: 'authorize', url: server.url }], open))[1],
      'VOVUsageError',
      /chmod 600/,
    );
    const damaged = await withLogin('{"url":');
    assertError(
      (await probe([{ do: 'new' }, { do: 'authorize', url: server.url }], damaged))[1],
      'VOVUsageError',
      /damaged/,
    );
    assert.equal(server.seen.length, 0);
  });

  it('a refused token is read anew, since vovgw login may have run again', async () => {
    await using server = await fake((req, res) => {
      res.statusCode = req.headers.authorization === 'Bearer old' && req.url !== '/gateway/v1/me' ? 401 : 200;
      res.end(ME);
    });
    const outcomes = await probe([
      { do: 'new' },
      { do: 'authorize', url: server.url, env: { VOVGW_TOKEN: 'old' } },
      { do: 'submitRequest', method: 'POST', url: '/api/v3/jobs', jsonData: {}, env: { VOVGW_TOKEN: 'new' } },
    ]);
    assert.equal(outcomes[2]?.result, ME);
    assert.deepEqual(
      server.seen.filter(({ url }) => url === '/api/v3/jobs').map(({ headers }) => headers.authorization),
      ['Bearer old', 'Bearer new'],
    );
  });

  it('a token that stays refused is tried once', async () => {
    await using server = await fake((req, res) => {
      res.statusCode = req.url === '/gateway/v1/me' ? 200 : 401;
      res.end('{}');
    });
    const outcomes = await probe([
      { do: 'new' },
      { do: 'authorize', url: server.url, env: { VOVGW_TOKEN: 'same' } },
      { do: 'submitRequest', method: 'GET', url: '/api/v3/jobs' },
    ]);
    assertError(outcomes[2], 'VOVAuthError', /401/);
    assert.equal(server.seen.filter(({ url }) => url === '/api/v3/jobs').length, 1);
  });

  it('an entry of ~/.netrc does not replace the token', async () => {
    await using server = await fake(ok);
    const netrc = join(folder, 'netrc');
    await writeFile(netrc, 'machine 127.0.0.1 login eve password other\n', { mode: 0o600 });
    await probe([{ do: 'new' }, { do: 'authorize', url: server.url }], { VOVGW_TOKEN: 'mine', NETRC: netrc });
    assert.equal(server.seen[0]?.headers.authorization, 'Bearer mine');
  });
});

describe('clients/python: where the token goes', () => {
  const setUp = (url: string): Step[] => [{ do: 'new' }, { do: 'setJWT', token: 't' }, read(url)];
  const read = (url: string): Step => ({ do: 'submitRequest', method: 'GET', url });

  it('to the first server only, by no redirect, and never in clear to another machine', async () => {
    await using server = await fake((req, res) => {
      if (req.url === '/away') res.writeHead(302, { Location: 'http://127.0.0.1:1/x' });
      res.end('{}');
    });
    await using other = await fake((_req, res) => res.end('{}'));
    const outcomes = await probe([...setUp(`${server.url}/a`), read(`${other.url}/a`), read(`${server.url}/away`)]);
    assertError(outcomes[3], 'VOVUsageError', /another server/);
    assertError(outcomes[4], 'VOVRequestError', /302/);
    assert.equal(other.seen.length, 0);
    for (const url of [
      'http://192.0.2.1/a',
      'ftp://127.0.0.1/a',
      'https://eve@127.0.0.1/a',
      'nonsense',
      'http://127.0.0.1:x/',
    ]) {
      assertError((await probe(setUp(url)))[2], 'VOVUsageError', /clear|no URL|user name/);
    }
  });

  it('keeps the connection between calls', async () => {
    const sockets = new Set();
    await using server = await fake((req, res) => {
      sockets.add(req.socket);
      res.end('{}');
    });
    await probe([...setUp(`${server.url}/a`), read(`${server.url}/b`), read(`${server.url}/c`)]);
    assert.equal(sockets.size, 1);
  });

  it('tells a submission with a lost answer from one that was never sent, and sends neither again', async () => {
    let cut = 0;
    await using server = await fake((req) => {
      cut += 1;
      req.socket.destroy();
    });
    const closed = createTcpServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const post = (url: string): Step => ({ do: 'submitRequest', method: 'POST', url, jsonData: {} });
    const start: Step[] = [{ do: 'new' }, { do: 'setJWT', token: 't' }];
    assertError((await probe([...start, post(`${server.url}/api/v3/jobs`)]))[2], 'VOVOutcomeUnknown', /lost/);
    assert.equal(cut, 1);
    assertError((await probe([...start, read(`${server.url}/a`)]))[2], 'VOVConnectionError', /lost/);
    assert.equal(cut, 3);
    assertError(
      (await probe([...start, post(`http://127.0.0.1:${port}/api/v3/jobs`)]))[2],
      'VOVConnectionError',
      /cannot be reached/,
    );
  });

  it('says how long to wait', async () => {
    await using server = await fake((_req, res) => {
      res.writeHead(429, { 'Retry-After': '7' });
      res.end('{"detail":"slow down","code":"GW_RATE_LIMITED"}');
    });
    const outcome = (await probe(setUp(`${server.url}/a`)))[2];
    assertError(outcome, 'VOVLimitError', /slow down/);
    assert.equal(outcome?.retry_after, 7);
  });

  it('says how long to wait until a date, counted from the time of the answer', async () => {
    await using server = await fake((_req, res) => {
      res.writeHead(503, { Date: 'Wed, 25 Nov 2026 22:00:00 GMT', 'Retry-After': 'Thu, 26 Nov 2026 02:00:00 GMT' });
      res.end('{"detail":"maintenance","code":"GW_MAINTENANCE"}');
    });
    const outcome = (await probe(setUp(`${server.url}/a`)))[2];
    assertError(outcome, 'VOVLimitError', /GW_MAINTENANCE/);
    assert.equal(outcome?.retry_after, 4 * 3600);
  });

  it('an answer that the gateway did not get is an unknown outcome and a refusal with status and code', async () => {
    await using server = await fake((_req, res) => {
      res.writeHead(504);
      res.end('{"detail":"not known","code":"GW_OUTCOME_UNKNOWN"}');
    });
    const outcome = (await probe(setUp(`${server.url}/a`)))[2];
    assertError(outcome, 'VOVLostAnswerError', /504 not known \[GW_OUTCOME_UNKNOWN\]/);
    assert.deepEqual([outcome?.status, outcome?.code], [504, 'GW_OUTCOME_UNKNOWN']);
    for (const kind of ['VOVOutcomeUnknown', 'VOVRequestError', 'VOVError']) assert.ok(outcome?.kinds?.includes(kind));
  });

  it('sends headers that are asked for, with both tries of a renewed call, and never another token', async () => {
    const world = await createWorld();
    await using _world = world;
    const token = await world.token('alice');
    const submit = { do: 'submitRequest', method: 'POST', url: '/api/v3/jobs', jsonData: job('keyed') };
    const headers = { 'Idempotency-Key': 'k-1' };
    const [, , first, second, foreign] = await probe([
      { do: 'new' },
      { do: 'authorize', url: urlOf(world), password: token },
      { ...submit, headers },
      { ...submit, headers },
      { ...submit, headers: { authorization: 'Bearer other' } },
    ]);
    assert.ok(String(first?.result).includes('jobid'));
    assert.deepEqual(second, first);
    assertError(foreign, 'VOVUsageError', /token goes out by itself/);
    const sent = world.vovserver.ledger.requests.filter(
      ({ method, target }) => method === 'POST' && target === '/api/v3/jobs',
    );
    assert.equal(sent.length, 1);
  });
});

describe('clients/python: TLS', () => {
  it('trusts a named authority only, and cannot be told to trust everything', async () => {
    const authority = await createAuthority();
    const other = await createAuthority();
    const leaf = await authority.leaf();
    const files = { cert: leaf.certPem, key: leaf.keyPem, ca: authority.certPem, other: other.certPem };
    for (const [name, pem] of Object.entries(files)) await writeFile(join(folder, `${name}.pem`), pem, { mode: 0o600 });
    await using world = await createWorld({
      config: { server: { tls: { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') } } },
    });
    const url = `https://localhost:${world.gateway.port}`;
    const password = await world.token('alice');
    const sign: Step = { do: 'authorize', url, password };
    const ca = join(folder, 'ca.pem');
    const [, byArgument] = await probe([{ do: 'new', verify: ca }, sign]);
    assert.deepEqual(byArgument, { result: null });
    const [, byEnvironment] = await probe([{ do: 'new' }, sign], { VOVGW_CA_FILE: ca });
    assert.deepEqual(byEnvironment, { result: null });
    const wrong = await probe([{ do: 'new' }, sign], { VOVGW_CA_FILE: join(folder, 'other.pem') });
    assertError(wrong[1], 'VOVCertificateError', /VOVGW_CA_FILE/);
    assertError((await probe([{ do: 'new' }, sign]))[1], 'VOVCertificateError', /not trusted/);
    assertError((await probe([{ do: 'new', verify: false }]))[0], 'VOVUsageError', /always verified/);
    const missing = await probe([{ do: 'new' }, sign], { VOVGW_CA_FILE: join(folder, 'nowhere.pem') });
    assertError(missing[1], 'VOVUsageError', /nowhere\.pem/);
  });
});
