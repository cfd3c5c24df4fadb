import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { exportPKCS8 } from 'jose';
import { SESSION_COOKIE } from '../../src/auth/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { localIdentity } from '../world/identities.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { refusalOf, watch } from './auth-world.ts';
import {
  CLIENT_ID,
  createBrowser,
  createGateway,
  createOidcRig,
  newKey,
  type OidcRig,
  PUBLIC_URL,
  SUBJECT,
  sessionWith,
} from './oidc-rig.ts';

describe('a sign-in by OpenID Connect', () => {
  it('ends with what the provider says of the person', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer);
    const browser = createBrowser();
    const callback = await gateway.callbackOf(browser, '/ui/tokens');
    const { assertion, providerSession, returnTo, until } = await gateway.finish(browser, callback);
    assert.equal(assertion.provider, 'corp');
    assert.equal(assertion.issuer, rig.issuer);
    assert.deepEqual(assertion.attributes.sub, [SUBJECT]);
    assert.deepEqual(assertion.attributes.preferred_username, ['alice']);
    assert.deepEqual(assertion.attributes.groups, ['engineers', 'cad']);
    assert.deepEqual(assertion.attributes['realm_access.roles'], ['submitter']);
    assert.deepEqual(assertion.attributes.active, ['true']);
    assert.equal(providerSession.keys[0], `sub:${SUBJECT}`);
    assert.match(providerSession.keys[1] ?? '', /^sid:.+/);
    assert.equal(returnTo, '/ui/tokens');
    assert.equal(until, null);
  });
});

describe('the request to an OpenID provider', () => {
  it('asks for a code with PKCE, a nonce and the state of the flow', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer, { config: { prompt: 'select_account', scopes: ['openid', 'x'] } });
    const browser = createBrowser();
    const first = await gateway.begin(browser);
    const query = Object.fromEntries(first.searchParams);
    assert.equal(query.response_type, 'code');
    assert.equal(query.client_id, CLIENT_ID);
    assert.equal(query.redirect_uri, `${PUBLIC_URL}/oidc/corp/callback`);
    assert.equal(query.scope, 'openid x');
    assert.equal(query.prompt, 'select_account');
    assert.equal(query.code_challenge_method, 'S256');
    assert.match(query.code_challenge ?? '', /^[A-Za-z0-9_-]{43}$/);
    assert.equal(query.response_mode, undefined);
    const second = await gateway.begin(browser);
    for (const name of ['state', 'nonce', 'code_challenge']) {
      assert.notEqual(second.searchParams.get(name), first.searchParams.get(name), `${name} is new each time`);
    }
  });

  it('of two tabs may come back in any order', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer);
    const browser = createBrowser();
    const one = await gateway.callbackOf(browser, '/ui/one');
    const two = await gateway.callbackOf(browser, '/ui/two');
    assert.equal((await gateway.finish(browser, two)).returnTo, '/ui/two');
    assert.equal((await gateway.finish(browser, one)).returnTo, '/ui/one');
  });

  it('comes back with the session that the browser had when it went', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer);
    const browser = createBrowser();
    assert.equal((await gateway.finish(browser, await gateway.callbackOf(browser))).before, undefined);
    browser.cookies.set(SESSION_COOKIE, `${'A'.repeat(22)}.${'A'.repeat(43)}`);
    const callback = await gateway.callbackOf(browser);
    browser.cookies.delete(SESSION_COOKIE);
    assert.match((await gateway.finish(browser, callback)).before ?? '', /^[A-Za-z0-9_-]{22}$/);
  });

  it('is not sent while the store is away', async () => {
    await using rig = await createOidcRig();
    const clock = createManualClock(Date.now());
    const kv = watch(createMemoryKeyValue({ clock }));
    await using gateway = createGateway(rig.issuer, { clock, kv });
    kv.away = true;
    assert.equal((await refusalOf(() => gateway.begin(createBrowser()))).code, 'GW_STORE_UNAVAILABLE');
  });
});

