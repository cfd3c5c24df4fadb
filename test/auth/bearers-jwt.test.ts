import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { refusalOf } from './auth-world.ts';
import { AUDIENCE, createBearersWorld, createIssuer, denied, introspectionEntry, jwtEntry } from './bearers-rig.ts';
import { newKey } from './oidc-rig.ts';

const FROM = { address: '192.0.2.9', requestId: 'request-0007' };

describe('signed access tokens of the identity provider', () => {
  it('name a caller', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    const claims = world.claims(issuer, { groups: ['cad'], realm_access: { roles: ['x'] } });
    const token = await issuer.sign(claims);
    const caller = await world.bearers.authenticate(token, FROM);
    assert.equal(caller.by, 'bearer');
    assert.equal(caller.identity.user, 'alice');
    assert.equal(caller.tokenId, createHash('sha256').update(token).digest('hex').slice(0, 16));
    assert.equal(caller.tokenLabel, 'bearer corp');
    assert.deepEqual([...caller.scopes], ['read', 'submit', 'control']);
    assert.equal(caller.expiresAt, Number(claims.exp) * 1000);
    assert.equal(caller.queue, null);
    const [assertion] = world.admitted;
    assert.equal(assertion?.provider, 'corp');
    assert.equal(assertion?.issuer, issuer.url);
    assert.deepEqual(assertion?.attributes['realm_access.roles'], ['x']);
    assert.deepEqual(world.signIns, [
      { provider: 'corp', method: 'bearer', result: 'ok', user: 'alice', subject: 'local:alice', ...FROM },
    ]);
  });

  it('are checked anew after 10 s, asked of the rules once a minute, and reported once', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    const token = await issuer.sign(world.claims(issuer));
    const first = world.bearers.authenticate(token);
    assert.ok(first instanceof Promise);
    assert.equal(world.bearers.authenticate(token), first, 'one check for all who come meanwhile');
    await first;
    await world.clock.advance(9_999);
    assert.ok(!(world.bearers.authenticate(token) instanceof Promise));
    await world.clock.advance(1);
    const again = world.bearers.authenticate(token);
    assert.ok(again instanceof Promise);
    await again;
    assert.equal(world.admitted.length, 1);
    await world.clock.advance(50_000);
    await world.bearers.authenticate(token);
    assert.equal(world.admitted.length, 2);
    assert.equal(world.signIns.length, 1);
    assert.equal(issuer.asked.filter((path) => path === '/jwks').length, 1);
  });

  it('end at their exp, also between two checks', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer, { clockSkew: '1s' })]);
    const now = Math.floor(world.clock.now() / 1000);
    const token = await issuer.sign(world.claims(issuer, { exp: now + 5 }));
    await world.bearers.authenticate(token);
    await world.clock.advance(5_999);
    assert.ok(!(world.bearers.authenticate(token) instanceof Promise));
    await world.clock.advance(1);
    const error = await refusalOf(() => world.bearers.authenticate(token));
    assert.equal(error.code, 'GW_UNAUTHENTICATED');
    assert.match(error.internal ?? '', /exp/);
  });

  it('carry scopes by the words of the configuration, never more than the entry allows', async () => {
    await using issuer = await createIssuer();
    const scopeNames = { 'jobs:read': 'read', 'jobs:write': 'submit' };
    await using world = createBearersWorld([jwtEntry(issuer, { scopes: ['read', 'submit'], scopeNames })]);
    const scopesOf = async (more: Record<string, unknown>): Promise<string[]> => {
      const caller = await world.bearers.authenticate(await issuer.sign(world.claims(issuer, more)));
      return [...caller.scopes];
    };
    assert.deepEqual(await scopesOf({ scope: 'openid jobs:read' }), ['read']);
    assert.deepEqual(await scopesOf({ scope: 'jobs:write jobs:read jobs:all' }), ['read', 'submit']);
    assert.deepEqual(await scopesOf({ scp: ['jobs:write'] }), ['submit']);
    assert.deepEqual(await scopesOf({ scp: 'jobs:write' }), ['submit']);
    assert.deepEqual(await scopesOf({ scope: 'constructor __proto__' }), []);
    assert.deepEqual(await scopesOf({}), []);
  });

  it('of several issuers go each to its own', async () => {
    await using one = await createIssuer();
    await using two = await createIssuer();
    await using world = createBearersWorld([
      jwtEntry(one),
      jwtEntry(two, { name: 'partner', jwksUrl: `${two.url}/jwks` }),
    ]);
    const caller = await world.bearers.authenticate(await two.sign(world.claims(two)));
    assert.equal(caller.tokenLabel, 'bearer partner');
    assert.deepEqual(one.asked, []);
    assert.deepEqual(two.asked, ['/jwks']);
    const crossed = await two.sign(world.claims(one));
    assert.match((await refusalOf(() => world.bearers.authenticate(crossed))).internal ?? '', /no applicable key/);
  });

  it('of one issuer with two audiences go to the entry of their audience', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([
      jwtEntry(issuer, { name: 'people' }),
      jwtEntry(issuer, { name: 'robots', audience: ['urn:robots'], scopes: ['read'] }),
    ]);
    const caller = await world.bearers.authenticate(
      await issuer.sign(world.claims(issuer, { aud: ['urn:robots', 'x'] })),
    );
    assert.equal(caller.tokenLabel, 'bearer robots');
    assert.deepEqual([...caller.scopes], ['read']);
  });

  it('survive a change of the signing key', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    await world.bearers.authenticate(await issuer.sign(world.claims(issuer)));
    issuer.keys = [await newKey()];
    const caller = await world.bearers.authenticate(await issuer.sign(world.claims(issuer, { jti: 'k' })));
    assert.equal(caller.identity.user, 'alice');
    assert.equal(issuer.asked.filter((path) => path === '/jwks').length, 2);
  });

  it('of a provider that writes no key id are tried with each key', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    const [first] = issuer.keys;
    assert.ok(first);
    const second = await newKey();
    issuer.keys = [first, second];
    const token = await issuer.sign(world.claims(issuer), { kid: undefined }, second);
    assert.equal((await world.bearers.authenticate(token)).identity.user, 'alice');
    const forged = await issuer.sign(world.claims(issuer), { kid: undefined }, await newKey());
    assert.match((await refusalOf(() => world.bearers.authenticate(forged))).internal ?? '', /signature/);
  });

  it('with unknown key ids read the keys at most once in 30 s', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    await world.bearers.authenticate(await issuer.sign(world.claims(issuer)));
    const flood = async (): Promise<void> => {
      for (let at = 0; at < 20; at++) {
        const token = await issuer.sign(world.claims(issuer), { kid: `made-up-${at}` });
        assert.equal((await refusalOf(() => world.bearers.authenticate(token))).code, 'GW_UNAUTHENTICATED');
      }
    };
    await flood();
    assert.equal(issuer.asked.filter((path) => path === '/jwks').length, 2);
    await world.clock.advance(30_000);
    await flood();
    assert.equal(issuer.asked.filter((path) => path === '/jwks').length, 3);
  });

  it('meet 503 while the keys cannot be had, and one question in 30 s', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    issuer.broken = 502;
    for (let at = 0; at < 5; at++) {
      const token = await issuer.sign(world.claims(issuer, { jti: `${at}` }));
      const error = await refusalOf(() => world.bearers.authenticate(token));
      assert.equal(error.code, 'GW_PROVIDER_UNAVAILABLE');
      assert.ok((error.retryAfter ?? 0) >= 1);
    }
    assert.equal(issuer.asked.length, 1);
    issuer.broken = null;
    await world.clock.advance(30_000);
    await world.bearers.authenticate(await issuer.sign(world.claims(issuer)));
  });

  it('follow a reload of the configuration', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    const token = await issuer.sign(world.claims(issuer));
    await world.bearers.authenticate(token);
    world.reload([jwtEntry(issuer, { scopes: ['read'] })]);
    const caller = await world.bearers.authenticate(token);
    assert.deepEqual([...caller.scopes], ['read']);
    world.reload([jwtEntry(issuer, { audience: ['another'] })]);
    assert.equal((await refusalOf(() => world.bearers.authenticate(token))).code, 'GW_UNAUTHENTICATED');
    world.reload([introspectionEntry(issuer)]);
    assert.equal((await refusalOf(() => world.bearers.authenticate(token))).code, 'GW_UNAUTHENTICATED');
    assert.equal(world.signIns.filter(({ result }) => result === 'ok').length, 1, 'the token is not news again');
  });

  it('whose owner the rules refuse are refused with the rules’ own answer, asked once in 10 s', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    const token = await issuer.sign(world.claims(issuer));
    world.denial = denied();
    for (let at = 0; at < 3; at++) {
      assert.equal((await refusalOf(() => world.bearers.authenticate(token))).code, 'GW_SIGN_IN_DENIED');
    }
    assert.equal(world.admitted.length, 1);
    assert.deepEqual(
      world.signIns.map(({ result, reason }) => [result, reason]),
      [['denied', 'rule 3']],
    );
    world.denial = null;
    await world.clock.advance(10_000);
    assert.equal((await world.bearers.authenticate(token)).identity.user, 'alice');
  });

  it('of a person who is refused later end within a minute', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    const token = await issuer.sign(world.claims(issuer));
    await world.bearers.authenticate(token);
    world.denial = denied();
    await world.clock.advance(60_000);
    assert.equal((await refusalOf(() => world.bearers.authenticate(token))).code, 'GW_SIGN_IN_DENIED');
  });

  it('without the type of RFC 9068 are taken when the entry says so', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer, { tokenType: 'any' })]);
    for (const typ of ['JWT', 'at+jwt', 'application/at+jwt', undefined]) {
      const token = await issuer.sign(world.claims(issuer), { typ });
      assert.equal((await world.bearers.authenticate(token)).identity.user, 'alice');
    }
    assert.equal(AUDIENCE.startsWith('https'), true);
  });
});
