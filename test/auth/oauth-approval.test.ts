import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusalOf } from './auth-world.ts';
import { begin, createOAuthWorld, firstOf, person, poll } from './oauth-world.ts';

const ALICE = person('alice');
const BOB = person('bob');
const MINUTE = 60_000;

describe('the approval of a device', () => {
  it('takes the code as people type it', async () => {
    await using world = createOAuthWorld();
    const { devices } = firstOf(world);
    const { userCode } = await begin(firstOf(world));
    const letters = userCode.replace('-', '');
    for (const typed of [userCode, letters, userCode.toLowerCase(), ` ${letters.slice(0, 4)} – ${letters.slice(4)} `]) {
      assert.equal((await devices.find(typed, ALICE))?.userCode, userCode, typed);
    }
  });

  it('is decided once', async () => {
    await using world = createOAuthWorld({ replicas: 2 });
    const [one, two] = world.replicas;
    assert.ok(one && two);
    const { userCode } = await begin(one);
    const decisions = await Promise.all([
      one.devices.decide(userCode, 'approve', ALICE),
      two.devices.decide(userCode, 'deny', BOB),
      one.devices.decide(userCode, 'approve', BOB),
    ]);
    assert.deepEqual(decisions.filter(Boolean).length, 1);
    assert.equal(await one.devices.find(userCode, ALICE), null);
    assert.equal(await one.devices.decide(userCode, 'approve', ALICE), false);
  });

  it('ends with the code', async () => {
    await using world = createOAuthWorld();
    const { devices } = firstOf(world);
    const { userCode } = await begin(firstOf(world));
    await world.clock.advance(10 * MINUTE);
    assert.equal(await devices.find(userCode, ALICE), null);
    assert.equal(await devices.decide(userCode, 'approve', ALICE), false);
  });

  it('is not lost to a poll at the same moment', async () => {
    await using world = createOAuthWorld();
    const { devices } = firstOf(world);
    const { userCode, deviceCode } = await begin(firstOf(world));
    const { compareAndSet } = world.store;
    world.store.compareAndSet = async (...args) => {
      world.store.compareAndSet = compareAndSet;
      await poll(firstOf(world), deviceCode);
      return compareAndSet(...args);
    };
    assert.equal(await devices.decide(userCode, 'approve', ALICE), true);
    assert.equal((await poll(firstOf(world), deviceCode)).status, 200);
  });

  it('reaches through to a program that polls without pause', async () => {
    await using world = createOAuthWorld();
    const { devices } = firstOf(world);
    const { userCode, deviceCode } = await begin(firstOf(world));
    const { compareAndSet } = world.store;
    let polls = 0;
    world.store.compareAndSet = async (...args) => {
      world.store.compareAndSet = compareAndSet;
      if (polls++ < 20) await poll(firstOf(world), deviceCode);
      const done = await compareAndSet(...args);
      if (!done) world.store.compareAndSet = beaten;
      return done;
    };
    const beaten = world.store.compareAndSet;
    assert.equal(await devices.decide(userCode, 'approve', ALICE), true);
    assert.equal(polls, 21);
    assert.equal((await poll(firstOf(world), deviceCode)).status, 200);
  });

  it('is reported with who decided, the sign-in with its token', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const yes = await begin(replica);
    const no = await begin(replica);
    await replica.devices.decide(yes.userCode, 'approve', ALICE);
    await replica.devices.decide(no.userCode, 'deny', BOB);
    await poll(replica, yes.deviceCode);
    assert.deepEqual(
      world.credentials.map(({ what, user, subject }) => `${what} ${user} ${subject}`),
      ['device_approved alice corp:alice-1', 'device_denied bob corp:bob-1', 'token_created alice corp:alice-1'],
    );
    assert.deepEqual(world.signIns, [
      {
        provider: 'corp',
        method: 'device',
        result: 'ok',
        subject: 'corp:alice-1',
        user: 'alice',
        address: '192.0.2.1',
        requestId: 'req-00000001',
      },
    ]);
    const told = JSON.stringify([world.credentials, world.signIns]);
    for (const code of [yes, no].flatMap(({ userCode, deviceCode }) => [userCode, deviceCode])) {
      assert.ok(!told.includes(code));
    }
  });
});

