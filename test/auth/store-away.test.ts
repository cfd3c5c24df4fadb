import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TokenScope } from '../../src/kernel/index.ts';
import { createAuthWorld, refusalOf, withTypo } from './auth-world.ts';

const ALICE = { user: 'alice', label: 'laptop', scopes: ['read'] as TokenScope[] };

async function seenToken() {
  const world = createAuthWorld(1);
  const [tokens] = world.replicas;
  assert.ok(tokens);
  await world.clock.advance(0);
  const { token, info } = await tokens.create(ALICE);
  await tokens.authenticate(token.reveal());
  return { world, tokens, token: token.reveal(), info };
}

describe('the store away', () => {
  it('a token that is in use keeps working for a minute of outage and beyond', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    world.store.away = true;
    for (let second = 0; second < 120; second++) {
      await world.clock.advance(1000);
      assert.equal((await tokens.authenticate(token)).identity.user, 'alice');
    }
  });

  it('asks the absent store at most once a second for each token', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    world.store.away = true;
    await world.clock.advance(1000);
    const before = world.store.calls.length;
    await Promise.all(Array.from({ length: 40 }, () => tokens.authenticate(token)));
    for (let round = 0; round < 40; round++) assert.ok(!(tokens.authenticate(token) instanceof Promise));
    assert.equal(world.store.calls.length - before, 1);
  });

  it('recall works as well', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    world.store.away = true;
    await world.clock.advance(1000);
    assert.equal((await tokens.recall(token))?.identity.user, 'alice');
    assert.ok(!(tokens.recall(token) instanceof Promise));
  });

  it('a token that was not used in the last minute gets 503 with Retry-After', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    world.store.away = true;
    await world.clock.advance(59_999);
    await tokens.authenticate(token);
    await world.clock.advance(60_000);
    const error = await refusalOf(() => tokens.authenticate(token));
    assert.equal(error.code, 'GW_STORE_UNAVAILABLE');
    assert.equal(error.status, 503);
    assert.ok((error.retryAfter ?? 0) >= 1);
    assert.match(error.internal ?? '', /taken away by the test/);
    assert.ok(!error.detail.includes('taken away'));
  });

  it('a token that was never seen here gets 503, a typo still 401', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    const other = (await tokens.create(ALICE)).token.reveal();
    world.store.away = true;
    assert.equal((await refusalOf(() => tokens.authenticate(other))).status, 503);
    assert.equal((await refusalOf(() => tokens.authenticate(withTypo(token)))).status, 401);
  });

  it('a known id with a wrong secret gets 401: never open', async () => {
    const { world, tokens, info } = await seenToken();
    await using _ = world;
    const digits = '0123456789abcdefghijklmnopqrstuvwxyz';
    const bytes = [Buffer.from([...info.id].map((c) => digits.indexOf(c))), Buffer.alloc(28, 3)];
    await using elsewhere = createAuthWorld();
    const forger = elsewhere.join({ random: () => bytes.shift() ?? Buffer.alloc(28, 3) });
    const forged = (await forger.create(ALICE)).token.reveal();
    world.store.away = true;
    await world.clock.advance(1000);
    assert.equal((await refusalOf(() => tokens.authenticate(forged))).status, 401);
  });

  it('a guess with a wrong secret does not count as use', async () => {
    const { world, tokens, token, info } = await seenToken();
    await using _ = world;
    const forged = await forge(info.id);
    await world.clock.advance(50_000);
    await refusalOf(() => tokens.authenticate(forged));
    world.store.away = true;
    await world.clock.advance(20_000);
    assert.equal((await refusalOf(() => tokens.authenticate(token))).status, 503);
  });

  it('a token still ends at its expiry', async () => {
    const world = createAuthWorld(1);
    await using _ = world;
    const [tokens] = world.replicas;
    assert.ok(tokens);
    const token = (await tokens.create({ ...ALICE, lifeMs: 30_000 })).token.reveal();
    await tokens.authenticate(token);
    world.store.away = true;
    await world.clock.advance(29_000);
    assert.equal((await tokens.authenticate(token)).identity.user, 'alice');
    await world.clock.advance(1000);
    assert.notEqual((await refusalOf(() => tokens.authenticate(token))).status, 200);
  });

  it('does not go on for ever without the word of the store', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    world.store.away = true;
    for (let half = 0; half < 29; half++) {
      await world.clock.advance(30_000);
      assert.equal((await tokens.authenticate(token)).identity.user, 'alice');
    }
    await world.clock.advance(30_000);
    assert.equal((await refusalOf(() => tokens.authenticate(token))).status, 503);
  });

  it('what was derived keeps working too', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    const derived = (await tokens.derive(token, () => true, 3_600_000)).token.reveal();
    await tokens.authenticate(derived);
    world.store.away = true;
    for (let second = 0; second < 60; second++) {
      await world.clock.advance(1000);
      assert.equal((await tokens.authenticate(derived)).identity.user, 'alice');
    }
  });

  it('is back: everything is asked for again, and what was revoked meanwhile has ended', async () => {
    const { world, tokens, token, info } = await seenToken();
    await using _ = world;
    world.store.away = true;
    await world.clock.advance(10_000);
    await tokens.authenticate(token);
    world.store.away = false;
    await world.store.delete(`token:{${info.id}}`);
    await world.clock.advance(1000);
    assert.equal((await refusalOf(() => tokens.authenticate(token))).status, 401);
  });

  it('the token endpoint says 503, right or wrong', async () => {
    const { world, tokens, token } = await seenToken();
    await using _ = world;
    world.store.away = true;
    for (const text of [token, withTypo(token), 'x']) {
      assert.equal((await refusalOf(() => tokens.derive(text, () => true, 1000))).status, 503);
    }
    assert.equal((await refusalOf(() => tokens.admit('alice', 'main', 1000))).status, 503);
  });
});

async function forge(id: string): Promise<string> {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyz';
  const bytes = [Buffer.from([...id].map((c) => digits.indexOf(c))), Buffer.alloc(28, 5)];
  await using world = createAuthWorld();
  const tokens = world.join({ random: () => bytes.shift() ?? Buffer.alloc(28, 5) });
  return (await tokens.create(ALICE)).token.reveal();
}
