import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTokenEndpoint, type TokenEndpointOptions } from '../../src/auth/index.ts';
import type { TokenScope } from '../../src/kernel/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import { config, createAuthWorld, refusalOf, seenOf, withTypo } from './auth-world.ts';

const FORM = 'application/x-www-form-urlencoded';
const HOUR = 3_600_000;
const ALICE = { user: 'alice', label: 'laptop', scopes: ['read', 'submit'] as TokenScope[] };

async function endpointWorld(options: Partial<TokenEndpointOptions> = {}) {
  const world = createAuthWorld(1);
  const [tokens] = world.replicas;
  assert.ok(tokens);
  const { token, info } = await tokens.create(ALICE);
  const endpoint = createTokenEndpoint({ tokens, config: () => config, now: world.clock.now, ...options });
  const login = (username: string, password: string, queue = 'vnc') =>
    endpoint.exchange(endpoint.parse(FORM, Buffer.from(new URLSearchParams({ username, password }).toString())), queue);
  return { world, tokens, token: token.reveal(), info, endpoint, login };
}

describe('the token endpoint', () => {
  it('answers exactly what vovserver answers, with a token of the gateway', async () => {
    const { world, tokens, token, info, login } = await endpointWorld();
    await using _ = world;
    const granted = await login('alice', token);
    assert.deepEqual(Object.keys(granted.json), ['token_type', 'access_token']);
    assert.equal(granted.json.token_type, 'Bearer');
    assert.match(granted.json.access_token, /^vgw_/);
    assert.notEqual(granted.json.access_token, token);
    assert.deepEqual(granted.headers, { 'Cache-Control': 'no-store' });
    const caller = await tokens.authenticate(granted.json.access_token);
    assert.deepEqual(caller, granted.caller);
    assert.equal(caller.expiresAt, world.clock.now() + 12 * HOUR);
    assert.deepEqual([...caller.scopes], ['read', 'submit']);
    await tokens.revoke(info.id);
    assert.equal((await refusalOf(() => tokens.authenticate(granted.json.access_token))).status, 401);
  });

  it('tells the id of the token that was tried, for counting attempts', async () => {
    const { world, token, info, endpoint } = await endpointWorld();
    await using _ = world;
    const idOf = (password: string) => endpoint.parse(FORM, Buffer.from(`username=alice&password=${password}`)).tokenId;
    assert.equal(idOf(token), info.id);
    assert.equal(idOf(withTypo(token)), null);
    assert.equal(idOf('swordfish'), null);
  });

  it('refuses every wrong login with the same bytes and the same questions to the store', async () => {
    const { world, tokens, token, login } = await endpointWorld();
    await using _ = world;
    await using elsewhere = createAuthWorld();
    const unknown = (await elsewhere.replicas[0]?.create(ALICE))?.token.reveal() ?? '';
    const revoked = await tokens.create(ALICE);
    await tokens.revoke(revoked.info.id);
    const expired = (await tokens.create({ ...ALICE, lifeMs: 1 })).token.reveal();
    await world.clock.advance(1);
    const wrong: readonly [string, string][] = [
      ['alice', unknown],
      ['alice', withTypo(token)],
      ['alice', revoked.token.reveal()],
      ['alice', expired],
      ['bob', token],
      ['Alice', token],
      ['alice ', token],
      ['nobody', unknown],
      ['alice', 'swordfish'],
      ['\u0000', 'x'],
      ['a'.repeat(1000), 'x'.repeat(1000)],
    ];
    const answers = new Set<string>();
    for (const [username, password] of wrong) {
      const before = world.store.calls.length;
      const seen = seenOf(await refusalOf(() => login(username, password)));
      const asked = world.store.calls.slice(before).map((call) => call.replace(/\{.*\}/, '{id}'));
      answers.add(`${seen} ${asked.join()}`);
    }
    assert.equal(answers.size, 1, [...answers].join('\n'));
    assert.match([...answers][0] ?? '', /"status":401/);
  });

  it('lets the caller decide which names stand for the owner', async () => {
    const asked: string[] = [];
    const { world, token, login } = await endpointWorld({
      isOwner: (identity, username, queue) => {
        asked.push(`${identity.user} ${username} ${queue}`);
        return username === 'al_unix';
      },
    });
    await using _ = world;
    assert.equal((await login('al_unix', token, 'fast')).caller.identity.user, 'alice');
    assert.equal((await refusalOf(() => login('alice', token))).status, 401);
    assert.deepEqual(asked, ['alice al_unix fast', 'alice alice vnc']);
  });

  it('says 503 while the store is away', async () => {
    const { world, token, login } = await endpointWorld();
    await using _ = world;
    world.store.away = true;
    for (const password of [token, withTypo(token)]) {
      assert.equal((await refusalOf(() => login('alice', password))).code, 'GW_STORE_UNAVAILABLE');
    }
  });
});

