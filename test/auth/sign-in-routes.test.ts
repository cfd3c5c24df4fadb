import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FLOW_COOKIE, SESSION_COOKIE } from '../../src/auth/index.ts';
import { ERROR_CODES, GatewayError } from '../../src/kernel/index.ts';
import { refusalOf, seenOf } from './auth-world.ts';
import { ALICE, BOB, signedIn, webRequest } from './sessions-world.ts';
import { begin, cookieIn, createSignInWorld, locationOf, type SignInWorld, signInAt } from './sign-in-routes-world.ts';

describe('the sign-in page', () => {
  it('lists the providers and carries the place to return to', async () => {
    await using world = await createSignInWorld();
    const answer = await world.call('GET /login?return=/ui/tokens');
    assert.equal(answer.kind === 'page' && answer.html, 'sign in: corp cloud; return /ui/tokens');
  });

  it('shows no place of another site', async () => {
    await using world = await createSignInWorld();
    for (const bad of ['//evil.example', 'https://evil.example', '/%5cevil.example', '/login']) {
      const answer = await world.call(`GET /login?return=${encodeURIComponent(bad)}`);
      assert.equal(answer.kind === 'page' && answer.html, 'sign in: corp cloud; return /ui/');
    }
  });

  it('sends who is signed in on to where they wanted', async () => {
    await using world = await createSignInWorld();
    const { session } = await world.sessions.first.open(webRequest(), signedIn(ALICE), ALICE);
    assert.equal(locationOf(await world.call('GET /login?return=/ui/tokens', {}, { session })), '/ui/tokens');
    assert.equal(locationOf(await world.call('GET /login?return=//evil.example', {}, { session })), '/ui/');
  });
});

describe('the beginning of a sign-in', () => {
  it('sends the browser away with a flow cookie that comes back with a cross-site POST', async () => {
    await using world = await createSignInWorld();
    for (const line of ['GET /saml/corp/login?return=/ui/x', 'GET /oidc/cloud/login']) {
      const { answer, state } = await begin(world, line);
      assert.ok(state.length === 43 && locationOf(answer).startsWith('https://idp.example/'));
      const value = cookieIn(answer, FLOW_COOKIE) ?? '';
      assert.deepEqual(answer.cookies, [{ name: FLOW_COOKIE, value, sameSite: 'none', maxAge: 600 }]);
    }
  });

  it('shows a page that posts when the provider wants a POST', async () => {
    await using world = await createSignInWorld();
    world.corp.binding = 'post';
    const answer = await world.call('GET /saml/corp/login');
    assert.match(answer.kind === 'page' ? answer.html : '', /^post https:\/\/idp\.example\/corp .*RelayState/);
    assert.ok(cookieIn(answer, FLOW_COOKIE));
  });

  it('finds no provider of another name or type', async () => {
    await using world = await createSignInWorld();
    const lines = ['GET /saml/cloud/login', 'GET /oidc/corp/login', 'GET /saml/x/login', 'GET /saml/__proto__/login'];
    const callbacks = ['POST /saml/cloud/acs', 'GET /oidc/corp/callback', 'GET /saml/cloud/metadata'];
    const logouts = ['GET /saml/cloud/slo', 'POST /saml/x/slo', 'POST /oidc/corp/backchannel-logout'];
    for (const line of [...lines, ...callbacks, ...logouts]) {
      assert.equal((await refusalOf(() => world.call(line))).code, 'GW_NOT_FOUND', line);
    }
    assert.deepEqual(world.records, []);
  });
});

/** A request of a browser that says which site it comes from. */
function from(site: string | undefined) {
  const { raw } = webRequest();
  if (site !== undefined) raw.headers['sec-fetch-site'] = site;
  return { raw };
}

