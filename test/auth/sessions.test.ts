import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusalOf, seededBytes } from './auth-world.ts';
import { ALICE, BOB, createSessionsWorld, HOUR, MINUTE, signedIn, webRequest } from './sessions-world.ts';

describe('a new session', () => {
  it('is found by its cookie, with the identity and what the provider needs', async () => {
    await using world = createSessionsWorld();
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const found = await world.first.find(cookie);
    assert.deepEqual(found, session);
    assert.deepEqual(found?.identity, ALICE);
    assert.equal(found?.provider, 'corp');
    assert.deepEqual(found?.providerSession, signedIn(ALICE).providerSession);
    assert.equal(found?.expiresAt, world.clock.now() + 8 * HOUR);
  });

  it('has a cookie of 16 and 32 random bytes, and a public id that is no part of it', async () => {
    await using world = createSessionsWorld();
    const sessions = world.join({ random: seededBytes('cookie') });
    const { cookie, session } = await sessions.open(webRequest(), signedIn(ALICE), ALICE);
    assert.match(cookie, /^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$/);
    const [id = '', secret = ''] = cookie.split('.');
    assert.equal(id, seededBytes('cookie')(16).toString('base64url'));
    assert.ok(!cookie.includes(session.id) && !session.id.includes(id) && !session.id.includes(secret));
    assert.equal(await sessions.find(`${session.id}.${secret}`), null);
  });

  it('never has the values of another', async () => {
    await using world = createSessionsWorld();
    const opened = [];
    for (let at = 0; at < 20; at++) opened.push(await world.first.open(webRequest(), signedIn(ALICE), ALICE));
    const cookies = opened.flatMap(({ cookie }) => cookie.split('.'));
    const others = opened.flatMap(({ session }) => [session.id, session.csrf]);
    assert.equal(new Set([...cookies, ...others]).size, 80);
  });

  it('is reported with address and request id', async () => {
    await using world = createSessionsWorld();
    const { session } = await world.first.open(webRequest({ requestId: 'req-42424242' }), signedIn(ALICE), ALICE);
    const { user, subject } = ALICE;
    const who = { user, subject, id: session.id, address: '192.0.2.7', requestId: 'req-42424242' };
    assert.deepEqual(world.events, [{ what: 'session_opened', ...who }]);
  });

  it('is refused when the provider wants it over already', async () => {
    await using world = createSessionsWorld();
    const past = signedIn(ALICE, { until: world.clock.now() });
    const error = await refusalOf(() => world.first.open(webRequest(), past, ALICE));
    assert.equal(error.code, 'GW_SIGN_IN_FAILED');
    assert.deepEqual(await world.first.list(ALICE.subject), []);
  });
});

