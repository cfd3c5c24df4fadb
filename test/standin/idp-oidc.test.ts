import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { createIdp, type Idp } from '../../standin/idp/index.ts';
import { createBrowser, signInAs } from '../world/browser.ts';
import { createRelyingParty } from './relying-party.ts';

const jwks = (idp: Idp) => createRemoteJWKSet(new URL(`${idp.url}/jwks`));
const kids = async (idp: Idp): Promise<string[]> => {
  const { keys } = (await (await fetch(`${idp.url}/jwks`)).json()) as { keys: { kid: string }[] };
  return keys.map((key) => key.kid);
};

async function introspect(idp: Idp, token: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${idp.url}/token/introspection`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${idp.clientId}:${idp.clientSecret}`)}` },
    body: new URLSearchParams({ token }),
  });
  return (await answer.json()) as Record<string, unknown>;
}

describe('the demo identity provider by OpenID Connect', () => {
  it('signs a person in and asks for no consent', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const { page } = await signInAs(party.url, 'oidc', 'bob');
    assert.deepEqual(party.seen.errors, []);
    assert.equal(page.body, 'signed in by OIDC');
    const { sub, preferred_username, email, name, groups } = party.seen.claims ?? {};
    assert.deepEqual(
      { sub, preferred_username, email, name, groups },
      {
        sub: 'p-2d08be54',
        preferred_username: 'bob',
        email: 'bob@example.com',
        name: 'Bob Baker',
        groups: ['engineers', 'cad-admins'],
      },
    );
  });

  it('wants PKCE, and lets nobody come back elsewhere', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const browser = createBrowser();
    const { headers } = await browser.open(`${party.url}/oidc/oidc/login`, { follow: false });
    const elsewhere = new URL(headers.get('location') ?? '');
    elsewhere.searchParams.set('redirect_uri', 'http://127.0.0.1:1/oidc/oidc/callback');
    assert.match((await browser.open(String(elsewhere))).body, /invalid_redirect_uri|redirect_uri/);
    const plain = new URL(headers.get('location') ?? '');
    plain.searchParams.delete('code_challenge');
    const back = await browser.open(String(plain));
    assert.match(back.url, /error=invalid_request/);
  });

  it('asks again for prompt=login, and not otherwise', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const { browser } = await signInAs(party.url, 'oidc', 'alice');
    assert.equal((await browser.open(`${party.url}/oidc/oidc/login`)).body, 'signed in by OIDC');
    const asks = await browser.open(`${party.url}/oidc/oidc/login?prompt=login`);
    assert.match(asks.body, /asks for no password/);
    const back = await browser.settle(await browser.submit(asks, { person: 'carol' }));
    assert.deepEqual([back.body, party.seen.claims?.preferred_username], ['signed in by OIDC', 'carol']);
  });

  it('changes its key in three steps and keeps sessions', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    const { browser } = await signInAs(party.url, 'oidc', 'alice');
    const first = idp.signingKey().kid;
    await idp.rotateKeys('announce');
    assert.equal((await kids(idp)).length, 2);
    await browser.open(`${party.url}/oidc/oidc/login`);
    assert.equal(decodeProtectedHeader(party.seen.tokens?.id_token ?? '').kid, first);
    await idp.rotateKeys('switch');
    assert.equal((await kids(idp)).length, 2);
    await idp.rotateKeys('retire');
    assert.deepEqual(await kids(idp), [idp.signingKey().kid]);
    const page = await browser.open(`${party.url}/oidc/oidc/login`);
    assert.equal(page.body, 'signed in by OIDC');
    assert.equal(decodeProtectedHeader(party.seen.tokens?.id_token ?? '').kid, idp.signingKey().kid);
    assert.notEqual(idp.signingKey().kid, first);
    await assert.rejects(idp.rotateKeys('switch'), /announce a key first/);
  });

  it('signs wrong ID tokens on demand', async () => {
    await using idp = await createIdp();
    await using party = await createRelyingParty(idp);
    idp.faults.idToken = (claims) => ({ ...claims, nonce: 'of another' });
    await signInAs(party.url, 'oidc', 'alice');
    assert.match(party.seen.errors.join(), /unexpected JWT claim|nonce/);
  });

  it('is down, or refuses some paths, on demand', async () => {
    await using idp = await createIdp();
    idp.faults.refuse = /^\/jwks/;
    assert.equal((await fetch(`${idp.url}/jwks`)).status, 503);
    assert.equal((await fetch(`${idp.url}/.well-known/openid-configuration`)).status, 200);
    idp.faults.down = true;
    await assert.rejects(fetch(`${idp.url}/jwks`));
  });

  it('gives JWT access tokens for an audience when it is told to', async () => {
    const audience = 'https://gateway.example.com/api';
    await using idp = await createIdp({ accessTokenAudience: audience });
    await using party = await createRelyingParty(idp);
    await signInAs(party.url, 'oidc', 'alice');
    const token = party.seen.tokens?.access_token ?? '';
    const options = { issuer: idp.issuer, audience, typ: 'at+jwt' };
    const { payload } = await jwtVerify(token, jwks(idp), options);
    assert.deepEqual([payload.sub, payload.preferred_username], ['p-7f3a91c2', 'alice']);
    const minted = await jwtVerify(await idp.accessToken('bob', { scope: 'read' }), jwks(idp), options);
    assert.deepEqual([minted.payload.sub, minted.payload.scope], ['p-2d08be54', 'read']);
    assert.throws(() => idp.accessToken('mallory'), /nobody is called mallory/);
  });

  it('understands its opaque tokens by introspection', async () => {
    await using idp = await createIdp();
    const active = await introspect(idp, await idp.opaqueToken('bob', { audience: 'urn:gateway', scope: 'read' }));
    const { sub, username, aud, scope } = active;
    assert.deepEqual(
      { active: active.active, sub, username, aud, scope },
      { active: true, sub: 'p-2d08be54', username: 'bob', aud: 'urn:gateway', scope: 'read' },
    );
    assert.deepEqual(await introspect(idp, 'unknown'), { active: false });
  });

  it('moves the clock of bearer tokens', async () => {
    await using idp = await createIdp({ clockOffset: -3_600_000 });
    const { exp = 0 } = decodeJwt(await idp.accessToken('alice'));
    assert.ok(exp * 1000 < Date.now() - 3_000_000);
  });
});
