import assert from 'node:assert/strict';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';

import { createBrowser, signInAs } from '../world/browser.ts';
import { createSignInWorld, type SignInWorld } from '../world/sign-in-world.ts';

const READ = '/api/v3/project/1/project';
const JSON_ONLY = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' };

let world: SignInWorld;
before(async () => {
  world = await createSignInWorld();
});
after(() => world[Symbol.asyncDispose]());

const cookieOf = (browser: ReturnType<typeof createBrowser>): string =>
  [...browser.cookies(world.url)].map(([name, value]) => `${name}=${value}`).join('; ');

const csrfOf = (html: string): string => /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? '';

for (const way of ['oidc', 'saml'] as const) {
  describe(`a person who signs in by ${way}`, () => {
    it('comes back to the page that was asked for, with a name and groups from the directory', async () => {
      const browser = createBrowser();
      const first = await browser.open(`${world.url}/ui/tokens`);
      assert.match(first.url, /\/login\?return=%2Fui%2Ftokens$/);
      const { page } = await signInAs(world.url, `${way}/${way}`, 'bob', browser);
      assert.equal(page.status, 200);
      const me = await browser.open(`${world.url}/gateway/v1/me`, { headers: JSON_ONLY });
      const { user, subject, groups, roles, provider } = JSON.parse(me.body);
      assert.deepEqual([user, subject, provider], ['bob', 'demo:p-2d08be54', way]);
      assert.deepEqual(groups, ['engineers', 'cad-admins']);
      assert.deepEqual(roles, ['user', 'operator', 'admin']);
    });

    it('makes a token that calls vovserver as the right account', async () => {
      const { browser } = await signInAs(world.url, `${way}/${way}`, 'alice');
      const page = await browser.open(`${world.url}/ui/tokens`);
      const fields = { label: `by ${way}`, scopes: 'read', life: '86400000' };
      const made = await browser.submit(page, fields, { form: (form) => form.blanks.includes('label') });
      const token = /vgw_\w+/.exec(made.body)?.[0] ?? '';
      const answer = await world.call('GET', READ, { token });
      assert.equal(answer.status, 200);
      assert.equal(world.vovserver.ledger.requests.findLast(({ target }) => target === READ)?.account, 'alice');
    });

    it('signs out here and at the provider, and the old cookie opens nothing', async () => {
      const { browser } = await signInAs(world.url, `${way}/${way}`, 'alice');
      const page = await browser.open(`${world.url}/ui/`);
      const old = cookieOf(browser);
      const out = await browser.submit(page, {}, { form: (form) => form.action.endsWith('/logout') });
      assert.equal(out.status, 200);
      const onward = /url=([^"]+)/i.exec(out.headers.get('refresh') ?? '')?.[1];
      assert.ok(onward, 'the provider has a logout, and the page leads there');
      const ended = await browser.settle(await browser.open(onward, { from: out.url }));
      assert.ok(ended.status < 400, ended.body);
      const again = await world.call('GET', '/ui/', { headers: { cookie: old, accept: 'application/json' } });
      assert.equal(again.status, 401);
      // The provider asks who it is again.
      const anew = await browser.open(`${world.url}/${way}/${way}/login`);
      assert.ok((await browser.settle(anew)).url.startsWith(world.idp.url));
    });
  });
}

describe('a session', () => {
  it('calls the API from the gateway’s own pages only', async () => {
    const { browser } = await signInAs(world.url, 'oidc/oidc', 'alice');
    const cookie = cookieOf(browser);
    const call = (headers: Record<string, string>, method = 'GET', path = READ) =>
      world.call(method, path, { headers: { cookie, ...headers } });
    const own = { 'sec-fetch-site': 'same-origin' };
    assert.equal((await call(own)).status, 200);
    assert.equal((await call({ 'sec-fetch-site': 'none' })).status, 200, 'a typed address');
    for (const site of ['cross-site', 'same-site']) {
      assert.equal((await call({ 'sec-fetch-site': site })).status, 401, site);
    }
    const job = { command: 'sleep 1', logfile: 'L1', rundir: '/tmp', env: 'BASE' };
    const post = (headers: Record<string, string>) =>
      world.call('POST', '/api/v3/jobs', { json: job, headers: { cookie, ...headers } });
    assert.equal((await post({})).status, 401, 'a submission that does not say where it comes from');
    assert.equal((await post({ origin: 'https://evil.example' })).status, 401);
    assert.equal((await post({ origin: 'null' })).status, 401);
    assert.equal((await post({ origin: world.url })).status, 200);
  });

  it('changes nothing without the token of its own forms (CSRF)', async () => {
    const { browser } = await signInAs(world.url, 'oidc/oidc', 'alice');
    const { browser: other } = await signInAs(world.url, 'oidc/oidc', 'bob');
    const page = await browser.open(`${world.url}/ui/tokens`);
    const foreign = csrfOf((await other.open(`${world.url}/ui/tokens`)).body);
    const form = { label: 'forged', scopes: 'read', life: '86400000', once: 'x' };
    for (const csrf of ['', 'wrong', foreign]) {
      const answer = await browser.open(`${world.url}/ui/tokens`, { form: { ...form, csrf }, from: page.url });
      assert.equal(answer.status, 403);
    }
    const cross = { form: { ...form, csrf: csrfOf(page.body) }, from: 'https://evil.example/' };
    const answer = await browser.open(`${world.url}/ui/tokens`, cross);
    assert.equal(answer.status >= 300 && answer.status < 500, true);
    const labels = (await world.gateway.tokens.list('alice')).map(({ label }) => label);
    assert.ok(!labels.includes('forged'));
  });

  it('a cookie that came twice, or is damaged, is no session', async () => {
    const { browser } = await signInAs(world.url, 'oidc/oidc', 'alice');
    const good = cookieOf(browser);
    const value = browser.cookies(world.url).get('vovgw') ?? '';
    for (const cookie of [`${good}; vovgw=x`, `vovgw=${value.slice(1)}`, `vovgw=${value}x`, 'vovgw=', 'vovgw']) {
      const headers = { cookie, accept: 'application/json' };
      assert.equal((await world.call('GET', '/ui/', { headers })).status, 401, cookie.slice(0, 20));
    }
  });

  it('is not planted by a sibling host with a name that only looks like ours', async () => {
    const { browser } = await signInAs(world.url, 'oidc/oidc', 'bob');
    const value = browser.cookies(world.url).get('vovgw') ?? '';
    for (const name of ['\u00a0vovgw', 'vovgw\u00a0', '\u00a0 vovgw', 'Vovgw']) {
      const answer = await ask('GET', '/ui/', { cookie: `${name}=${value}`, accept: 'application/json' });
      assert.ok((answer.statusCode ?? 0) >= 400, JSON.stringify(name));
      answer.resume();
    }
  });

  it('a page under another known name is sent to the one where people sign in', async () => {
    const { port } = new URL(world.url);
    const browser = createBrowser();
    const page = await browser.open(`http://localhost:${port}/ui/`, { follow: false });
    assert.equal(page.headers.get('location'), `${world.url}/ui/`);
  });
});

describe('what is under /api/', () => {
  const AGENTS = ['Mozilla/5.0 (X11; Linux) Firefox/140.0', 'kube-probe/1.30', ''];
  const ACCEPTS = ['text/html,application/xhtml+xml', '*/*', 'image/png'];
  const TARGETS = [
    READ,
    '/api/v3/jobs',
    '/api/v3/token',
    '/api/v3/',
    '/api/v3',
    '/api/',
    '/api',
    '/api/login',
    '/api/%2e%2e/ui/',
    '/%61pi/v3/jobs',
    '/api?x=/ui/',
    '//api/v3/jobs',
    '/API/v3/jobs',
    '/api;x/v3',
    '/./api/v3/x',
    '/x/../api/v3/x',
    '/;x/api/v3/jobs',
    'http://h/api/v3/jobs/1',
  ];

  it('never answers with a redirect or HTML, signed in or not', async () => {
    const { browser } = await signInAs(world.url, 'oidc/oidc', 'alice');
    for (const cookie of ['', cookieOf(browser), 'vovgw=damaged']) {
      for (const agent of AGENTS) {
        for (const accept of ACCEPTS) {
          const headers = { 'user-agent': agent, accept, 'sec-fetch-mode': 'navigate', cookie };
          for (const path of TARGETS) {
            for (const method of ['GET', 'POST', 'OPTIONS'] as const) await assertPlain(method, path, headers);
          }
        }
      }
    }
  });
});

function ask(method: string, path: string, headers: Record<string, string>) {
  // `fetch` would tidy the path up and name itself a script.
  const { port } = new URL(world.url);
  return new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, headers }, resolve).once('error', reject).end();
  });
}

async function assertPlain(method: string, path: string, headers: Record<string, string>): Promise<void> {
  const answer = await ask(method, path, headers);
  const body = await text(answer);
  const { statusCode = 0 } = answer;
  const type = answer.headers['content-type'] ?? '';
  assert.ok(statusCode >= 200 && (statusCode < 300 || statusCode >= 400), `${method} ${path}: ${statusCode}`);
  assert.ok(!type.includes('html') && !/<html|<!doctype/i.test(body), `${method} ${path}: ${type}`);
}
