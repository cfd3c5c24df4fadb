import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock, type TokenScope } from '../../src/kernel/index.ts';
import { createRedisKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { createAuthWorld, refusalOf } from './auth-world.ts';

const ALICE = { user: 'alice.liddell', label: 'rabbit-hole', scopes: ['read'] as TokenScope[] };

describe('access tokens on a real Redis', () => {
  it('live there sealed, are shared by replicas and end on all of them', async () => {
    await using redis = await startRedis();
    const clock = createManualClock(Date.now());
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using world = createAuthWorld(3, kv, clock);
    const [first, second, third] = world.replicas;
    assert.ok(first && second && third);
    const { token, info } = await first.create(ALICE);
    const derived = await second.derive(token.reveal(), () => true, 3_600_000);
    for (const replica of world.replicas) {
      assert.equal((await replica.authenticate(token.reveal())).identity.user, 'alice.liddell');
      assert.equal((await replica.authenticate(derived.token.reveal())).identity.user, 'alice.liddell');
    }
    const life = Number(await redis.command('PTTL', `test:token:{${info.id}}`));
    assert.ok(life > 29 * 86_400_000 && life <= 30 * 86_400_000, `the record lives ${life} ms`);
    await third.revoke(info.id);
    // The manual clock stands still: only the message can have told them.
    for (const replica of world.replicas) {
      await eventually('the revocation arrives', () => replica.recall(token.reveal()) === null);
      for (const text of [token, derived.token]) {
        assert.equal((await refusalOf(() => replica.authenticate(text.reveal()))).status, 401);
      }
    }
    assert.deepEqual(await first.list(), []);
  });

  it('shows no user name, label, secret or token in a dump', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using world = createAuthWorld(1, kv, createManualClock(Date.now()));
    const [tokens] = world.replicas;
    assert.ok(tokens);
    const { token } = await tokens.create(ALICE);
    await tokens.authenticate(token.reveal());
    await tokens.derive(token.reveal(), () => true, 3_600_000);
    await tokens.admit('alice.liddell', 'main', 3_600_000);
    const keys = (await redis.command('KEYS', '*')) as string[];
    assert.ok(keys.length >= 6, keys.join(' '));
    const values = [];
    for (const key of keys) {
      const type = await redis.command('TYPE', key);
      values.push(await (type === 'set' ? redis.command('SMEMBERS', key) : redis.command('GET', key)));
    }
    const dump = JSON.stringify([keys, values]);
    for (const clear of ['alice.', 'liddell', 'rabbit-hole', token.reveal(), token.reveal().slice(17, 30)]) {
      assert.ok(!dump.includes(clear), `the dump shows ${clear}`);
    }
  });
});