describe('guessing user codes', () => {
  const wrong = (n: number): string => `BCDF-GH${'BCDFGHJKLM'[n % 10]}${'NPQRSTVWXZ'[Math.floor(n / 10) % 10]}`;

  it('ends after twenty wrong ones of a person, on all replicas and by both ways', async () => {
    await using world = createOAuthWorld({ replicas: 2 });
    const [one, two] = world.replicas;
    assert.ok(one && two);
    const { userCode } = await begin(one);
    for (let n = 0; n < 10; n++) {
      assert.equal(await one.devices.find(wrong(n), ALICE), null);
      assert.equal(await two.devices.decide(wrong(n + 10), 'approve', ALICE), false);
    }
    const error = await refusalOf(() => two.devices.find(userCode, ALICE));
    assert.equal(error.code, 'GW_LOGIN_LIMITED');
    assert.ok((error.retryAfter ?? 0) > 0);
    assert.equal((await refusalOf(() => one.devices.decide(userCode, 'approve', ALICE))).code, 'GW_LOGIN_LIMITED');
    assert.equal((await two.devices.find(userCode, BOB))?.userCode, userCode);
    await world.clock.advance(10 * MINUTE);
    assert.equal(await one.devices.find(userCode, ALICE), null);
  });

  it('counts guesses that come at once', async () => {
    await using world = createOAuthWorld({ replicas: 2 });
    const guesses = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) => world.replicas[n % 2]?.devices.find(wrong(n), ALICE)),
    );
    assert.equal(guesses.filter(({ status }) => status === 'fulfilled').length, 20);
  });

  it('costs nothing when it is right', async () => {
    await using world = createOAuthWorld();
    const { devices } = firstOf(world);
    const { userCode } = await begin(firstOf(world));
    for (let n = 0; n < 60; n++) assert.ok(await devices.find(userCode, ALICE));
    assert.equal(await devices.decide(userCode, 'approve', ALICE), true);
  });

  it('charges what cannot be a code, too, and those whom nobody names together', async () => {
    await using world = createOAuthWorld();
    const { devices } = firstOf(world);
    for (let n = 0; n < 200; n++) assert.equal(await devices.find('x'.repeat(n)), null);
    assert.equal((await refusalOf(() => devices.find('x'))).code, 'GW_LOGIN_LIMITED');
    assert.equal(await devices.find('x', ALICE), null);
  });
});

describe('what the store holds of a login', () => {
  it('shows neither codes nor names, addresses or hosts', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const { userCode, deviceCode } = await begin(replica, { host: 'hpc-secret-name' });
    await poll(replica, deviceCode);
    await replica.devices.find('BCDF-GHJK', ALICE);
    await replica.devices.decide(userCode, 'approve', ALICE);
    const { body } = await poll(replica, deviceCode);
    const dump = [...world.store.written, ...world.store.calls].join('\n');
    for (const text of [
      userCode,
      userCode.replace('-', ''),
      deviceCode,
      'corp:alice',
      '"corp',
      'hpc-secret-name',
      '192.0.2.1',
      String(body.access_token).slice(17),
    ]) {
      assert.ok(!dump.includes(text), text);
    }
  });

  it('is of no use under another key: a pointer or record that was moved opens nothing', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const mine = await begin(replica);
    const other = await begin(replica);
    const keys = [...new Set(world.store.written.filter((text) => /^device(-user)?:\{/.test(text)))];
    const [minePointer, mineRecord, otherPointer, otherRecord] = keys;
    assert.ok(keys.length === 4 && minePointer && mineRecord && otherPointer && otherRecord);
    await world.store.set(otherPointer, (await world.store.get(minePointer)) ?? '', null);
    assert.equal(await replica.devices.find(other.userCode, ALICE), null);
    await replica.devices.decide(mine.userCode, 'approve', ALICE);
    await world.store.set(otherRecord, (await world.store.get(mineRecord)) ?? '', null);
    assert.equal((await poll(replica, other.deviceCode)).body.error, 'invalid_grant');
  });
});
