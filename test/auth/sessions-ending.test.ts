import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALICE, BOB, createSessionsWorld, MINUTE, person, signedIn, webRequest } from './sessions-world.ts';

describe('ending sessions', () => {
  it('end: once, and never by what is no id', async () => {
    await using world = createSessionsWorld();
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    const before = world.store.calls.length;
    for (const id of ['', '*', cookie, `${session.id}x`, `{${session.id}}`])
      assert.equal(await world.first.end(id), false);
    assert.equal(world.store.calls.length, before);
    assert.equal(await world.first.end(session.id), true);
    assert.equal(await world.first.end(session.id), false);
    assert.equal(await world.first.find(cookie), null);
    const ended = world.events.filter(({ what }) => what === 'session_ended');
    assert.deepEqual(
      ended.map(({ id, user, reason }) => [id, user, reason]),
      [[session.id, ALICE.user, 'ended']],
    );
  });

  it('a use that is written behind does not bring an ended session back', async () => {
    await using world = createSessionsWorld(2);
    const [first, second] = world.replicas;
    const { cookie, session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    await world.clock.advance(2 * MINUTE);
    const found = first?.find(cookie);
    await second?.end(session.id);
    await found;
    await world.clock.advance(2000);
    for (const replica of world.replicas) assert.equal(await replica.find(cookie), null);
  });

  it('endByProvider: by any of the keys, of this provider only', async () => {
    await using world = createSessionsWorld();
    const open = (key: string, provider = 'corp') => {
      const assertion = { provider, issuer: 'x', attributes: {} };
      const providerSession = { keys: [`sid:${key}`, 'sub:alice'], hint: '' };
      return world.first.open(webRequest(), signedIn(ALICE, { assertion, providerSession }), ALICE);
    };
    const [one, two, three] = [await open('1'), await open('2'), await open('3')];
    const other = await open('1', 'other');
    assert.equal(await world.first.endByProvider('corp', ['sid:1', 'sid:unknown']), 1);
    assert.equal(await world.first.find(one.cookie), null);
    assert.ok(await world.first.find(two.cookie));
    assert.equal(await world.first.endByProvider('corp', ['sid:2', 'sub:alice']), 2);
    assert.equal(await world.first.find(three.cookie), null);
    assert.ok(await world.first.find(other.cookie));
    assert.equal(await world.first.endByProvider('corp', ['sub:alice']), 0);
    assert.equal(await world.first.endByProvider('corp', []), 0);
    assert.equal(await world.first.endByProvider('corp:', ['sid:1']), 0);
  });

  it('endOthers: all of the person but one, or all', async () => {
    await using world = createSessionsWorld();
    const opened = [];
    for (let at = 0; at < 4; at++) opened.push(await world.first.open(webRequest(), signedIn(ALICE), ALICE));
    const bob = await world.first.open(webRequest(), signedIn(BOB), BOB);
    const kept = opened[2];
    assert.ok(kept);
    assert.equal(await world.first.endOthers(ALICE.subject, kept.session.id), 3);
    assert.ok(await world.first.find(kept.cookie));
    assert.equal(await world.first.endOthers(ALICE.subject, null), 1);
    assert.equal(await world.first.find(kept.cookie), null);
    assert.ok(await world.first.find(bob.cookie));
  });

  it('the oldest ends when one person has more than a hundred', async () => {
    await using world = createSessionsWorld();
    const opened = [];
    for (let at = 0; at < 102; at++) {
      const providerSession = { keys: [`sid:${at}`], hint: '' };
      opened.push(await world.first.open(webRequest(), signedIn(ALICE, { providerSession }), ALICE));
      await world.clock.advance(1);
    }
    assert.equal((await world.first.list(ALICE.subject)).length, 100);
    const found = await Promise.all(opened.slice(0, 3).map(({ cookie }) => world.first.find(cookie)));
    assert.deepEqual(
      found.map((session) => session !== null),
      [false, false, true],
    );
    assert.equal(world.events.filter(({ reason }) => reason === 'too many sessions').length, 2);
  });

  it('sessions that were ended take no place', async () => {
    await using world = createSessionsWorld();
    const first = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
    for (let at = 0; at < 120; at++) {
      const { session } = await world.first.open(webRequest(), signedIn(ALICE), ALICE);
      await world.first.end(session.id);
    }
    assert.ok(await world.first.find(first.cookie));
  });
});

describe('the list of sessions', () => {
  it('shows the person their own, the oldest first', async () => {
    await using world = createSessionsWorld();
    const one = await world.first.open(webRequest({ userAgent: 'curl/8' }), signedIn(ALICE), ALICE);
    await world.clock.advance(5);
    const two = await world.first.open(webRequest({ address: '2001:db8::1' }), signedIn(ALICE), ALICE);
    await world.first.open(webRequest(), signedIn(BOB), BOB);
    const list = await world.first.list(ALICE.subject);
    assert.deepEqual(
      list.map(({ id }) => id),
      [one.session.id, two.session.id],
    );
    assert.deepEqual(list[0], {
      id: one.session.id,
      provider: 'corp',
      createdAt: one.session.createdAt,
      lastUsedAt: one.session.createdAt,
      expiresAt: one.session.expiresAt,
      address: '192.0.2.7',
      userAgent: 'curl/8',
    });
    assert.equal(list[1]?.address, '2001:db8::1');
    assert.deepEqual(await world.first.list(person('nobody').subject), []);
  });

  it('keeps a user agent to one line of bounded length', async () => {
    await using world = createSessionsWorld();
    await world.first.open(
      webRequest({ userAgent: `a\r\n\u001b[31m\u202eb${'x'.repeat(9000)}` }),
      signedIn(ALICE),
      ALICE,
    );
    const [info] = await world.first.list(ALICE.subject);
    assert.match(info?.userAgent ?? '', /^a \[31m bx+$/);
    assert.equal(info?.userAgent.length, 200);
  });
});
