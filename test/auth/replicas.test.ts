import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccessTokens } from '../../src/auth/index.ts';
import type { TokenScope } from '../../src/kernel/index.ts';
import { createAuthWorld, refusalOf } from './auth-world.ts';

const ALICE = { user: 'alice', label: 'laptop', scopes: ['read'] as TokenScope[] };

/** Three replicas that have all seen the token a moment ago. */
async function threeReplicas() {
  const world = createAuthWorld(3);
  const [first, second, third] = world.replicas;
  assert.ok(first && second && third);
  await world.clock.advance(0);
  const { token, info } = await first.create(ALICE);
  const seenBy = async (replicas: readonly AccessTokens[], text: string) => {
    for (const replica of replicas) await replica.authenticate(text);
  };
  await seenBy(world.replicas, token.reveal());
  return { world, first, second, third, token: token.reveal(), info, seenBy };
}

describe('three replicas on one store', () => {
  it('all know a token that one of them made', async () => {
    const { world, token } = await threeReplicas();
    await using _ = world;
    for (const replica of world.replicas) assert.equal((await replica.authenticate(token)).identity.user, 'alice');
  });

  it('learn of a revocation by message, without waiting for the second', async () => {
    const { world, second, token, info } = await threeReplicas();
    await using _ = world;
    assert.equal(await second.revoke(info.id), true);
    await world.clock.advance(0);
    for (const replica of world.replicas) {
      assert.equal(replica.recall(token), null);
      assert.equal((await refusalOf(() => replica.authenticate(token))).code, 'GW_UNAUTHENTICATED');
    }
  });

  it('learn of it within a second when the message is lost', async () => {
    const { world, first, second, third, token, info } = await threeReplicas();
    await using _ = world;
    world.store.losesMessages = true;
    await world.clock.advance(900);
    await second.revoke(info.id);
    assert.equal((await refusalOf(() => second.authenticate(token))).status, 401);
    await world.clock.advance(100);
    for (const replica of [first, third])
      assert.equal((await refusalOf(() => replica.authenticate(token))).status, 401);
  });

  it('learn of it when the message cannot be sent', async () => {
    const { world, first, token, info } = await threeReplicas();
    await using _ = world;
    const failing = { ...world.store, publish: () => Promise.reject(new Error('lost')) };
    const fourth = world.join({ kv: failing });
    assert.equal(await fourth.revoke(info.id), true);
    await world.clock.advance(1000);
    assert.equal((await refusalOf(() => first.authenticate(token))).status, 401);
  });

  it('end what was derived with its parent, by message and without', async () => {
    for (const lost of [false, true]) {
      const { world, first, second, token, info, seenBy } = await threeReplicas();
      await using _ = world;
      const derived = await first.derive(token, () => true, 3_600_000);
      await seenBy(world.replicas, derived.token.reveal());
      world.store.losesMessages = lost;
      await second.revoke(info.id);
      await world.clock.advance(lost ? 1000 : 0);
      for (const replica of world.replicas) {
        for (const text of [token, derived.token.reveal()]) {
          assert.equal((await refusalOf(() => replica.authenticate(text))).status, 401);
        }
      }
    }
  });

  it('end a derived token within the second also when its parent was read right before it', async () => {
    const { world, first, second, token, info } = await threeReplicas();
    await using _ = world;
    const derived = (await first.derive(token, () => true, 3_600_000)).token.reveal();
    world.store.losesMessages = true;
    await world.clock.advance(1000);
    await second.authenticate(token);
    await world.clock.advance(900);
    await second.authenticate(derived);
    await first.revoke(info.id);
    await world.store.set(`token:{${derived.slice(4, 16)}}`, (await resealed(world, derived)) ?? '', null);
    await world.clock.advance(1000);
    assert.equal((await refusalOf(() => second.authenticate(derived))).status, 401);
  });

  it('leave other tokens alone', async () => {
    const { world, first, second, third, info, seenBy } = await threeReplicas();
    await using _ = world;
    const other = (await first.create(ALICE)).token.reveal();
    await seenBy(world.replicas, other);
    await second.revoke(info.id);
    await world.clock.advance(0);
    assert.ok(third.recall(other) !== null);
    assert.equal((await third.authenticate(other)).identity.user, 'alice');
  });

  it('do not keep what was read while the revocation ran', async () => {
    const { world, first, second, token, info } = await threeReplicas();
    await using _ = world;
    await world.clock.advance(1000);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = {
      ...world.store,
      get: async (key: string) => {
        const value = await world.store.get(key);
        await held;
        return value;
      },
    };
    const fourth = world.join({ kv: slow });
    await world.clock.advance(0);
    const running = Promise.resolve(fourth.authenticate(token));
    await world.clock.advance(0);
    await second.revoke(info.id);
    await world.clock.advance(0);
    release();
    await running;
    assert.equal(fourth.recall(token), null);
    assert.equal((await refusalOf(() => fourth.authenticate(token))).status, 401);
    assert.equal((await refusalOf(() => first.authenticate(token))).status, 401);
  });

  it('ask the store again after a gap in the messages', async () => {
    const { world, first, token } = await threeReplicas();
    await using _ = world;
    assert.ok(!(first.recall(token) instanceof Promise));
    world.store.gap();
    assert.ok(first.recall(token) instanceof Promise);
    assert.equal((await first.authenticate(token)).identity.user, 'alice');
  });

  it('ignore messages that are no token ids', async () => {
    const { world, first, token } = await threeReplicas();
    await using _ = world;
    for (const message of ['', '*', token, 'x'.repeat(10_000)]) await world.store.publish('tokens', message);
    await world.clock.advance(0);
    assert.ok(first.recall(token) !== null && !(first.recall(token) instanceof Promise));
  });

  it('listen as soon as the store lets them', async () => {
    const { world, second, token, info } = await threeReplicas();
    await using _ = world;
    world.store.away = true;
    const late = world.join();
    await world.clock.advance(1500);
    world.store.away = false;
    await world.clock.advance(1000);
    await late.authenticate(token);
    await second.revoke(info.id);
    await world.clock.advance(0);
    assert.equal(late.recall(token), null);
  });
});

