import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { createFlows, createUsedOnce } from '../../src/auth/index.ts';
import { Secret, systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue, createSealer } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import {
  ALICE,
  BOB,
  createSessionsWorld,
  MINUTE,
  newKey,
  sessionsConfig,
  signedIn,
  webRequest,
} from './sessions-world.ts';

const keyOf = (id: string): string => `session:{${id}}`;

/** Alice and Bob, each with a session in a store that the test may write to. */
async function twoSessions() {
  const world = createSessionsWorld();
  const alice = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
  const bob = await world.first.open(webRequest(), signedIn(BOB), BOB);
  const stored = async (id: string): Promise<string> => (await world.store.get(keyOf(id))) ?? '';
  return { world, alice, bob, stored };
}

describe('whoever can write to the store', () => {
  it('cannot swap two sessions', async () => {
    const { world, alice, bob, stored } = await twoSessions();
    await using _ = world;
    const [a, b] = [await stored(alice.session.id), await stored(bob.session.id)];
    assert.ok(a.length > 100 && b.length > 100);
    await world.store.set(keyOf(alice.session.id), b, null);
    await world.store.set(keyOf(bob.session.id), a, null);
    for (const { cookie } of [alice, bob]) assert.equal(await world.first.find(cookie), null);
    assert.deepEqual(await world.first.list(ALICE.subject), []);
    await world.store.set(keyOf(alice.session.id), a, null);
    assert.equal((await world.first.find(alice.cookie))?.identity.user, ALICE.user);
  });

  it('cannot bring back an old session under the key of a new one', async () => {
    const { world, alice, stored } = await twoSessions();
    await using _ = world;
    const old = await stored(alice.session.id);
    await world.first.end(alice.session.id);
    const next = await world.first.open(webRequest(), signedIn(BOB), BOB);
    await world.store.set(keyOf(next.session.id), old, null);
    assert.equal(await world.first.find(next.cookie), null);
  });

  it('cannot make a session live longer by putting it back', async () => {
    const { world, alice, stored } = await twoSessions();
    await using _ = world;
    const old = await stored(alice.session.id);
    await world.clock.advance(alice.session.expiresAt - world.clock.now());
    await world.store.set(keyOf(alice.session.id), old, null);
    assert.equal(await world.first.find(alice.cookie), null);
  });

  it('cannot see the sessions of another by swapping lists', async () => {
    const { world } = await twoSessions();
    await using _ = world;
    const shelves = world.store.written.filter((text) => text.startsWith('sessions:subject:'));
    const [ofAlice = '', ofBob = ''] = shelves;
    await world.store.set(ofAlice, (await world.store.get(ofBob)) ?? '', null);
    assert.deepEqual(await world.first.list(ALICE.subject), []);
    assert.equal((await world.first.list(BOB.subject)).length, 1);
  });

  it('gets nothing in with a value that was damaged anywhere', async () => {
    const { world, alice, stored } = await twoSessions();
    await using _ = world;
    const whole = await stored(alice.session.id);
    for (let at = 0; at < whole.length; at += 37) {
      const other = whole[at] === 'x' ? 'y' : 'x';
      await world.store.set(keyOf(alice.session.id), whole.slice(0, at) + other + whole.slice(at + 1), null);
      assert.equal(await world.first.find(alice.cookie), null, `character ${at}`);
      await world.clock.advance(1000);
    }
    for (const text of ['', 'null', '{}', '[]', whole.slice(1), `${whole}A`]) {
      await world.store.set(keyOf(alice.session.id), text, null);
      assert.equal(await world.first.find(alice.cookie), null, text.slice(0, 9));
    }
  });
});

describe('whoever holds the sealing key and a dump', () => {
  it('reads no token and no part of a cookie, and cannot open the part that the cookie seals', async () => {
    const { world, alice, stored } = await twoSessions();
    await using _ = world;
    const { id, csrf } = alice.session;
    const text = world.sealer.open(await stored(id), `session:${id}`) ?? '';
    assert.ok(text.includes(ALICE.user), 'the outer seal holds what lists show');
    for (const clear of [...alice.cookie.split('.'), csrf, 'id-token-of']) assert.ok(!text.includes(clear), clear);
    const { sealed } = JSON.parse(text);
    assert.match(sealed, /^s1\./);
    assert.equal(world.sealer.open(sealed, `session:${id}`), null);
  });

  it('cannot put one together from the halves of two', async () => {
    const { world, alice, bob, stored } = await twoSessions();
    await using _ = world;
    const halfOf = async (id: string) => JSON.parse(world.sealer.open(await stored(id), `session:${id}`) ?? '{}');
    const forged = { ...(await halfOf(alice.session.id)), sealed: (await halfOf(bob.session.id)).sealed };
    const value = world.sealer.seal(JSON.stringify(forged), `session:${alice.session.id}`);
    await world.store.set(keyOf(alice.session.id), value, null);
    assert.equal(await world.first.find(alice.cookie), null);
    assert.equal(await world.first.find(`${alice.cookie.slice(0, 22)}.${bob.cookie.slice(23)}`), null);
    assert.equal((await world.first.find(bob.cookie))?.identity.user, BOB.user);
  });

  it('cannot derive the key of the record from the public id alone', async () => {
    const { world, alice, stored } = await twoSessions();
    await using _ = world;
    const { id } = alice.session;
    const { sealed } = JSON.parse(world.sealer.open(await stored(id), `session:${id}`) ?? '{}');
    const secret = Buffer.from(alice.cookie.slice(23), 'base64url');
    const open = (input: Buffer) => {
      const key = Buffer.from(hkdfSync('sha256', input, id, 'vov-gateway session record', 32)).toString('base64');
      return createSealer({ current: new Secret(key) }).open(sealed, `session:${id}`);
    };
    assert.ok(open(secret)?.includes('id-token-of'), 'the cookie itself opens it');
    for (const input of [Buffer.alloc(32), Buffer.from(id), Buffer.from(alice.cookie.slice(0, 22), 'base64url')]) {
      assert.equal(open(input), null);
    }
  });
});

