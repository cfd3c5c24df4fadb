import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PUT_ON_SHELF, readShelf } from '../../src/auth/shelf-script.ts';
import { SCOPES, type TokenScope } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { createAuthWorld, refusalOf, seenOf, withTypo } from './auth-world.ts';

const HOUR = 3_600_000;
const ALICE = { user: 'alice', label: 'laptop', scopes: ['read', 'control'] as TokenScope[] };

async function parentToken(lifeMs = 24 * HOUR) {
  const world = createAuthWorld(1);
  const [tokens] = world.replicas;
  assert.ok(tokens);
  const { token, info } = await tokens.create({ ...ALICE, lifeMs });
  return { world, tokens, token: token.reveal(), info };
}

describe('derive', () => {
  it('gives a token with user, scopes and label of its parent', async () => {
    const { world, tokens, token, info } = await parentToken();
    await using _ = world;
    const granted = await tokens.derive(token, (identity) => identity.user === 'alice', HOUR);
    assert.notEqual(granted.token.reveal(), token);
    const caller = await tokens.authenticate(granted.token.reveal());
    assert.deepEqual(caller, granted.caller);
    assert.deepEqual([...caller.scopes], ['read', 'control']);
    assert.equal(caller.tokenLabel, 'laptop');
    assert.equal(caller.expiresAt, world.clock.now() + HOUR);
    const listed = (await tokens.list()).find(({ id }) => id === caller.tokenId);
    assert.equal(listed?.parent, info.id);
  });

  it('never outlives its parent', async () => {
    const { world, tokens, token, info } = await parentToken(HOUR);
    await using _ = world;
    const granted = await tokens.derive(token, () => true, 12 * HOUR);
    assert.equal(granted.caller.expiresAt, info.expiresAt);
    await world.clock.advance(HOUR);
    assert.equal((await refusalOf(() => tokens.authenticate(granted.token.reveal()))).status, 401);
  });

  it('ends with a parent whose record is gone', async () => {
    const { world, tokens, token, info } = await parentToken();
    await using _ = world;
    const granted = (await tokens.derive(token, () => true, HOUR)).token.reveal();
    await tokens.authenticate(granted);
    await world.store.delete(`token:{${info.id}}`);
    await world.clock.advance(1000);
    assert.equal((await refusalOf(() => tokens.authenticate(granted))).status, 401);
  });

  it('counts as use of the parent', async () => {
    const { world, tokens, token, info } = await parentToken();
    await using _ = world;
    await tokens.derive(token, () => true, HOUR);
    await world.clock.advance(0);
    const parent = (await tokens.list()).find(({ id }) => id === info.id);
    assert.equal(parent?.lastUsedAt, world.clock.now());
  });

  it('writes that use once a minute, however often a script signs in', async () => {
    const { world, tokens, token, info } = await parentToken();
    await using _ = world;
    for (let round = 0; round < 30; round++) {
      await tokens.derive(token, () => true, HOUR);
      await world.clock.advance(1000);
    }
    assert.equal(world.store.calls.filter((call) => call === `set token:{${info.id}}:used`).length, 1);
  });

  it('refuses with the same bytes and the same number of questions to the store, whatever is wrong', async () => {
    const { world, tokens, token } = await parentToken();
    await using _ = world;
    await using elsewhere = createAuthWorld();
    const unknown = (await elsewhere.replicas[0]?.create(ALICE))?.token.reveal() ?? '';
    const revoked = await tokens.create(ALICE);
    await tokens.revoke(revoked.info.id);
    const expired = (await tokens.create({ ...ALICE, lifeMs: 1 })).token.reveal();
    await world.clock.advance(1);
    await tokens.authenticate(token);
    const yes = (): boolean => true;
    const no = (): boolean => false;
    const wrong: readonly [string, () => boolean][] = [
      [unknown, yes],
      [withTypo(token), yes],
      [expired, yes],
      [revoked.token.reveal(), yes],
      [token, no],
      ['', yes],
      ['swordfish', yes],
      ['vgw_', yes],
    ];
    const answers = [];
    for (const [text, isOwner] of wrong) {
      const before = world.store.calls.length;
      const seen = seenOf(await refusalOf(() => tokens.derive(text, isOwner, HOUR)));
      const asked = world.store.calls.slice(before).map((call) => call.replace(/\{.*\}/, '{id}'));
      answers.push(`${seen} after ${asked.join(', ')}`);
    }
    assert.equal(new Set(answers).size, 1, answers.join('\n'));
    assert.match(answers[0] ?? '', /401.* after get token:\{id\}$/);
  });

  it('takes no derived token: a chain would outlive every limit', async () => {
    const { world, tokens, token } = await parentToken();
    await using _ = world;
    const granted = (await tokens.derive(token, () => true, HOUR)).token.reveal();
    assert.equal((await refusalOf(() => tokens.derive(granted, () => true, HOUR))).status, 401);
  });

  it('asks the store even when the token was seen right now', async () => {
    const { world, tokens, token, info } = await parentToken();
    await using _ = world;
    await tokens.authenticate(token);
    await world.store.delete(`token:{${info.id}}`);
    assert.equal((await refusalOf(() => tokens.derive(token, () => true, HOUR))).status, 401);
  });

  it('keeps 200 living ones at most: the oldest ends', async () => {
    const { world, tokens, token } = await parentToken();
    await using _ = world;
    const made: string[] = [];
    for (let round = 0; round < 205; round++) made.push((await tokens.derive(token, () => true, HOUR)).token.reveal());
    assert.equal((await tokens.list()).length, 201);
    for (const text of made.slice(0, 5)) assert.equal((await refusalOf(() => tokens.authenticate(text))).status, 401);
    for (const text of made.slice(5)) assert.equal((await tokens.authenticate(text)).identity.user, 'alice');
  });

  it('does not count those that have ended', async () => {
    const { world, tokens, token } = await parentToken();
    await using _ = world;
    for (let round = 0; round < 150; round++) await tokens.derive(token, () => true, HOUR);
    await world.clock.advance(HOUR);
    const made: string[] = [];
    for (let round = 0; round < 150; round++) made.push((await tokens.derive(token, () => true, HOUR)).token.reveal());
    for (const text of made) assert.equal((await tokens.authenticate(text)).identity.user, 'alice');
  });

  it('leaves nothing in the store when all have ended', async () => {
    const { world, tokens, token, info } = await parentToken();
    await using _ = world;
    const granted = await tokens.derive(token, () => true, HOUR);
    await world.clock.advance(HOUR);
    assert.equal(await world.store.get(`token:{${granted.caller.tokenId}}`), null);
    assert.equal(await world.store.get(`token:{${info.id}}:derived`), null);
  });
});

