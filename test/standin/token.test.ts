import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createVovserver } from '../../standin/vovserver/index.ts';
import { createSigner } from '../../standin/vovserver/jwt.ts';
import { readLoginForm } from '../../standin/vovserver/token-endpoint.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createClient, createPair } from './client.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const READ = '/api/v3/project/1/project';

describe('the token endpoint', () => {
  it('gives a JWT for a form with the right password', async () => {
    await using client = await createPair();
    const answer = await client.call('POST', '/api/v3/token', { headers: FORM, body: 'username=alice&password=pw' });
    assert.equal(answer.status, 200);
    assert.deepEqual(Object.keys(answer.json()), ['token_type', 'access_token']);
    assert.equal(answer.json().token_type, 'Bearer');
    const claims = JSON.parse(
      Buffer.from(String(answer.json().access_token).split('.')[1] ?? '', 'base64url').toString(),
    );
    assert.equal(claims.sub, 'alice');
    assert.equal(claims.exp - claims.iat, 14_400);
  });

  it('takes any user name and password, percent-encoded as UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' }), (user, password) => {
        const body = new URLSearchParams({ username: user, password }).toString();
        const encoded = `username=${encodeURIComponent(user)}&password=${encodeURIComponent(password)}`;
        assert.deepEqual(readLoginForm(Buffer.from(body)), { user, password });
        assert.deepEqual(readLoginForm(Buffer.from(encoded)), { user, password });
      }),
    );
  });

  it('lets in with a password of special characters', async () => {
    const password = 'a&b=c+d %ü€"\\';
    await using client = await createPair({ users: { alice: password } });
    assert.ok(await client.login('alice', password));
  });

  for (const [name, body] of [
    ['a wrong password', 'username=alice&password=no'],
    ['an unknown user', 'username=nobody&password=pw'],
    ['an empty password', 'username=alice&password='],
  ]) {
    it(`answers ${name} with 401 and one text`, async () => {
      await using client = await createPair();
      const answer = await client.call('POST', '/api/v3/token', { headers: FORM, body: body ?? '' });
      assert.equal(answer.status, 401);
      assert.deepEqual(answer.json(), { error: 'Invalid username or password' });
    });
  }

  for (const [name, headers, body] of [
    ['JSON', { 'content-type': 'application/json' }, '{"username":"alice","password":"pw"}'],
    ['a form without password', FORM, 'username=alice'],
    ['a form without user', FORM, 'password=pw'],
    ['a form without its type', {}, 'username=alice&password=pw'],
  ] as const) {
    it(`answers ${name} with 400`, async () => {
      await using client = await createPair();
      const answer = await client.call('POST', '/api/v3/token', { headers, body });
      assert.equal(answer.status, 400);
      assert.ok(answer.json().error);
      assert.equal(client.server.ledger.logins[0]?.result, 'malformed');
    });
  }

  it('has no refresh, logout or revoke', async () => {
    await using client = await createPair();
    for (const path of ['/api/v3/token/refresh', '/api/v3/refresh', '/api/v3/logout', '/api/v3/token/revoke']) {
      assert.equal((await client.as('alice', 'POST', path, {})).status, 404, path);
    }
    assert.equal((await client.as('alice', 'GET', '/api/v3/token')).status, 405);
  });

  it('follows its switches', async () => {
    await using client = await createPair({ profile: { badLoginStatus: 403, expiresIn: true, tokenType: 'JWT' } });
    const bad = await client.call('POST', '/api/v3/token', { headers: FORM, body: 'username=alice&password=no' });
    assert.equal(bad.status, 403);
    const good = await client.call('POST', '/api/v3/token', { headers: FORM, body: 'username=alice&password=pw' });
    assert.equal(good.json().expires_in, 14_400);
    assert.equal(good.json().token_type, 'JWT');
  });

  it('locks a user after wrong passwords when it is told to', async () => {
    await using client = await createPair({ profile: { lockAfter: 2 } });
    await assert.rejects(client.login('alice', 'no'));
    assert.ok(await client.login('alice'));
    await assert.rejects(client.login('alice', 'no'));
    await assert.rejects(client.login('alice', 'no'));
    await assert.rejects(client.login('alice'));
    assert.ok(await client.login('bob'));
  });

  it('writes every login into the ledger, never the password or a trace of it', async () => {
    await using client = await createPair({ users: { alice: 'open-sesame' } });
    await client.login('alice', 'open-sesame');
    await assert.rejects(client.login('alice', 'wrong-sesame'));
    assert.deepEqual(
      client.server.ledger.logins.map(({ user, result }) => [user, result]),
      [
        ['alice', 'ok'],
        ['alice', 'rejected'],
      ],
    );
    assert.ok(!JSON.stringify(client.server.ledger).includes('sesame'));
    assert.deepEqual(
      client.server.ledger.requests.map(({ bodySha256, body }) => [bodySha256, body]),
      [
        [null, null],
        [null, null],
      ],
    );
  });
});