describe('a gateway proves itself to an OpenID provider', () => {
  const signsIn = async (client: Record<string, unknown>, config: Record<string, unknown>): Promise<OidcRig> => {
    await using rig = await createOidcRig({ client });
    await using gateway = createGateway(rig.issuer, { config });
    const browser = createBrowser();
    const { assertion } = await gateway.finish(browser, await gateway.callbackOf(browser));
    assert.deepEqual(assertion.attributes.preferred_username, ['alice']);
    return rig;
  };

  it('by client_secret_basic, form-encoded as RFC 6749 says', async () => {
    await signsIn({ token_endpoint_auth_method: 'client_secret_basic' }, { clientAuth: 'client_secret_basic' });
  });

  it('by client_secret_post', async () => {
    await signsIn({ token_endpoint_auth_method: 'client_secret_post' }, { clientAuth: 'client_secret_post' });
  });

  it('by none', async () => {
    const client = { token_endpoint_auth_method: 'none', client_secret: undefined };
    await signsIn(client, { clientAuth: 'none', clientSecret: undefined });
  });

  for (const alg of ['RS256', 'ES256', 'ES384', 'EdDSA']) {
    it(`by private_key_jwt with ${alg}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'oidc-'));
      const key = await newKey(undefined, alg);
      const clientKeyFile = join(folder, 'client.pem');
      writeFileSync(clientKeyFile, await exportPKCS8(key.privateKey));
      const client = {
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: alg,
        jwks: { keys: [key.publicJwk] },
      };
      await signsIn(client, { clientAuth: 'private_key_jwt', clientSecret: undefined, clientKeyFile });
      rmSync(folder, { recursive: true });
    });
  }

  it('and a wrong secret is a refused sign-in whose log does not hold it', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer, { config: { clientSecret: 'wrong-secret-wrong-secret' } });
    const browser = createBrowser();
    const callback = await gateway.callbackOf(browser);
    const error = await refusalOf(() => gateway.finish(browser, callback));
    assert.equal(error.code, 'GW_SIGN_IN_FAILED');
    assert.match(error.internal ?? '', /refused the gateway itself \(401\)/);
    assert.doesNotMatch(JSON.stringify([error.internal, gateway.log]), /wrong-secret/);
  });
});

describe('ID tokens', () => {
  for (const algorithm of ['PS256', 'ES256', 'EdDSA']) {
    it(`signed with ${algorithm} are taken`, async () => {
      await using rig = await createOidcRig({ algorithm });
      await using gateway = createGateway(rig.issuer);
      const browser = createBrowser();
      const { assertion } = await gateway.finish(browser, await gateway.callbackOf(browser));
      assert.deepEqual(assertion.attributes.sub, [SUBJECT]);
    });
  }

  it('of an algorithm that the configuration leaves out are refused', async () => {
    await using rig = await createOidcRig({ algorithm: 'ES256' });
    await using gateway = createGateway(rig.issuer, { config: { algorithms: ['RS256'] } });
    const browser = createBrowser();
    const callback = await gateway.callbackOf(browser);
    const error = await refusalOf(() => gateway.finish(browser, callback));
    assert.equal(error.code, 'GW_SIGN_IN_FAILED');
    assert.match(error.internal ?? '', /alg/);
  });

  it('are completed by userinfo, but what they say themselves stands', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer, { config: { userinfo: true } });
    rig.tampering.json.set('/me', (answer) => ({ ...answer, department: 'cad', preferred_username: 'root' }));
    const browser = createBrowser();
    const { assertion } = await gateway.finish(browser, await gateway.callbackOf(browser));
    assert.deepEqual(assertion.attributes.department, ['cad']);
    assert.deepEqual(assertion.attributes.preferred_username, ['alice']);
  });
});

describe('logout at an OpenID provider', () => {
  it('goes to its end-session endpoint, which knows the session by the ID token', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer);
    const browser = createBrowser();
    const { providerSession } = await gateway.finish(browser, await gateway.callbackOf(browser));
    const away = await gateway.provider.logout(sessionWith(providerSession, localIdentity('alice')));
    assert.equal(away?.kind, 'redirect');
    const url = new URL(away.location);
    assert.equal(url.origin + url.pathname, `${rig.issuer}/session/end`);
    assert.equal(url.searchParams.get('id_token_hint'), providerSession.hint);
    assert.equal(url.searchParams.get('post_logout_redirect_uri'), `${PUBLIC_URL}/signed-out`);
    assert.match(url.searchParams.get('state') ?? '', /^.{20,}$/);
    const answer = await fetch(url, { redirect: 'manual' });
    assert.equal(answer.status, 200, 'the provider takes the request');
  });

  it('goes by the client id alone when the ID token does not fit into an address', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer);
    await gateway.begin(createBrowser());
    const session = sessionWith({ keys: [], hint: '' }, localIdentity('alice'));
    const away = await gateway.provider.logout(session);
    assert.equal(away?.kind, 'redirect');
    const query = new URL(away.location).searchParams;
    assert.equal(query.get('id_token_hint'), null);
    assert.equal(query.get('client_id'), CLIENT_ID);
  });

  it('is nothing when the provider has none or does not answer: the session here has ended anyway', async () => {
    const session = sessionWith({ keys: [], hint: '' }, localIdentity('alice'));
    await using rig = await createOidcRig();
    rig.tampering.json.set('/.well-known/openid-configuration', ({ end_session_endpoint: _, ...rest }) => rest);
    await using without = createGateway(rig.issuer);
    assert.equal(await without.provider.logout(session), null);
    rig.tampering.before = (_request, response) => {
      response.destroy();
      return true;
    };
    await using away = createGateway(rig.issuer);
    assert.equal(await away.provider.logout(session), null);
  });
});
