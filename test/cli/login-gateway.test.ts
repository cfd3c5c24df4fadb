import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Browser, signInAs } from '../world/browser.ts';
import { createSignInWorld, type SignInWorld } from '../world/sign-in-world.ts';
import { callVerb, startVovgw } from './login-world.ts';

/** Members of an answer in JSON, as text where that is what they are. */
const jsonOf = async (answer: Response) => (await answer.json()) as Readonly<Record<string, unknown>>;

const READ = '/api/v3/project/1/project';

describe('vovgw login at a whole gateway', () => {
  let world: SignInWorld;
  let home: string;
  let alice: Browser;
  const env = () => ({ PATH: process.env.PATH ?? '', HOME: home });
  const post = (path: string, fields: Readonly<Record<string, string>>, token?: string) =>
    fetch(`${world.url}${path}`, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'vovgw-home-'));
    world = await createSignInWorld({ config: { signIn: { device: { interval: '1s' } } } });
    ({ browser: alice } = await signInAs(world.url, 'oidc', 'alice'));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  it('ends with a token that calls vovserver, after the approval on the page that it prints', async () => {
    const terminal = startVovgw(['login', '--url', world.url], env());
    const page = await alice.open(await terminal.shows(/filled in: (\S+)/));
    assert.equal(page.status, 200);
    assert.ok(page.body.includes(await terminal.shows(/Code: (\S+)/)));
    const done = await alice.submit(
      page,
      { decision: 'approve' },
      { form: ({ action }) => action.endsWith('/ui/device') },
    );
    assert.equal(done.status, 200, done.body);
    assert.equal(await terminal.exit, 0, terminal.err());
    assert.match(terminal.out(), / as alice until /);

    const { token } = JSON.parse(await readFile(join(home, '.config/vovgw/login.json'), 'utf8'));
    assert.equal((await world.call('GET', READ, { token })).status, 200);
    assert.equal(world.vovserver.ledger.requests.findLast(({ target }) => target === READ)?.account, 'alice');
    const who = await callVerb(['whoami'], env());
    assert.match(who.out, /^user +alice$/m);
    assert.match(who.out, /^queue test +vovserver account alice$/m);
    assert.ok((await alice.open(`${world.url}/ui/tokens`)).body.includes('vovgw login on '));
    assert.ok(!world.log.join('\n').includes(token.slice(17)));
  });

  it('lets its owner introspect the token, but no neighbour, and nobody without a credential', async () => {
    const { out } = await callVerb(['print'], env());
    const token = out.trim();
    const own = await jsonOf(await post('/oauth/introspect', { token }, token));
    assert.equal(own.active, true);
    assert.equal(own.username, 'alice');
    assert.equal(own.iss, world.url);
    const neighbour = await world.token('dave');
    assert.deepEqual(await jsonOf(await post('/oauth/introspect', { token }, neighbour)), { active: false });
    const bare = await post('/oauth/introspect', { token });
    assert.equal(bare.status, 401);
    assert.match(bare.headers.get('www-authenticate') ?? '', /^Bearer /);
  });

  it('is logged out at the gateway too', async () => {
    const token = (await callVerb(['print'], env())).out.trim();
    assert.equal((await callVerb(['logout'], env())).code, 0);
    assert.equal((await world.call('GET', READ, { token })).status, 401);
  });

  it('is told of a denial', async () => {
    const terminal = startVovgw(['login', '--url', world.url], env());
    const page = await alice.open(await terminal.shows(/filled in: (\S+)/));
    await alice.submit(page, { decision: 'deny' }, { form: ({ action }) => action.endsWith('/ui/device') });
    assert.equal(await terminal.exit, 1);
    assert.match(terminal.err(), /denied in the browser/);
  });

  it('answers OAuth clients in JSON that no cache keeps, and never with a page', async () => {
    const html = { accept: 'text/html', 'user-agent': 'Mozilla/5.0' };
    for (const [path, fields, status, error] of [
      ['/oauth/token', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
      ['/oauth/token', {}, 400, 'invalid_request'],
      ['/oauth/device_authorization', { client_id: 'other' }, 401, 'invalid_client'],
      ['/oauth/revoke', {}, 400, 'invalid_request'],
    ] as const) {
      const answer = await fetch(`${world.url}${path}`, {
        method: 'POST',
        headers: html,
        body: new URLSearchParams(fields),
      });
      assert.equal(answer.status, status, path);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
      assert.equal((await jsonOf(answer)).error, error);
    }
    const json = await fetch(`${world.url}/oauth/token`, {
      method: 'POST',
      body: JSON.stringify({ grant_type: 'x' }),
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(json.status, 400);
    assert.match(String((await jsonOf(json)).error_description), /application\/x-www-form-urlencoded/);
  });

  it('describes itself to OAuth clients', async () => {
    const metadata = await jsonOf(await fetch(`${world.url}/.well-known/oauth-authorization-server`));
    assert.equal(metadata.issuer, world.url);
    const resource = await jsonOf(await fetch(`${world.url}/.well-known/oauth-protected-resource/api/v3`));
    assert.deepEqual(resource.authorization_servers, [metadata.issuer]);
    const begun = await fetch(String(metadata.device_authorization_endpoint), {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'vovgw', host: 'ci' }),
    });
    assert.equal((await jsonOf(begun)).verification_uri, `${world.url}/ui/device`);
  });
});