describe('a sign-in that another site begins', () => {
  const lines = ['GET /saml/corp/login?return=/ui/tokens', 'GET /oidc/cloud/login?return=/ui/tokens'];

  it('shows the sign-in page instead, which returns to where it should', async () => {
    await using world = await createSignInWorld();
    for (const line of lines) {
      for (const site of ['cross-site', 'same-site']) {
        const answer = await world.call(line, from(site));
        assert.equal(locationOf(answer), '/login?return=%2Fui%2Ftokens');
        assert.deepEqual(answer.cookies ?? [], [], 'nothing was begun');
      }
    }
    const answer = await world.call('GET /oidc/cloud/login?return=//evil.example', from('cross-site'));
    assert.equal(locationOf(answer), '/login?return=%2Fui%2F');
  });

  it('is begun from the gateway’s own page, by a bookmark, and by a browser that does not tell', async () => {
    await using world = await createSignInWorld();
    for (const line of lines) {
      for (const site of ['same-origin', 'none', undefined]) {
        assert.match(locationOf(await world.call(line, from(site))), /^https:\/\/idp\.example\//);
      }
    }
  });
});

describe('a sign-in in a browser that had a session', () => {
  const ways = {
    OIDC: async (world: SignInWorld, session: string) => {
      const { state, flow } = await begin(world, 'GET /oidc/cloud/login?return=/ui/tokens', { session });
      return world.call(`GET /oidc/cloud/callback?state=${state}&code=c`, { flow, session });
    },
    'SAML, whose POST from another site carries no session cookie': async (world: SignInWorld, session: string) => {
      const { state, flow } = await begin(world, 'GET /saml/corp/login?return=/ui/tokens', { session });
      const form = new URLSearchParams({ RelayState: state, SAMLResponse: 'x' });
      return world.call('POST /saml/corp/acs', { form, flow });
    },
  };
  for (const [way, signIn] of Object.entries(ways)) {
    it(`of somebody else ends that one and leads to the start page: ${way}`, async () => {
      await using world = await createSignInWorld();
      const old = await world.sessions.first.open(webRequest(), signedIn(BOB), BOB);
      const answer = await signIn(world, old.cookie);
      assert.equal(locationOf(answer), '/ui/');
      assert.equal(await world.sessions.first.find(old.cookie), null);
      assert.equal(
        (await world.sessions.first.find(cookieIn(answer, SESSION_COOKIE) ?? ''))?.identity.user,
        ALICE.user,
      );
    });

    it(`of the same person ends that one and goes on: ${way}`, async () => {
      await using world = await createSignInWorld();
      const old = await world.sessions.first.open(webRequest(), signedIn(ALICE), ALICE);
      const answer = await signIn(world, old.cookie);
      assert.equal(locationOf(answer), '/ui/tokens');
      assert.equal(await world.sessions.first.find(old.cookie), null);
      assert.equal((await world.sessions.first.list(ALICE.subject)).length, 1);
    });

    it(`that has ended meanwhile, or is none, just goes on: ${way}`, async () => {
      await using world = await createSignInWorld();
      const old = await world.sessions.first.open(webRequest(), signedIn(BOB), BOB);
      await world.sessions.first.end(old.session.id);
      for (const cookie of [old.cookie, 'x', `${'A'.repeat(22)}.${'A'.repeat(43)}`])
        assert.equal(locationOf(await signIn(world, cookie)), '/ui/tokens');
    });
  }
});

describe('the end of a sign-in', () => {
  it('opens a session by OIDC and goes on to where the person wanted', async () => {
    await using world = await createSignInWorld();
    const answer = await signInAt(world);
    assert.equal(locationOf(answer), '/ui/tokens');
    const value = cookieIn(answer, SESSION_COOKIE) ?? '';
    assert.deepEqual(answer.cookies, [{ name: SESSION_COOKIE, value, sameSite: 'lax', maxAge: null }]);
    assert.equal((await world.sessions.first.find(value))?.identity.user, ALICE.user);
    const { user, subject } = ALICE;
    const where = { provider: 'cloud', method: 'oidc', address: '192.0.2.7', requestId: 'req-00000001' };
    assert.deepEqual(world.records, [{ ...where, result: 'ok', user, subject }]);
  });

  it('opens a session by SAML, whose answer comes as a form', async () => {
    await using world = await createSignInWorld();
    const { state, flow } = await begin(world, 'GET /saml/corp/login?return=/ui/x');
    const form = new URLSearchParams({ RelayState: state, SAMLResponse: 'x' });
    const answer = await world.call('POST /saml/corp/acs', { form, flow });
    assert.equal(locationOf(answer), '/ui/x');
    assert.ok(await world.sessions.first.find(cookieIn(answer, SESSION_COOKIE) ?? ''));
  });

  it('gives a new cookie and ends the session that came along (session fixation)', async () => {
    await using world = await createSignInWorld();
    const planted = await world.sessions.first.open(webRequest(), signedIn(BOB), BOB);
    const answer = await signInAt(world, { session: planted.cookie });
    assert.notEqual(cookieIn(answer, SESSION_COOKIE), planted.cookie);
    assert.equal(await world.sessions.first.find(planted.cookie), null);
  });

  it('works for two tabs of one browser, in either order', async () => {
    await using world = await createSignInWorld();
    const one = await begin(world, 'GET /oidc/cloud/login?return=/ui/one');
    const two = await begin(world, 'GET /oidc/cloud/login?return=/ui/two', { flow: one.flow });
    const finish = (state: string) => world.call(`GET /oidc/cloud/callback?state=${state}`, { flow: two.flow });
    assert.equal(locationOf(await finish(two.state)), '/ui/two');
    assert.equal(locationOf(await finish(one.state)), '/ui/one');
  });

  it('of many callbacks of one sign-in lets one through', async () => {
    await using world = await createSignInWorld();
    const { state, flow } = await begin(world, 'GET /oidc/cloud/login');
    const calls = Array.from({ length: 8 }, () => world.call(`GET /oidc/cloud/callback?state=${state}`, { flow }));
    const settled = await Promise.allSettled(calls);
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal((await world.sessions.first.list(ALICE.subject)).length, 1);
    assert.equal(world.records.filter(({ reason }) => reason === 'no such flow').length, 7);
  });

  it('the callback of another browser fails and leaves the owner’s sign-in as it was', async () => {
    await using world = await createSignInWorld();
    const { state, flow } = await begin(world, 'GET /oidc/cloud/login');
    const line = `GET /oidc/cloud/callback?state=${state}`;
    const other = await begin(world, 'GET /oidc/cloud/login');
    for (const request of [{}, { flow: other.flow }]) {
      assert.equal((await refusalOf(() => world.call(line, request))).code, 'GW_SIGN_IN_FAILED');
    }
    assert.ok(cookieIn(await world.call(line, { flow }), SESSION_COOKIE));
  });

  it('trusts no place that a provider names', async () => {
    await using world = await createSignInWorld();
    for (const returnTo of ['https://evil.example', '//evil.example', '/\\evil.example', '/saml/corp/login']) {
      world.corp.finish = async () => signedIn(ALICE, { returnTo });
      assert.equal(locationOf(await world.call('POST /saml/corp/acs')), '/ui/');
    }
  });
});

describe('a sign-in that fails', () => {
  const failures: Record<string, Error> = {
    'bad signature': new GatewayError('GW_SIGN_IN_FAILED', 'a text of its own', { internal: 'bad signature' }),
    'no reason': new GatewayError('GW_SIGN_IN_FAILED', 'no reason'),
    'a fault of the form': new GatewayError('GW_BAD_BODY', 'line 3 is wrong', { internal: 'a fault of the form' }),
    'a rate': new GatewayError('GW_UNAUTHENTICATED', 'token', { internal: 'a rate', headers: { 'X-Near': '1' } }),
    'Cannot read properties of undefined': new TypeError('Cannot read properties of undefined'),
    'a fault of ours': new GatewayError('GW_INTERNAL', 'the stack', { internal: 'a fault of ours' }),
  };

  it('tells the caller the same for every reason of the protocol, and the log each one', async () => {
    await using world = await createSignInWorld();
    const seen = new Set<string>();
    for (const [reason, error] of Object.entries(failures)) {
      for (const provider of [world.corp, world.cloud]) {
        provider.next = error;
        const { state, flow } = await begin(world, `GET /${provider.type}/${provider.name}/login`);
        const form = new URLSearchParams({ RelayState: state });
        const line = provider.type === 'saml' ? 'POST /saml/corp/acs' : `GET /oidc/cloud/callback?state=${state}`;
        seen.add(seenOf(await refusalOf(() => world.call(line, { flow, form }))));
        const { result, reason: logged, method } = world.records.at(-1) ?? {};
        assert.deepEqual([result, logged, method], ['failed', reason, provider.type]);
      }
    }
    seen.add(seenOf(await refusalOf(() => world.call('GET /oidc/cloud/callback?state=unknown'))));
    assert.equal(seen.size, 1);
    const text = [...seen].join();
    assert.ok(text.includes('"status":403') && text.includes('GW_SIGN_IN_FAILED'), text);
    for (const reason of Object.keys(failures)) assert.ok(!text.includes(reason), reason);
    assert.deepEqual(await world.sessions.first.list(ALICE.subject), []);
  });

  it('says what a person can do something about', async () => {
    await using world = await createSignInWorld();
    const shown = [
      ['GW_SIGN_IN_DENIED', 'denied'],
      ['GW_IDENTITY_CONFLICT', 'conflict'],
      ['GW_STORE_UNAVAILABLE', 'failed'],
    ] as const;
    for (const [code, result] of shown) {
      world.admit = () => new GatewayError(code, 'a public text', { internal: 'why', retryAfter: 5 });
      const error = await refusalOf(() => signInAt(world));
      assert.deepEqual([error.code, error.detail, error.retryAfter], [code, 'a public text', 5]);
      assert.equal(error.status, ERROR_CODES[code].status);
      assert.deepEqual([world.records.at(-1)?.result, world.records.at(-1)?.reason], [result, 'why']);
    }
    world.cloud.next = new GatewayError('GW_PROVIDER_UNAVAILABLE', 'not reachable', { retryAfter: 7 });
    assert.equal((await refusalOf(() => signInAt(world))).code, 'GW_PROVIDER_UNAVAILABLE');
  });

  it('says 503 while the store is away', async () => {
    await using world = await createSignInWorld();
    const { state, flow } = await begin(world, 'GET /oidc/cloud/login');
    world.sessions.store.away = true;
    for (const line of [`GET /oidc/cloud/callback?state=${state}`, 'GET /oidc/cloud/login', 'GET /saml/corp/login']) {
      assert.equal((await refusalOf(() => world.call(line, { flow }))).code, 'GW_STORE_UNAVAILABLE', line);
    }
    assert.equal(world.records[0]?.result, 'failed');
  });
});

describe('the answers of the sign-in', () => {
  it('are kept by no cache', async () => {
    await using world = await createSignInWorld();
    const { session } = await world.sessions.first.open(webRequest(), signedIn(ALICE), ALICE);
    const answers = [
      await world.call('GET /login'),
      await world.call('GET /login', {}, { session }),
      await world.call('GET /saml/corp/login'),
      await signInAt(world),
      await world.call('GET /saml/corp/metadata'),
      await world.call('GET /saml/corp/slo'),
      await world.call('POST /saml/corp/slo'),
      await world.call('POST /oidc/cloud/backchannel-logout'),
      await world.call('POST /logout', {}, { session }),
      await world.call('GET /signed-out'),
    ];
    for (const answer of answers) assert.equal(answer.headers?.['Cache-Control'], 'no-store', answer.kind);
  });

  it('metadata has its own content type', async () => {
    await using world = await createSignInWorld();
    const answer = await world.call('GET /saml/corp/metadata');
    assert.ok(answer.kind === 'bytes');
    assert.equal(answer.contentType, 'application/samlmetadata+xml');
    assert.match(answer.bytes.toString(), /^<md:EntityDescriptor/);
  });

  it('pass the doors that the server guards, and only logout needs a session', async () => {
    await using world = await createSignInWorld();
    const table = world.routes.map(({ method, path, door, needs }) => `${method} ${path} ${door} ${needs}`).sort();
    assert.deepEqual(table, [
      'GET /login login maybe',
      'GET /oidc/:name/callback callback nothing',
      'GET /oidc/:name/login login nothing',
      'GET /saml/:name/login login nothing',
      'GET /saml/:name/metadata login nothing',
      'GET /saml/:name/slo callback nothing',
      'GET /signed-out login nothing',
      'POST /logout login session',
      'POST /oidc/:name/backchannel-logout callback nothing',
      'POST /saml/:name/acs callback nothing',
      'POST /saml/:name/slo callback nothing',
    ]);
  });
});