describe('finding a session', () => {
  it('is synchronous within a second of the last reading and asks the store after it', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    assert.ok(world.first.find(cookie) instanceof Promise);
    await world.first.find(cookie);
    await world.clock.advance(999);
    const before = world.store.calls.length;
    assert.ok(!(world.first.find(cookie) instanceof Promise));
    assert.equal(world.store.calls.length, before);
    await world.clock.advance(1);
    const asked = world.first.find(cookie);
    assert.ok(asked instanceof Promise);
    assert.equal((await asked)?.identity.user, ALICE.user);
    assert.equal(world.store.calls.length, before + 1);
  });

  it('asks the store once for many at the same time', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const before = world.store.calls.length;
    const found = await Promise.all(Array.from({ length: 50 }, () => world.first.find(cookie)));
    assert.ok(found.every((session) => session?.identity.user === ALICE.user));
    assert.equal(world.store.calls.length, before + 1);
  });

  it('asks no store about what is no cookie of ours', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const before = world.store.calls.length;
    const [id, secret = ''] = cookie.split('.');
    // The last character of 43 holds four bits only: its neighbours decode to the same bytes.
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(secret.slice(-1));
    const twin = `${id}.${secret.slice(0, -1)}${'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'[last + 1]}`;
    assert.deepEqual(Buffer.from(twin.slice(23), 'base64url'), Buffer.from(secret, 'base64url'));
    const none = [
      '',
      '.',
      `${id}`,
      `${id}.`,
      `.${secret}`,
      `${cookie} `,
      ` ${cookie}`,
      `${cookie}.x`,
      twin,
      '{*}',
      '\0',
    ];
    for (const text of none) assert.equal(world.first.find(text), null, text);
    assert.equal(world.store.calls.length, before);
  });

  it('needs both halves of the same cookie, also right after the owner was seen', async () => {
    await using world = createSessionsWorld();
    const alice = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const bob = await world.first.open(webRequest(), signedIn(BOB), BOB);
    await world.first.find(alice.cookie);
    await world.first.find(bob.cookie);
    const crossed = `${alice.cookie.slice(0, 22)}.${bob.cookie.slice(23)}`;
    assert.equal(await world.first.find(crossed), null);
    assert.equal((await world.first.find(alice.cookie))?.identity.user, ALICE.user);
  });

  it('gives the same csrf token on every replica over the whole life, and another for each session', async () => {
    await using world = createSessionsWorld(2);
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    for (let quarter = 0; quarter < 8; quarter++) {
      await world.clock.advance(HOUR / 2);
      for (const replica of world.replicas) assert.equal((await replica.find(cookie))?.csrf, session.csrf);
    }
    assert.ok(!cookie.includes(session.csrf) && session.csrf.length >= 43);
  });

  it('follows what the person is as of the last sign-in', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    await world.first.find(cookie);
    world.people.known.set(ALICE.subject, { ...ALICE, groups: ['chips'], roles: ['user', 'admin'] });
    await world.clock.advance(1000);
    const found = await world.first.find(cookie);
    assert.deepEqual([found?.identity.groups, found?.identity.roles], [['chips'], ['user', 'admin']]);
  });

  it('ends the session of a person who was removed', async () => {
    await using world = createSessionsWorld();
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    await world.first.find(cookie);
    world.people.known.delete(ALICE.subject);
    await world.clock.advance(1000);
    assert.equal(await world.first.find(cookie), null);
    const { what, id, reason } = world.events.at(-1) ?? {};
    assert.deepEqual([what, id, reason], ['session_ended', session.id, 'person removed']);
    world.people.known.set(ALICE.subject, ALICE);
    assert.equal(await world.first.find(cookie), null);
  });
});

describe('session fixation (GHSA-f24x-5g9q-753f)', () => {
  it('a sign-in gets a new id and ends the session that came with it', async () => {
    await using world = createSessionsWorld(2);
    const planted = await world.first.open(webRequest(), signedIn(BOB), BOB);
    await world.first.find(planted.cookie);
    const own = await world.first.open(webRequest({ session: planted.cookie }), signedIn(ALICE), ALICE);
    await world.clock.advance(0);
    assert.notEqual(own.cookie.slice(0, 22), planted.cookie.slice(0, 22));
    for (const replica of world.replicas) {
      assert.equal(await replica.find(planted.cookie), null);
      assert.equal((await replica.find(own.cookie))?.identity.user, ALICE.user);
    }
    assert.equal(world.events.find(({ what }) => what === 'session_ended')?.reason, 'replaced');
  });

  it('a made-up cookie is neither taken over nor does it end anything', async () => {
    await using world = createSessionsWorld();
    const victim = await world.first.open(webRequest(), signedIn(BOB), BOB);
    const madeUp = `${victim.cookie.slice(0, 22)}.${'A'.repeat(43)}`;
    const own = await world.first.open(webRequest({ session: madeUp }), signedIn(ALICE), ALICE);
    assert.notEqual(own.cookie, madeUp);
    assert.equal(await world.first.find(madeUp), null);
    assert.equal((await world.first.find(victim.cookie))?.identity.user, BOB.user);
  });
});