describe('admit', () => {
  it('gives a token without a parent, with all scopes, for as long as it is told', async () => {
    const { world, tokens } = await parentToken();
    await using _ = world;
    const granted = await tokens.admit('bob', 'main', HOUR);
    const caller = await tokens.authenticate(granted.token.reveal());
    assert.deepEqual([...caller.scopes], [...SCOPES]);
    assert.equal(caller.identity.subject, 'local:bob');
    assert.equal(caller.queue, 'main', 'it holds on no other queue');
    assert.equal(caller.expiresAt, world.clock.now() + HOUR);
    await world.clock.advance(HOUR);
    assert.equal((await refusalOf(() => tokens.authenticate(granted.token.reveal()))).status, 401);
  });

  it('can be revoked', async () => {
    const { world, tokens } = await parentToken();
    await using _ = world;
    const granted = await tokens.admit('bob', 'main', HOUR);
    assert.equal(await tokens.revoke(granted.caller.tokenId), true);
    assert.equal((await refusalOf(() => tokens.authenticate(granted.token.reveal()))).status, 401);
    assert.deepEqual(await tokens.list('bob'), []);
  });

  it('keeps 200 of one user at most, and counts each user alone', async () => {
    const { world, tokens } = await parentToken();
    await using _ = world;
    const first = (await tokens.admit('bob', 'main', HOUR)).token.reveal();
    const carol = (await tokens.admit('carol', 'main', HOUR)).token.reveal();
    for (let round = 0; round < 200; round++) await tokens.admit('bob', 'main', HOUR);
    assert.equal((await refusalOf(() => tokens.authenticate(first))).status, 401);
    assert.equal((await tokens.authenticate(carol)).identity.user, 'carol');
    assert.equal((await tokens.list('bob')).length, 200);
  });

  it('cannot be exchanged again', async () => {
    const { world, tokens } = await parentToken();
    await using _ = world;
    const granted = (await tokens.admit('bob', 'main', HOUR)).token.reveal();
    assert.equal((await refusalOf(() => tokens.derive(granted, () => true, 12 * HOUR))).status, 401);
  });
});

describe('the shelf of derived tokens', () => {
  it('reads what it can and skips what it cannot', () => {
    assert.deepEqual(readShelf(null), []);
    assert.deepEqual(readShelf(''), []);
    assert.deepEqual(readShelf('a:1,b:22'), [
      { id: 'a', expiresAt: 1 },
      { id: 'b', expiresAt: 22 },
    ]);
    assert.deepEqual(readShelf('a,:1,b:x,c:3'), [{ id: 'c', expiresAt: 3 }]);
  });

  it('decides the same in Lua on a real Redis as in memory', async () => {
    const clock = createManualClock(Date.now());
    await using redis = await startRedis();
    await using real = createRedisKeyValue(redis.config(), { clock });
    await using memory = createMemoryKeyValue({ clock });
    const now = clock.now();
    const steps: readonly (readonly [string, number, number, number])[] = [
      ['one', now + 60_000, now, 3],
      ['two', now + 90_000, now, 3],
      ['three', now + 50_000, now, 3],
      ['four', now + 70_000, now, 3],
      ['five', now + 80_000, now + 55_000, 3],
      ['six', now + 80_000, now + 55_000, 1],
      ['seven', now + 200_000, now + 300_000, 5],
    ];
    for (const step of steps) {
      const answers = await Promise.all([real, memory].map((kv) => kv.run(PUT_ON_SHELF, ['shelf'], step)));
      assert.deepEqual(answers[0], answers[1], step[0]);
      const stored = await Promise.all([real, memory].map((kv) => kv.get('shelf')));
      if (step[0] !== 'seven') assert.equal(stored[0], stored[1], step[0]);
    }
  });

  it('makes the oldest leave first, and only as many as needed', async () => {
    await using kv = createMemoryKeyValue({ clock: createManualClock(1000) });
    const put = (id: string, ends: number, now: number, cap = 2) => kv.run(PUT_ON_SHELF, ['s'], [id, ends, now, cap]);
    assert.deepEqual(await put('a', 9000, 1000), []);
    assert.deepEqual(await put('b', 2000, 1000), []);
    assert.deepEqual(await put('c', 9000, 1000), ['a']);
    assert.deepEqual(await put('d', 9000, 2000), []);
    assert.equal(await kv.get('s'), 'c:9000,d:9000');
  });
});