describe('rotation of the sealing key', () => {
  it('signs nobody out, whatever the number of rotations, as long as the session is in use', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    let previous = world.sealingKey;
    for (let rotation = 0; rotation < 4; rotation++) {
      const current = newKey();
      const replica = world.join({ sealer: createSealer({ current, previous }) });
      await world.clock.advance(2 * MINUTE);
      assert.equal((await replica.find(cookie))?.identity.user, ALICE.user, `rotation ${rotation}`);
      await world.clock.advance(0);
      assert.equal((await replica.list(ALICE.subject)).length, 1);
      previous = current;
    }
  });

  it('a session that neither key opens is over, and can still be ended', async () => {
    await using world = createSessionsWorld();
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const stranger = world.join({ sealer: createSealer({ current: newKey(), previous: newKey() }) });
    assert.equal(await stranger.find(cookie), null);
    assert.deepEqual(await stranger.list(ALICE.subject), []);
    assert.equal(await stranger.end(session.id), true);
    await world.clock.advance(0);
    assert.equal(await world.first.find(cookie), null);
  });

  it('a change of the token key ends every session', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const config = { ...sessionsConfig(), secrets: { tokenKey: newKey(), sealingKey: newKey() } };
    assert.equal(await world.join({ config: () => config }).find(cookie), null);
  });
});

describe('a dump of Redis', () => {
  it('shows no user name, subject, group, token, address, state or part of a cookie', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using world = createSessionsWorld(1, kv, createManualClock(Date.now()));
    const { store, sealer, clock } = world;
    const flows = createFlows({ kv: store, sealer, config: () => sessionsConfig(), clock });
    const once = createUsedOnce({ kv: store, hashKey: newKey() });
    const opened = [];
    for (const one of [ALICE, BOB]) opened.push(await world.first.open(webRequest(), signedIn(one), one));
    const facts = { nonce: 'nonce-of-alice', verifier: 'verifier-of-alice' };
    const flow = await flows.start(webRequest(), { provider: 'corp', returnTo: '/ui/secret-place', facts });
    assert.ok(await flows.take(webRequest({ flow: flow.cookie }), flow.state, 'corp'));
    await once.first('assertion', '_assertion-of-alice', MINUTE);
    await clock.advance(2 * MINUTE);
    for (const { cookie } of opened) assert.ok(await world.first.find(cookie));

    const keys = (await redis.command('KEYS', '*')) as string[];
    for (const kind of ['session:', 'sessions:subject:', 'sessions:provider:', 'flow:', 'once:']) {
      assert.ok(
        keys.some((key) => key.includes(kind)),
        `${kind} in ${keys.join(' ')}`,
      );
    }
    const values = await Promise.all(keys.map((key) => redis.command('GET', key)));
    const dump = JSON.stringify([keys, values]);
    // Long enough not to stand in a sealed value by chance.
    const clear = [
      'alice.l',
      'liddell',
      'bob.dodgson',
      'dodgson',
      'idp.example',
      'id-token',
      'sid:',
      '192.0.2.7',
      'Mozilla',
      'secret-place',
    ];
    const secrets = opened.flatMap(({ cookie, session }) => [...cookie.split('.'), session.csrf]);
    for (const text of [...clear, ...secrets, flow.state, flow.cookie, ...Object.values(facts)]) {
      assert.ok(text.length >= 6 || /[^\w+/-]/.test(text), `${text} is too short to be looked for`);
      for (const spelling of [text, Buffer.from(text).toString('base64url'), Buffer.from(text).toString('hex')]) {
        assert.ok(!dump.includes(spelling), `the dump shows ${text}`);
      }
    }
  });

  it('holds nothing without an end of life', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using world = createSessionsWorld(1, kv, createManualClock(Date.now()));
    const flows = createFlows({ kv, sealer: world.sealer, config: () => sessionsConfig(), clock: world.clock });
    await kv.ping();
    const flow = await flows.start(webRequest(), { provider: 'corp', returnTo: '/ui/', facts: {} });
    assert.ok(await flows.take(webRequest({ flow: flow.cookie }), flow.state, 'corp'));
    await createUsedOnce({ kv, hashKey: newKey() }).first('jti', 'x', MINUTE);
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const second = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    await world.first.end(second.session.id);
    await world.clock.advance(2 * MINUTE);
    await world.first.find(cookie);
    const keys = (await redis.command('KEYS', '*')) as string[];
    assert.ok(keys.length >= 6, keys.join(' '));
    for (const key of keys) {
      const life = Number(await redis.command('PTTL', key));
      assert.ok(life > 0 && life <= 8 * 60 * MINUTE, `${key}: ${life}`);
    }
  });
});
