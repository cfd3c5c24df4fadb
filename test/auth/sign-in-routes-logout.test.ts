import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SESSION_COOKIE, type Session } from '../../src/auth/index.ts';
import { GatewayError, type Identity, type WebAnswer } from '../../src/kernel/index.ts';
import { refusalOf, seenOf } from './auth-world.ts';
import { ALICE, BOB, signedIn, webRequest } from './sessions-world.ts';
import { createSignInWorld, type SignInWorld } from './sign-in-routes-world.ts';

/** A session of that provider. */
async function openAt(world: SignInWorld, provider: string, who: Identity, key: string) {
  const assertion = { provider, issuer: 'x', attributes: { sub: [who.user] } };
  const providerSession = { keys: [key], hint: `hint-${key}` };
  return world.sessions.first.open(webRequest(), signedIn(who, { assertion, providerSession }), who);
}

const textOf = (answer: WebAnswer): string => (answer.kind === 'page' ? answer.html : '');

describe('logout by the person', () => {
  it('ends the session, removes the cookie and shows where to go on', async () => {
    await using world = await createSignInWorld();
    const { cookie, session } = await openAt(world, 'corp', ALICE, 'k');
    const answer = await world.call('POST /logout', { session: cookie }, { session });
    assert.equal(textOf(answer), 'signed out {"kind":"redirect","location":"https://idp.example/corp/logout"}');
    assert.deepEqual(answer.cookies, [{ name: SESSION_COOKIE, value: '', sameSite: 'lax', maxAge: 0 }]);
    assert.equal(await world.sessions.first.find(cookie), null);
  });

  it('is a page and no redirect, which form-action would forbid', async () => {
    await using world = await createSignInWorld();
    const { session } = await openAt(world, 'cloud', ALICE, 'k');
    assert.equal((await world.call('POST /logout', {}, { session })).kind, 'page');
  });

  it('has ended the session before the provider is asked, and hands it the session', async () => {
    await using world = await createSignInWorld();
    const { cookie, session } = await openAt(world, 'corp', ALICE, 'k');
    const asked: [Session, Session | null][] = [];
    world.corp.onLogout = async (one) => {
      asked.push([one, await world.sessions.first.find(cookie)]);
      return null;
    };
    assert.equal(textOf(await world.call('POST /logout', {}, { session })), 'signed out null');
    assert.deepEqual(asked, [[session, null]]);
  });

  it('does not depend on a provider that fails, throws or is gone', async () => {
    await using world = await createSignInWorld();
    const failures = [
      () => Promise.reject(new GatewayError('GW_PROVIDER_UNAVAILABLE', 'away', { internal: 'connect refused' })),
      () => {
        throw new TypeError('no such endpoint');
      },
    ];
    for (const failure of failures) {
      world.corp.onLogout = failure;
      const { cookie, session } = await openAt(world, 'corp', ALICE, 'k');
      assert.equal(textOf(await world.call('POST /logout', {}, { session })), 'signed out null');
      assert.equal(await world.sessions.first.find(cookie), null);
    }
    assert.match(world.logged.join('\n'), /connect refused.*no such endpoint/s);
    const { cookie, session } = await openAt(world, 'gone', ALICE, 'k');
    assert.equal(textOf(await world.call('POST /logout', {}, { session })), 'signed out null');
    assert.equal(await world.sessions.first.find(cookie), null);
  });

  it('waits three seconds at most for a provider that hangs', async () => {
    await using world = await createSignInWorld();
    world.corp.onLogout = () => new Promise(() => undefined);
    const { cookie, session } = await openAt(world, 'corp', ALICE, 'k');
    let answer: WebAnswer | null = null;
    const running = world.call('POST /logout', {}, { session }).then((given) => {
      answer = given;
    });
    await world.sessions.clock.advance(2999);
    assert.equal(answer, null);
    assert.equal(await world.sessions.first.find(cookie), null);
    await world.sessions.clock.advance(1);
    await running;
    assert.equal(answer === null ? '' : textOf(answer), 'signed out null');
  });

  it('says 503 when the session could not be ended', async () => {
    await using world = await createSignInWorld();
    const { session } = await openAt(world, 'corp', ALICE, 'k');
    world.sessions.store.away = true;
    const error = await refusalOf(() => world.call('POST /logout', {}, { session }));
    assert.equal(error.code, 'GW_STORE_UNAVAILABLE');
  });

  it('twice is no fault', async () => {
    await using world = await createSignInWorld();
    const { session } = await openAt(world, 'corp', ALICE, 'k');
    await world.call('POST /logout', {}, { session });
    assert.equal((await world.call('POST /logout', {}, { session })).kind, 'page');
  });

  it('the page after it stands by itself', async () => {
    await using world = await createSignInWorld();
    assert.equal(textOf(await world.call('GET /signed-out')), 'signed out null');
  });
});