describe('a JWT', () => {
  const header = async (profile: object, make: (jwt: string) => string | undefined): Promise<number> => {
    await using client = await createPair({ profile });
    const authorization = make(await client.login('alice'));
    return (await client.call('GET', READ, authorization === undefined ? {} : { authorization })).status;
  };
  const forms: [string, object, (jwt: string) => string | undefined, number][] = [
    ['colon', {}, (jwt) => `Bearer:${jwt}`, 200],
    ['space', {}, (jwt) => `Bearer ${jwt}`, 200],
    ['lower case', {}, (jwt) => `bearer ${jwt}`, 200],
    ['colon where only colon', { authorization: 'colon-only' }, (jwt) => `Bearer:${jwt}`, 200],
    ['space where only colon', { authorization: 'colon-only' }, (jwt) => `Bearer ${jwt}`, 401],
    ['colon where only space', { authorization: 'space-only' }, (jwt) => `Bearer:${jwt}`, 401],
    ['space where only space', { authorization: 'space-only' }, (jwt) => `Bearer ${jwt}`, 200],
    ['nothing', {}, () => undefined, 401],
    ['no scheme', {}, (jwt) => jwt, 401],
    ['Basic', {}, (jwt) => `Basic ${jwt}`, 401],
    ['a changed signature', {}, (jwt) => `Bearer:${jwt.slice(0, -2)}xx`, 401],
    ['a cut one', {}, (jwt) => `Bearer:${jwt.slice(0, -1)}`, 401],
    [
      'alg none',
      {},
      (jwt) => `Bearer:${Buffer.from('{"alg":"none"}').toString('base64url')}.${jwt.split('.')[1]}.`,
      401,
    ],
    ['403 instead', { unauthenticatedStatus: 403 }, () => undefined, 403],
  ];
  for (const [name, profile, make, status] of forms) {
    it(`${name}: ${status}`, async () => assert.equal(await header(profile, make), status));
  }

  it('is refused with JSON, HTML or nothing, as the profile says', async () => {
    await using client = await createPair();
    assert.ok((await client.call('GET', READ)).json().error);
    client.server.setProfile({ unauthenticatedBody: 'html' });
    assert.match((await client.call('GET', READ)).text, /^<!DOCTYPE html>/);
    client.server.setProfile({ unauthenticatedBody: 'empty' });
    assert.equal((await client.call('GET', READ)).text, '');
  });

  it('ends after its life on the injected clock', async () => {
    const clock = createManualClock();
    await using client = await createPair({ clock, profile: { jwtLifeMs: 20_000 } });
    const authorization = `Bearer:${await client.login('alice')}`;
    await clock.advance(19_999);
    assert.equal((await client.call('GET', READ, { authorization })).status, 200);
    await clock.advance(1);
    assert.equal((await client.call('GET', READ, { authorization })).status, 401);
    assert.equal(client.server.ledger.requests.at(-1)?.auth, 'expired');
    assert.equal(client.server.ledger.requests.at(-1)?.account, 'alice');
  });

  it('ends by `advance` too, and without saying so when told not to', async () => {
    await using client = await createPair({ profile: { jwtSaysExpiry: false } });
    const jwt = await client.login('alice');
    assert.equal(JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()).exp, undefined);
    client.server.advance(14_400_000);
    assert.equal((await client.call('GET', READ, { authorization: `Bearer:${jwt}` })).status, 401);
  });

  it('is of a shorter life by jitter', async () => {
    await using client = await createPair({ profile: { jwtJitterMs: 60_000 }, random: () => 0.5 });
    const claims = JSON.parse(Buffer.from((await client.login('alice')).split('.')[1] ?? '', 'base64url').toString());
    assert.equal(claims.exp - claims.iat, 14_370);
  });

  it('of one process is unknown to the next', () => {
    const { jwt } = createSigner().issue('a', 'USER', 0, 1000, true);
    assert.equal(createSigner().read(jwt), null);
  });

  it('dies at a restart, unless the profile lets it live', async () => {
    for (const [tokensSurviveRestart, status] of [
      [false, 401],
      [true, 200],
    ] as const) {
      await using server = await createVovserver({
        transport: 'http',
        users: { alice: 'pw' },
        profile: { tokensSurviveRestart },
      });
      await using client = createClient(server);
      const authorization = `Bearer:${await client.login('alice')}`;
      await server.restart();
      await using late = createClient(server);
      assert.equal((await late.call('GET', READ, { authorization })).status, status);
    }
  });

  it('keeps the level of the login, or follows the level of now', async () => {
    for (const [levelInToken, status] of [
      [true, 200],
      [false, 403],
    ] as const) {
      await using client = await createPair({ profile: { levelInToken } });
      await client.as('alice', 'GET', READ);
      client.server.users.set({ alice: { password: 'pw', level: 'READONLY' } });
      const answer = await client.as('alice', 'POST', '/api/v3/jobs', {
        command: 'x',
        logfile: 'l',
        rundir: '/',
        env: 'BASE',
      });
      assert.equal(answer.status, status);
    }
  });
});
