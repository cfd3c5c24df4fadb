import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Sessions } from '../../src/auth/index.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { refusalOf } from './auth-world.ts';
import { ALICE, createSessionsWorld, MINUTE, signedIn, webRequest } from './sessions-world.ts';

/** Three replicas that have all seen the session a moment ago. */
async function threeReplicas() {
  const world = createSessionsWorld(3);
  const [first, second, third] = world.replicas;
  assert.ok(first && second && third);
  await world.clock.advance(0);
  const { cookie, session } = await first.open(webRequest(), signedIn(ALICE), ALICE);
  for (const replica of world.replicas) assert.ok(await replica.find(cookie));
  return { world, first, second, third, cookie, session };
}

describe('three replicas on one store', () => {
  const endings: Record<string, (sessions: Sessions, id: string) => Promise<unknown>> = {
    end: (sessions, id) => sessions.end(id),
    endByProvider: (sessions) => sessions.endByProvider('corp', [`sid:${ALICE.user}`]),
    endOthers: (sessions) => sessions.endOthers(ALICE.subject, null),
  };
  for (const [name, ending] of Object.entries(endings)) {
    it(`learn of ${name} by message, without waiting for the second`, async () => {
      const { world, second, cookie, session } = await threeReplicas();
      await using _ = world;
      await ending(second, session.id);
      await world.clock.advance(0);
      for (const replica of world.replicas) assert.equal(await replica.find(cookie), null);
    });

    it(`learn of ${name} within a second when the message is lost`, async () => {
      const { world, first, second, third, cookie, session } = await threeReplicas();
      await using _ = world;
      world.store.losesMessages = true;
      await world.clock.advance(900);
      await ending(second, session.id);
      assert.equal(await second.find(cookie), null);
      await world.clock.advance(100);
      for (const replica of [first, third]) assert.equal(await replica.find(cookie), null);
    });
  }

  it('ask the store again after a gap in the messages', async () => {
    const { world, first, cookie } = await threeReplicas();
    await using _ = world;
    assert.ok(!(first.find(cookie) instanceof Promise));
    world.store.gap();
    assert.ok(first.find(cookie) instanceof Promise);
    assert.ok(await first.find(cookie));
  });

  it('leave other sessions alone', async () => {
    const { world, second, third, cookie, session } = await threeReplicas();
    await using _ = world;
    const other = await second.open(webRequest(), signedIn(ALICE), ALICE);
    await third.find(other.cookie);
    await second.end(session.id);
    await world.clock.advance(0);
    assert.ok(!(third.find(other.cookie) instanceof Promise));
    assert.equal((await third.find(other.cookie))?.id, other.session.id);
    assert.equal(await third.find(cookie), null);
  });

  it('do not keep what was read while the logout ran', async () => {
    const { world, second, cookie, session } = await threeReplicas();
    await using _ = world;
    const held = Promise.withResolvers<void>();
    const slow = {
      ...world.store,
      get: async (key: string) => {
        const value = await world.store.get(key);
        await held.promise;
        return value;
      },
    };
    const fourth = world.join({ kv: slow });
    await world.clock.advance(0);
    const running = fourth.find(cookie);
    await world.clock.advance(0);
    await second.end(session.id);
    await world.clock.advance(0);
    held.resolve();
    await running;
    assert.equal(await fourth.find(cookie), null);
  });

  it('messages of access tokens end no session', async () => {
    const { world, first, cookie, session } = await threeReplicas();
    await using _ = world;
    await world.store.publish('tokens', session.id);
    for (const text of ['', '*', cookie, 'x'.repeat(10_000)]) await world.store.publish('sessions', text);
    await world.clock.advance(0);
    assert.ok(!(first.find(cookie) instanceof Promise));
  });
});