describe('logout by a message of the provider', () => {
  it('ends the session that the message names and not the one of the cookie', async () => {
    await using world = await createSignInWorld();
    for (const [line, where] of [
      ['GET /saml/corp/slo?key=a', 'query'],
      ['POST /saml/corp/slo', 'form'],
    ] as const) {
      const named = await openAt(world, 'corp', ALICE, 'a');
      const bystander = await openAt(world, 'corp', BOB, 'b');
      const form = new URLSearchParams(where === 'form' ? { key: 'a' } : {});
      const answer = await world.call(line, { session: bystander.cookie, form });
      assert.equal(answer.kind === 'redirect' && answer.location, 'https://idp.example/corp/logout-done');
      assert.deepEqual(answer.cookies ?? [], []);
      assert.equal(await world.sessions.first.find(named.cookie), null);
      assert.ok(await world.sessions.first.find(bystander.cookie));
      await world.sessions.first.end(bystander.session.id);
    }
  });

  it('of one provider ends no session of another', async () => {
    await using world = await createSignInWorld();
    const other = await openAt(world, 'cloud', ALICE, 'a');
    await world.call('POST /saml/corp/slo', { form: new URLSearchParams({ key: 'a' }) });
    assert.ok(await world.sessions.first.find(other.cookie));
  });

  it('may be answered by a form or by a page', async () => {
    await using world = await createSignInWorld();
    world.corp.onLogoutMessage = async () => ({
      ended: [],
      answer: { kind: 'post', action: 'https://idp.example/slo', fields: { SAMLResponse: 'x' } },
    });
    assert.equal(textOf(await world.call('POST /saml/corp/slo')), 'post https://idp.example/slo {"SAMLResponse":"x"}');
    world.corp.onLogoutMessage = async () => ({ ended: [], answer: { kind: 'redirect', location: '/signed-out' } });
    const done = await world.call('GET /saml/corp/slo');
    assert.equal(done.kind === 'redirect' && done.location, '/signed-out');
  });

  it('for which there is no session succeeds, and the log says why nothing ended', async () => {
    await using world = await createSignInWorld();
    const { cookie } = await openAt(world, 'corp', ALICE, 'a');
    const answer = await world.call('GET /saml/corp/slo?key=b');
    assert.equal(answer.kind === 'redirect' && answer.location, 'https://idp.example/corp/logout-done');
    assert.match(
      world.logged.at(-1) ?? '',
      /^info an identity provider ended no session here .*"count":0.*no session here/,
    );
    assert.ok(await world.sessions.first.find(cookie));
    await world.call('GET /saml/corp/slo?key=a');
    assert.match(world.logged.at(-1) ?? '', /^info an identity provider ended sessions .*"count":1/);
  });

  it('is told to succeed only when its sessions have ended', async () => {
    await using world = await createSignInWorld();
    const { cookie } = await openAt(world, 'corp', ALICE, 'a');
    world.sessions.store.away = true;
    const form = new URLSearchParams({ key: 'a' });
    const error = await refusalOf(() => world.call('POST /saml/corp/slo', { form }));
    assert.equal(error.code, 'GW_STORE_UNAVAILABLE');
    world.sessions.store.away = false;
    assert.ok(await world.sessions.first.find(cookie));
  });

  it('that is refused ends nothing, says nothing and is logged with its reason', async () => {
    await using world = await createSignInWorld();
    const { cookie } = await openAt(world, 'corp', ALICE, 'a');
    const seen = new Set<string>();
    const reasons = ['unsigned logout request', 'wrong destination', 'boom'];
    for (const reason of reasons) {
      world.corp.onLogoutMessage = async () => {
        if (reason === 'boom') throw new Error(reason);
        throw new GatewayError('GW_SIGN_IN_FAILED', reason, { internal: reason });
      };
      seen.add(seenOf(await refusalOf(() => world.call('GET /saml/corp/slo?key=a'))));
      assert.match(world.logged.at(-1) ?? '', new RegExp(`^warn a logout message was not accepted .*${reason}`));
    }
    assert.equal(seen.size, 1);
    for (const reason of reasons) assert.ok(![...seen].join().includes(reason));
    assert.ok(await world.sessions.first.find(cookie));
  });
});

