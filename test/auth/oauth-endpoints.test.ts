import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Caller } from '../../src/auth/index.ts';
import type { Identity } from '../../src/kernel/index.ts';
import { refusalOf, withTypo } from './auth-world.ts';
import { createOAuthWorld, DEVICE_GRANT, firstOf, PUBLIC_URL, person } from './oauth-world.ts';

const ALICE = person('alice');
const DAY = 86_400_000;

async function withToken() {
  const world = createOAuthWorld();
  const replica = firstOf(world);
  for (const identity of [ALICE, person('bob')]) world.people.set(identity.subject, identity);
  const { token, info } = await replica.tokens.create({
    user: 'alice',
    subject: ALICE.subject,
    label: 'ci',
    scopes: ['read', 'submit'],
  });
  const as = async (identity: Identity): Promise<Caller> => {
    world.people.set(identity.subject, identity);
    const made = await replica.tokens.create({
      user: identity.user,
      subject: identity.subject,
      label: 'caller',
      scopes: ['read'],
    });
    return replica.tokens.authenticate(made.token.reveal());
  };
  return { world, replica, token: token.reveal(), info, as };
}

describe('POST /oauth/revoke', () => {
  it('ends the token of whoever holds it, whatever hint comes with it', async () => {
    const { world, replica, token } = await withToken();
    await using _ = world;
    const { status, headers } = await replica.post('/oauth/revoke', { token, token_type_hint: 'refresh_token' });
    assert.equal(status, 200);
    assert.equal(headers['Cache-Control'], 'no-store');
    assert.equal((await refusalOf(() => replica.tokens.authenticate(token))).code, 'GW_UNAUTHENTICATED');
    assert.equal(world.credentials.at(-1)?.what, 'token_revoked');
  });

  it('says 200 for a token that is none, and ends nothing by its id alone', async () => {
    const { world, replica, token, info } = await withToken();
    await using _ = world;
    for (const text of [withTypo(token), info.id, `vgw_${info.id}`, 'x'.repeat(5000), 'ey.J.x']) {
      assert.equal((await replica.post('/oauth/revoke', { token: text })).status, 200);
    }
    assert.equal((await replica.tokens.authenticate(token)).tokenId, info.id);
  });

  it('wants a token', async () => {
    await using world = createOAuthWorld();
    const { status, body } = await firstOf(world).post('/oauth/revoke', { token: '' });
    assert.equal(`${status} ${body.error}`, '400 invalid_request');
  });

  it('says 503 rather than that it was done while the store is away', async () => {
    const { world, replica, token } = await withToken();
    await using _ = world;
    world.store.away = true;
    assert.equal((await refusalOf(() => replica.post('/oauth/revoke', { token }))).code, 'GW_STORE_UNAVAILABLE');
  });
});