describe('revoke', () => {
  it('says whether there was something to end', async () => {
    const { world, first, second, info } = await threeReplicas();
    await using _ = world;
    assert.equal(await first.revoke(info.id), true);
    assert.equal(await first.revoke(info.id), false);
    assert.equal(await second.revoke('abcdefghijkl'), false);
  });

  it('asks no store about what cannot be an id', async () => {
    const { world, first } = await threeReplicas();
    await using _ = world;
    const before = world.store.calls.length;
    for (const id of ['', '*', 'ABCDEFGHIJKL', 'abc', 'abcdefghijkl}:x', 'vgw_abcdefghijkl']) {
      assert.equal(await first.revoke(id), false);
    }
    assert.equal(world.store.calls.length, before);
  });

  it('leaves nothing of the token in the store, and nothing of its derived ones', async () => {
    const { world, first, token, info } = await threeReplicas();
    await using _ = world;
    const derived = await first.derive(token, () => true, 3_600_000);
    await first.authenticate(derived.token.reveal());
    await first.revoke(info.id);
    for (const key of [
      `token:{${info.id}}`,
      `token:{${info.id}}:used`,
      `token:{${info.id}}:derived`,
      `token:{${derived.caller.tokenId}}`,
    ]) {
      assert.equal(await world.store.get(key), null, key);
    }
    assert.deepEqual(await world.store.members('tokens:all'), []);
    assert.deepEqual(await first.list(), []);
    assert.deepEqual(await first.list('alice'), []);
  });

  it('ends one derived token alone', async () => {
    const { world, first, token } = await threeReplicas();
    await using _ = world;
    const one = await first.derive(token, () => true, 3_600_000);
    const two = await first.derive(token, () => true, 3_600_000);
    assert.equal(await first.revoke(one.caller.tokenId), true);
    assert.equal((await refusalOf(() => first.authenticate(one.token.reveal()))).status, 401);
    assert.equal((await first.authenticate(two.token.reveal())).identity.user, 'alice');
    assert.equal((await first.authenticate(token)).identity.user, 'alice');
  });

  it('says 503 while the store is away, and ends nothing', async () => {
    const { world, first, token, info } = await threeReplicas();
    await using _ = world;
    world.store.away = true;
    assert.equal((await refusalOf(() => first.revoke(info.id))).code, 'GW_STORE_UNAVAILABLE');
    world.store.away = false;
    assert.equal((await first.authenticate(token)).identity.user, 'alice');
  });
});

/** The record of a token as it was written last, as if its deletion had been lost. */
async function resealed(world: ReturnType<typeof createAuthWorld>, token: string): Promise<string | undefined> {
  const at = world.store.written.lastIndexOf(`token:{${token.slice(4, 16)}}`);
  return world.store.written[at + 1];
}
