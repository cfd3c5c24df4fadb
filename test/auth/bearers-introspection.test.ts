import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { refusalOf } from './auth-world.ts';
import { AUDIENCE, createBearersWorld, createIssuer, introspectionEntry, jwtEntry } from './bearers-rig.ts';

const TOKEN = 'opaque-token-1';

describe('opaque access tokens of the identity provider', () => {
  it('are asked for with the client’s own credential', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer)]);
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', username: 'alice', aud: AUDIENCE, scope: 'x' });
    const caller = await world.bearers.authenticate(TOKEN);
    assert.equal(caller.identity.user, 'alice');
    assert.equal(caller.tokenLabel, 'bearer opaque');
    const [question] = issuer.questions;
    assert.equal(question?.form.get('token'), TOKEN);
    assert.equal(question?.form.get('token_type_hint'), 'access_token');
    const basic = Buffer.from((question?.authorization ?? '').replace(/^Basic /, ''), 'base64').toString();
    assert.equal(basic, 'gateway:s3cret%3A%2B%2F+%25');
  });

  it('are asked for with the credential in the form when the entry says so', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer, { clientAuth: 'client_secret_post' })]);
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', aud: AUDIENCE });
    await world.bearers.authenticate(TOKEN);
    assert.equal(issuer.questions[0]?.form.get('client_secret'), 's3cret:+/ %');
    assert.equal(issuer.questions[0]?.authorization, '');
  });

  it('are asked for once in the time of the cache, and once by all who come at the same time', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer, { cache: '30s' })]);
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', aud: [AUDIENCE, 'x'] });
    await Promise.all(Array.from({ length: 10 }, () => world.bearers.authenticate(TOKEN)));
    assert.equal(issuer.questions.length, 1);
    await world.clock.advance(29_999);
    await world.bearers.authenticate(TOKEN);
    assert.equal(issuer.questions.length, 1);
    await world.clock.advance(1);
    await world.bearers.authenticate(TOKEN);
    assert.equal(issuer.questions.length, 2, 'the answer is not believed for longer because it was used last');
  });

  it('that were revoked are refused when the kept answer is old', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer, { cache: '5s' })]);
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', aud: AUDIENCE });
    await world.bearers.authenticate(TOKEN);
    issuer.opaque.delete(TOKEN);
    await world.clock.advance(4_999);
    await world.bearers.authenticate(TOKEN);
    await world.clock.advance(1);
    const error = await refusalOf(() => world.bearers.authenticate(TOKEN));
    assert.equal(error.code, 'GW_UNAUTHENTICATED');
    assert.match(error.internal ?? '', /not active/);
  });

  it('end at their exp, however long answers are kept', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer, { cache: '1h' })]);
    const exp = Math.floor(world.clock.now() / 1000) + 20;
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', aud: AUDIENCE, exp });
    const caller = await world.bearers.authenticate(TOKEN);
    assert.equal(caller.expiresAt, exp * 1000);
    await world.clock.advance(19_999);
    await world.bearers.authenticate(TOKEN);
    await world.clock.advance(1);
    assert.equal((await refusalOf(() => world.bearers.authenticate(TOKEN))).code, 'GW_UNAUTHENTICATED');
  });

  it('that are refused are not asked for again for 5 s', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer)]);
    for (let at = 0; at < 5; at++) await refusalOf(() => world.bearers.authenticate(TOKEN));
    assert.equal(issuer.questions.length, 1);
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', aud: AUDIENCE });
    await world.clock.advance(5_000);
    await world.bearers.authenticate(TOKEN);
    assert.equal(issuer.questions.length, 2);
  });

  const answers: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ['active as a text', { active: 'true' }, /introspection/],
    ['no audience', { active: true, sub: 'a' }, /audience/],
    ['another audience', { active: true, sub: 'a', aud: 'x' }, /audience/],
    ['another issuer', { active: true, sub: 'a', aud: AUDIENCE, iss: 'https://evil.example.com' }, /issuer/],
    ['an end in the past', { active: true, sub: 'a', aud: AUDIENCE, exp: 1 }, /ended/],
    ['an end that is a text', { active: true, sub: 'a', aud: AUDIENCE, exp: '99999999999' }, /ended/],
    ['a start in the future', { active: true, sub: 'a', aud: AUDIENCE, nbf: 99_999_999_999 }, /not valid yet/],
    ['a refresh token', { active: true, sub: 'a', aud: AUDIENCE, token_type: 'refresh_token' }, /no bearer token/],
    ['the type of an ID token', { active: true, sub: 'a', aud: AUDIENCE, typ: 'ID' }, /no access token/],
    ['the type of a refresh token', { active: true, sub: 'a', aud: AUDIENCE, typ: 'Refresh' }, /no access token/],
    ['the use of a refresh token', { active: true, sub: 'a', aud: AUDIENCE, token_use: 'refresh' }, /no access token/],
    ['the use of an ID token', { active: true, sub: 'a', aud: AUDIENCE, token_use: 'id' }, /no access token/],
    ['a nonce', { active: true, sub: 'a', aud: AUDIENCE, nonce: 'n' }, /it has nonce/],
    ['a hash of an access token', { active: true, sub: 'a', aud: AUDIENCE, at_hash: 'h' }, /it has at_hash/],
    ['events', { active: true, sub: 'a', aud: AUDIENCE, events: {} }, /it has events/],
    ['a token bound to a key', { active: true, sub: 'a', aud: AUDIENCE, cnf: { jkt: 'x' } }, /no bearer token/],
  ];
  for (const [name, answer, reason] of answers) {
    it(`are refused when the answer has ${name}`, async () => {
      await using issuer = await createIssuer();
      await using world = createBearersWorld([introspectionEntry(issuer, { issuer: issuer.url })]);
      issuer.opaque.set(TOKEN, answer);
      const error = await refusalOf(() => world.bearers.authenticate(TOKEN));
      assert.match(error.internal ?? '', reason);
      assert.equal(world.admitted.length, 0);
    });
  }

  it('meet 503 when the provider refuses the gateway itself, and are not kept as wrong', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer)]);
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', aud: AUDIENCE });
    for (const status of [401, 403, 500, 302]) {
      issuer.broken = status;
      assert.equal((await refusalOf(() => world.bearers.authenticate(TOKEN))).code, 'GW_PROVIDER_UNAVAILABLE');
    }
    issuer.broken = null;
    assert.equal((await world.bearers.authenticate(TOKEN)).identity.user, 'alice');
  });

  it('made up at one address keep no other waiting: 2 questions under way and 4 that wait', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer)]);
    issuer.opaque.set(TOKEN, { active: true, sub: 'alice', aud: AUDIENCE });
    const { promise, resolve } = Promise.withResolvers<void>();
    issuer.hold = promise;
    const junk = (count: number, address: (at: number) => string) =>
      Array.from({ length: count }, (_, at) => {
        const from = { address: address(at), requestId: 'r' };
        return refusalOf(() => world.bearers.authenticate(`junk-${address(at).replaceAll(':', '.')}-${at}`, from));
      });
    const flood = [
      ...junk(50, () => '198.51.100.1'),
      // One host has all of a /64.
      ...junk(50, (at) => `2001:db8::${(at + 1).toString(16)}`),
    ];
    const surplus = await Promise.all([...flood.slice(6, 50), ...flood.slice(56)]);
    assert.deepEqual(new Set(surplus.map(({ code }) => code)), new Set(['GW_PROVIDER_UNAVAILABLE']));
    await eventually('four questions are under way', () => issuer.questions.length === 4);
    const genuine = world.bearers.authenticate(TOKEN, { address: '192.0.2.7', requestId: 'r' });
    await eventually('the genuine one is asked for', () => issuer.questions.length === 5);
    assert.equal(issuer.questions.at(-1)?.form.get('token'), TOKEN);
    resolve();
    assert.equal((await genuine).identity.user, 'alice');
    const rest = await Promise.all(flood);
    assert.equal(rest.filter(({ code }) => code === 'GW_UNAUTHENTICATED').length, 12);
    issuer.hold = null;
    const again = world.bearers.authenticate('later', { address: '198.51.100.1', requestId: 'r' });
    assert.equal((await refusalOf(() => again)).code, 'GW_UNAUTHENTICATED', 'its places are free again');
  });

  it('in a flood wait for 8 calls at a time, and beyond 64 that wait are sent away', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer)]);
    const { promise, resolve } = Promise.withResolvers<void>();
    issuer.hold = promise;
    const all = Array.from({ length: 80 }, (_, at) =>
      refusalOf(() => world.bearers.authenticate(`token-${at}`, { address: `198.51.100.${at}`, requestId: 'r' })),
    );
    await eventually('eight calls are under way', () => issuer.questions.length === 8);
    const surplus = await Promise.all(all.slice(72));
    assert.deepEqual(
      surplus.map(({ code, retryAfter }) => [code, retryAfter]),
      Array.from({ length: 8 }, () => ['GW_PROVIDER_UNAVAILABLE', 1]),
    );
    assert.equal(issuer.questions.length, 8);
    resolve();
    const answered = await Promise.all(all.slice(0, 72));
    assert.ok(answered.every(({ code }) => code === 'GW_UNAUTHENTICATED'));
    assert.equal(issuer.questions.length, 72);
  });

  it('of two providers are asked for at both', async () => {
    await using one = await createIssuer();
    await using two = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(one), introspectionEntry(two, { name: 'second' })]);
    two.opaque.set(TOKEN, { active: true, sub: 'bob', aud: AUDIENCE });
    assert.equal((await world.bearers.authenticate(TOKEN)).tokenLabel, 'bearer second');
    one.broken = 503;
    const error = await refusalOf(() => world.bearers.authenticate('another'));
    assert.equal(error.code, 'GW_PROVIDER_UNAVAILABLE', 'one that cannot be asked might know it');
  });

  it('signed ones are only asked for at the issuer that they name', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([introspectionEntry(issuer, { issuer: issuer.url })]);
    const token = await issuer.sign(world.claims(issuer));
    issuer.opaque.set(token, { active: true, sub: 'alice', aud: AUDIENCE });
    assert.equal((await world.bearers.authenticate(token)).identity.user, 'alice');
    const foreign = await issuer.sign({ ...world.claims(issuer), iss: 'https://elsewhere.example.com' });
    await refusalOf(() => world.bearers.authenticate(foreign));
    assert.equal(issuer.questions.length, 1);
  });

  it('are never asked for when only signed tokens are configured', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer)]);
    assert.equal((await refusalOf(() => world.bearers.authenticate(TOKEN))).code, 'GW_UNAUTHENTICATED');
    assert.deepEqual(issuer.asked, []);
  });
});