describe('POST /oauth/introspect', () => {
  it('tells a caller all of an own token', async () => {
    const { world, replica, token, info, as } = await withToken();
    await using _ = world;
    const { status, headers, body } = await replica.post('/oauth/introspect', { token }, { caller: await as(ALICE) });
    assert.equal(status, 200);
    assert.equal(headers['Cache-Control'], 'no-store');
    assert.deepEqual(body, {
      active: true,
      scope: 'read submit',
      client_id: 'vovgw',
      username: 'alice',
      token_type: 'Bearer',
      exp: (info.createdAt + 30 * DAY) / 1000,
      iat: info.createdAt / 1000,
      sub: ALICE.subject,
      iss: PUBLIC_URL,
      jti: info.id,
    });
  });

  it('tells others nothing, operators and admins everything', async () => {
    const { world, replica, token, as } = await withToken();
    await using _ = world;
    const bodyFor = async (caller: Caller) => (await replica.post('/oauth/introspect', { token }, { caller })).body;
    assert.deepEqual(await bodyFor(await as(person('bob'))), { active: false });
    assert.deepEqual(await bodyFor(await as({ ...ALICE, subject: 'other-realm:alice-1' })), { active: false });
    assert.equal((await bodyFor(await as(person('olga', ['user', 'operator'])))).active, true);
    assert.equal((await bodyFor(await as(person('adam', ['user', 'admin'])))).active, true);
  });

  it('says the same of a foreign token and of none', async () => {
    const { world, replica, token, as } = await withToken();
    await using _ = world;
    const caller = await as(person('bob'));
    const answers = [];
    for (const text of [token, withTypo(token), 'nonsense']) {
      answers.push(await replica.post('/oauth/introspect', { token: text }, { caller }));
    }
    assert.deepEqual(answers[1], answers[0]);
    assert.deepEqual(answers[2], answers[0]);
  });

  it('is no use of the token, and ends with it', async () => {
    const { world, replica, token, info, as } = await withToken();
    await using _ = world;
    const caller = await as(ALICE);
    const active = async () => (await replica.post('/oauth/introspect', { token }, { caller })).body.active;
    assert.equal(await active(), true);
    assert.equal((await replica.tokens.list('alice')).find(({ id }) => id === info.id)?.lastUsedAt, null);
    await replica.tokens.revoke(info.id);
    assert.equal(await active(), false);
  });

  it('is for callers only, and wants a token', async () => {
    const { world, replica, token, as } = await withToken();
    await using _ = world;
    const error = await refusalOf(() => replica.post('/oauth/introspect', { token }));
    assert.equal(error.code, 'GW_UNAUTHENTICATED');
    const caller = await as(ALICE);
    assert.equal((await replica.post('/oauth/introspect', {}, { caller })).body.error, 'invalid_request');
  });
});

describe('the metadata', () => {
  it('of the authorization server names every endpoint below its issuer (RFC 8414)', async () => {
    await using world = createOAuthWorld({ device: { scopes: ['read'] } });
    const replica = firstOf(world);
    const { body } = await replica.get('/.well-known/oauth-authorization-server');
    assert.deepEqual(body, {
      issuer: PUBLIC_URL,
      token_endpoint: `${PUBLIC_URL}/oauth/token`,
      device_authorization_endpoint: `${PUBLIC_URL}/oauth/device_authorization`,
      revocation_endpoint: `${PUBLIC_URL}/oauth/revoke`,
      introspection_endpoint: `${PUBLIC_URL}/oauth/introspect`,
      grant_types_supported: [DEVICE_GRANT],
      response_types_supported: [],
      scopes_supported: ['read'],
      token_endpoint_auth_methods_supported: ['none'],
      revocation_endpoint_auth_methods_supported: ['none'],
      introspection_endpoint_auth_methods_supported: ['Bearer'],
    });
    const posts = replica.routes.filter(({ method }) => method === 'POST').map(({ path }) => `${PUBLIC_URL}${path}`);
    const named = Object.entries(body).flatMap(([name, value]) => (name.endsWith('_endpoint') ? [value] : []));
    assert.deepEqual(named.sort(), posts.sort());
  });

  it('offers no grant where nobody could approve', async () => {
    await using world = createOAuthWorld({ providers: false });
    const { body } = await firstOf(world).get('/.well-known/oauth-authorization-server');
    assert.deepEqual(body.grant_types_supported, []);
  });

  it('of the protected resource lies where RFC 9728, section 3.1 puts it', async () => {
    await using world = createOAuthWorld();
    const { get } = firstOf(world);
    const { body } = await get('/.well-known/oauth-protected-resource/api/v3');
    assert.deepEqual(body, {
      resource: `${PUBLIC_URL}/api/v3`,
      authorization_servers: [PUBLIC_URL],
      scopes_supported: ['read', 'submit', 'control'],
      bearer_methods_supported: ['header'],
      resource_name: 'vovserver REST API through vov-gateway',
    });
    assert.equal((await get('/.well-known/oauth-protected-resource')).body.resource, PUBLIC_URL);
  });
});

describe('the OAuth routes', () => {
  it('look at no session cookie but for introspection, which needs a caller', async () => {
    await using world = createOAuthWorld();
    for (const { path, door, needs } of firstOf(world).routes) {
      assert.equal(door, 'oauth');
      assert.equal(needs, path === '/oauth/introspect' ? 'caller' : 'nothing', path);
    }
  });
});