describe('back-channel logout (OpenID Connect Back-Channel Logout 1.0)', () => {
  const line = 'POST /oidc/cloud/backchannel-logout';

  it('answers 200 when the sessions have ended', async () => {
    await using world = await createSignInWorld();
    const { cookie } = await openAt(world, 'cloud', ALICE, 'a');
    const answer = await world.call(line, { form: new URLSearchParams({ key: 'a' }) });
    assert.equal(answer.kind, 'empty');
    assert.equal(answer.status ?? 200, 200);
    assert.equal(answer.headers?.['Cache-Control'], 'no-store');
    assert.equal(await world.sessions.first.find(cookie), null);
    assert.match(world.logged.join('\n'), /an identity provider ended sessions .*"count":1/);
  });

  it('answers what the provider answers, which may be a refusal', async () => {
    await using world = await createSignInWorld();
    const { cookie } = await openAt(world, 'cloud', ALICE, 'a');
    const refusal = { kind: 'json', status: 400, body: { error: 'invalid_request' } } as const;
    world.cloud.onLogoutMessage = async () => ({ ended: [], answer: refusal });
    const answer = await world.call(line, { form: new URLSearchParams({ key: 'a' }) });
    assert.ok(answer.kind === 'json');
    assert.deepEqual([answer.status, answer.body], [400, { error: 'invalid_request' }]);
    assert.equal(answer.headers?.['Cache-Control'], 'no-store');
    assert.ok(await world.sessions.first.find(cookie));
  });

  it('answers 400 in JSON for a token that is refused and for a logout that failed', async () => {
    await using world = await createSignInWorld();
    const { cookie } = await openAt(world, 'cloud', ALICE, 'a');
    const form = new URLSearchParams({ key: 'a' });
    const genuine = world.cloud.onLogoutMessage;
    const answers: WebAnswer[] = [];
    world.sessions.store.away = true;
    answers.push(await world.call(line, { form }));
    world.sessions.store.away = false;
    world.cloud.onLogoutMessage = async () => {
      throw new GatewayError('GW_SIGN_IN_FAILED', 'text', { internal: 'nonce in logout token' });
    };
    answers.push(await world.call(line, { form }));
    for (const answer of answers) {
      assert.ok(answer.kind === 'json');
      assert.equal(answer.status, 400);
      assert.equal(answer.headers?.['Cache-Control'], 'no-store');
      assert.equal((answer.body as { error: string }).error, 'invalid_request');
      assert.ok(!JSON.stringify(answer.body).includes('nonce'));
    }
    assert.ok(await world.sessions.first.find(cookie));
    world.cloud.onLogoutMessage = genuine;
    assert.equal((await world.call(line, { form })).status ?? 200, 200);
  });
});