describe('the token endpoint with passthrough', () => {
  const through = (until: (now: number) => number | null) => {
    const calls: string[] = [];
    const clock = { now: 0 };
    const options: Partial<TokenEndpointOptions> = {
      passthrough: async (queue, username, password) => {
        calls.push(`${queue} ${username} ${password.reveal()}`);
        return until(clock.now);
      },
    };
    return { calls, clock, options };
  };

  it('gives a token without a parent that ends with the JWT, all scopes, and says that this is deprecated', async () => {
    const { calls, clock, options } = through((now) => now + HOUR);
    const { world, tokens, login } = await endpointWorld(options);
    await using _ = world;
    clock.now = world.clock.now();
    const granted = await login('bob', 'swordfish', 'fast');
    assert.deepEqual(calls, ['fast bob swordfish']);
    assert.match(granted.headers.Deprecation ?? '', /^@\d{10}$/);
    assert.equal(granted.headers['Cache-Control'], 'no-store');
    const caller = await tokens.authenticate(granted.json.access_token);
    assert.equal(caller.identity.user, 'bob');
    assert.deepEqual([...caller.scopes], ['read', 'submit', 'control']);
    assert.equal(caller.expiresAt, world.clock.now() + HOUR);
    assert.ok(!world.store.written.join('\n').includes('swordfish'));
  });

  it('is never longer than derivedLife', async () => {
    const { clock, options } = through((now) => now + 100 * HOUR);
    const { world, login } = await endpointWorld(options);
    await using _ = world;
    clock.now = world.clock.now();
    assert.equal((await login('bob', 'swordfish')).caller.expiresAt, world.clock.now() + 12 * HOUR);
  });

  it('is not asked about what looks like a token, right or wrong', async () => {
    const { calls, options } = through((now) => now + HOUR);
    const { world, token, login } = await endpointWorld(options);
    await using _ = world;
    assert.equal((await login('alice', token)).headers.Deprecation, undefined);
    for (const text of [withTypo(token), 'vgw_', 'vgw_x']) await refusalOf(() => login('alice', text));
    assert.deepEqual(calls, []);
  });

  it('is not asked about a user name that cannot be one', async () => {
    const { calls, options } = through((now) => now + HOUR);
    const { world, login } = await endpointWorld(options);
    await using _ = world;
    for (const name of ['a b', 'аlice', 'a@b@c', 'a\nb', '../x']) {
      assert.equal((await refusalOf(() => login(name, 'swordfish'))).status, 401);
    }
    assert.deepEqual(calls, []);
  });

  it('refused answers as any wrong login does', async () => {
    const { options } = through(() => null);
    const { world, token, login } = await endpointWorld(options);
    await using _ = world;
    const byPassword = seenOf(await refusalOf(() => login('bob', 'swordfish')));
    const byToken = seenOf(await refusalOf(() => login('bob', token)));
    assert.equal(byPassword, byToken);
  });

  it('with a JWT that is over gives nothing', async () => {
    const { clock, options } = through((now) => now);
    const { world, login } = await endpointWorld(options);
    await using _ = world;
    clock.now = world.clock.now();
    assert.equal((await refusalOf(() => login('bob', 'swordfish'))).status, 401);
  });

  it('passes the errors of vovserver on', async () => {
    const down = new GatewayError('GW_UPSTREAM_DOWN', 'vovserver is not reachable.', { retryAfter: 7 });
    const { world, login } = await endpointWorld({ passthrough: () => Promise.reject(down) });
    await using _ = world;
    assert.equal(await refusalOf(() => login('bob', 'swordfish')), down);
  });
});