describe('two replicas on a real Redis', () => {
  it('a logout on one is known on the other by its message, while its clock stands still', async () => {
    await using redis = await startRedis();
    await using one = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using two = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using world = createSessionsWorld(1, one, createManualClock(Date.now()));
    const other = world.join({ kv: two });
    const listeners = async () => {
      const [, count] = (await redis.command('PUBSUB', 'NUMSUB', 'test:sessions')) as [string, number | string];
      return Number(count) === 2;
    };
    await eventually('both listen', listeners);
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    assert.ok(await other.find(cookie));
    assert.ok(!(other.find(cookie) instanceof Promise));
    assert.equal(await world.first.end(session.id), true);
    await eventually('the other knows', async () => (await other.find(cookie)) === null);
    assert.deepEqual(await other.list(ALICE.subject), []);
  });

  it('many endings at once count once', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using world = createSessionsWorld(3, kv, createManualClock(Date.now()));
    const { session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const attempts = Array.from({ length: 12 }, (_, at) => world.replicas[at % 3]?.end(session.id));
    const ended = await Promise.all(attempts);
    assert.equal(ended.filter(Boolean).length, 1);
    assert.equal(world.events.filter(({ what }) => what === 'session_ended').length, 1);
  });

  it('all sessions of one person that are opened at once are listed', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using world = createSessionsWorld(3, kv, createManualClock(Date.now()));
    const opening = Array.from({ length: 30 }, (_, at) => {
      const replica = world.replicas[at % 3];
      assert.ok(replica);
      return replica.open(webRequest(), signedIn(ALICE), ALICE);
    });
    await Promise.all(opening);
    assert.equal((await world.first.list(ALICE.subject)).length, 30);
    assert.equal(await world.first.endByProvider('corp', [`sub:${ALICE.user}`]), 30);
  });
});

describe('the store away', () => {
  it('who was seen in the last minute goes on, for a quarter of an hour', async () => {
    const { world, first, cookie } = await threeReplicas();
    await using _ = world;
    world.store.away = true;
    for (let second = 0; second < 14 * 60; second += 20) {
      await world.clock.advance(20_000);
      assert.equal((await first.find(cookie))?.identity.user, ALICE.user, `after ${second} s`);
    }
    for (let second = 0; second < 60; second += 20) {
      await world.clock.advance(20_000);
      if (second === 40) assert.equal((await refusalOf(() => first.find(cookie))).code, 'GW_STORE_UNAVAILABLE');
      else assert.ok((await first.find(cookie)) !== null);
    }
  });

  it('who was not seen in the last minute, or never, gets 503 with Retry-After', async () => {
    const { world, first, cookie } = await threeReplicas();
    await using _ = world;
    const other = await first.open(webRequest(), signedIn(ALICE), ALICE);
    world.store.away = true;
    await world.clock.advance(MINUTE);
    for (const text of [cookie, other.cookie, `${cookie.slice(0, 22)}.${'A'.repeat(43)}`]) {
      const error = await refusalOf(() => first.find(text));
      assert.deepEqual([error.code, error.status], ['GW_STORE_UNAVAILABLE', 503]);
      assert.ok((error.retryAfter ?? 0) >= 1);
      assert.ok(!error.detail.includes('taken away') && error.internal?.includes('taken away'));
    }
  });

  it('the same holds when only the people cannot be read', async () => {
    const { world, first, second, cookie } = await threeReplicas();
    await using _ = world;
    world.people.away = true;
    await world.clock.advance(59_999);
    assert.ok(await first.find(cookie));
    await world.clock.advance(1);
    assert.equal((await refusalOf(() => second.find(cookie))).code, 'GW_STORE_UNAVAILABLE');
    assert.ok(await first.find(cookie));
  });

  it('asks the absent store at most once a second for each session', async () => {
    const { world, first, cookie } = await threeReplicas();
    await using _ = world;
    world.store.away = true;
    await world.clock.advance(1000);
    const before = world.store.calls.length;
    await Promise.all(Array.from({ length: 40 }, () => first.find(cookie)));
    for (let round = 0; round < 40; round++) assert.ok(!(first.find(cookie) instanceof Promise));
    assert.equal(world.store.calls.length - before, 1);
  });

  it('opening, ending and listing say 503, and end nothing', async () => {
    const { world, first, cookie, session } = await threeReplicas();
    await using _ = world;
    world.store.away = true;
    const calls = [
      () => first.open(webRequest(), signedIn(ALICE), ALICE),
      () => first.open(webRequest({ session: cookie }), signedIn(ALICE), ALICE),
      () => first.end(session.id),
      () => first.endByProvider('corp', [`sid:${ALICE.user}`]),
      () => first.list(ALICE.subject),
      () => first.endOthers(ALICE.subject, null),
    ];
    for (const call of calls) assert.equal((await refusalOf(call)).code, 'GW_STORE_UNAVAILABLE', String(call));
    world.store.away = false;
    assert.ok(await first.find(cookie));
    assert.equal((await first.list(ALICE.subject)).length, 1);
  });

  it('limits hold in an outage as well', async () => {
    const { world, first, cookie } = await threeReplicas();
    await using _ = world;
    world.store.away = true;
    world.configure({ idle: 10_000, life: 8 * 60 * MINUTE });
    await world.clock.advance(10_000);
    assert.equal(await first.find(cookie), null);
  });
});