describe('the life of a session', () => {
  it('ends when it was not used for the idle time', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    await world.clock.advance(HOUR - 1);
    assert.ok(await world.first.find(cookie));
    await world.clock.advance(HOUR - 1);
    assert.ok(await world.first.find(cookie));
    await world.clock.advance(HOUR);
    assert.equal(await world.first.find(cookie), null);
    assert.deepEqual(await world.first.list(ALICE.subject), []);
  });

  it('ends absolutely, however much it is used', async () => {
    await using world = createSessionsWorld();
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    while (world.clock.now() < session.expiresAt - MINUTE) {
      await world.clock.advance(30 * MINUTE - 1);
      if (world.clock.now() < session.expiresAt) assert.ok(await world.first.find(cookie));
    }
    await world.clock.advance(Math.max(0, session.expiresAt - 1 - world.clock.now()));
    assert.ok(await world.first.find(cookie));
    await world.clock.advance(1);
    assert.equal(await world.first.find(cookie), null);
  });

  it('ends when the provider said, if that is sooner', async () => {
    await using world = createSessionsWorld();
    const until = world.clock.now() + 10 * MINUTE;
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE, { until }), ALICE);
    assert.equal(session.expiresAt, until);
    await world.clock.advance(10 * MINUTE - 1);
    assert.ok(await world.first.find(cookie));
    await world.clock.advance(1);
    assert.equal(await world.first.find(cookie), null);
    const late = signedIn(ALICE, { until: world.clock.now() + 99 * HOUR });
    const long = await world.first.open(webRequest(), late, ALICE);
    assert.equal(long.session.expiresAt, world.clock.now() + 8 * HOUR);
  });

  it('follows limits that are shortened while it lives', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    await world.clock.advance(20 * MINUTE);
    assert.ok(await world.first.find(cookie));
    world.configure({ idle: HOUR, life: 20 * MINUTE });
    assert.equal(await world.first.find(cookie), null);
    world.configure({ idle: HOUR, life: HOUR });
    assert.ok(await world.first.find(cookie));
  });

  it('is extended on every replica by use on one', async () => {
    await using world = createSessionsWorld(2);
    const [first, second] = world.replicas;
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    for (let step = 0; step < 4; step++) {
      await world.clock.advance(50 * MINUTE);
      assert.ok(await (step % 2 === 0 ? first : second)?.find(cookie), `step ${step}`);
    }
  });

  it('has its last use written at most once a minute', async () => {
    await using world = createSessionsWorld();
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const writes = () => world.store.calls.filter((call) => call.startsWith('cas session:')).length;
    for (let second = 0; second < 59; second++) {
      await world.clock.advance(1000);
      await world.first.find(cookie);
    }
    assert.equal(writes(), 0);
    for (let second = 59; second < 240; second++) {
      await world.clock.advance(1000);
      await world.first.find(cookie);
    }
    await world.clock.advance(0);
    assert.equal(writes(), 4);
    const [info] = await world.first.list(ALICE.subject);
    assert.equal(info?.lastUsedAt, world.clock.now());
  });

  it('goes on while in use also when the idle time is shorter than a minute', async () => {
    await using world = createSessionsWorld();
    world.configure({ idle: 10_000, life: HOUR });
    const { cookie } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    for (let step = 0; step < 12; step++) {
      await world.clock.advance(4000);
      assert.ok(await world.first.find(cookie), `step ${step}`);
    }
    await world.clock.advance(10_000);
    assert.equal(await world.first.find(cookie), null);
  });

  it('leaves nothing in the store after it', async () => {
    await using world = createSessionsWorld();
    const { session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    await world.clock.advance(8 * HOUR);
    const keys = world.store.written.filter((text) => /^sessions?:/.test(text));
    assert.ok(keys.length >= 4 && keys.some((key) => key.includes(session.id)));
    for (const key of keys) assert.equal(await world.store.get(key), null, key);
  });
});
