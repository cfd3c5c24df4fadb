import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusalOf } from './auth-world.ts';
import { assertionOf, createPeopleWorld, rulesFrom } from './people-world.ts';

const MINUTE = 60_000;
const ALICE = assertionOf('id-1', 'alice');
const ASMITH = assertionOf('id-1', 'asmith');
const NEXT_ALICE = assertionOf('id-2', 'alice');
const PARTNER = { type: 'saml', name: 'partner', keyFile: '/k', certFile: '/c', user: { attribute: 'uid' } };

type World = ReturnType<typeof createPeopleWorld>;

const conflict = async (world: World, assertion = NEXT_ALICE): Promise<void> =>
  assert.equal((await refusalOf(() => world.people.admit(assertion))).code, 'GW_IDENTITY_CONFLICT');

const rows = async ({ people }: World) =>
  (await people.bindings()).map(({ user, subject, former = false }) => [user, subject, former]);

describe('a person whom the identity provider renames', () => {
  it('keeps the former name and its accounts, also after their next sign-ins', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    assert.equal((await world.people.admit(ASMITH)).user, 'asmith');
    await conflict(world);
    await world.clock.advance(2 * MINUTE);
    await world.people.admit(ASMITH);
    await world.clock.advance(2 * MINUTE);
    await conflict(world);
    assert.deepEqual(await rows(world), [
      ['alice', 'corp:id-1', true],
      ['asmith', 'corp:id-1', false],
    ]);
    const [former] = await world.people.bindings();
    assert.deepEqual(former?.accounts, { vnc: 'alice', fast: 'alice' });
  });

  it('keeps an account that only its rule took away', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    world.use({ rules: rulesFrom({ rules: [{ match: { provider: 'corp' }, table: { alice: 'a2', bob: 'alice' } }] }) });
    assert.deepEqual((await world.people.admit(ALICE)).bound, { vnc: 'a2', fast: 'a2' });
    await conflict(world, assertionOf('id-2', 'bob'));
  });

  it('may come back to it', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    await world.people.admit(ASMITH);
    assert.equal((await world.people.admit(ALICE)).user, 'alice');
    assert.deepEqual(await rows(world), [
      ['alice', 'corp:id-1', false],
      ['asmith', 'corp:id-1', true],
    ]);
  });

  it('is not renamed back by a token of a program that knows the former name', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    await world.people.admit(ASMITH);
    await world.people.admit(assertionOf('id-1', 'alice', {}, 'programs'));
    assert.equal((await world.people.find('corp:id-1'))?.user, 'asmith');
  });

  it('loses the former name alone when the administrator frees it', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    await world.people.admit(ASMITH);
    const accounts = ['vnc', 'fast'].map((queue) => ({ queue, name: 'alice', shared: false }));
    assert.deepEqual(await world.people.release('alice'), [
      { subject: 'corp:id-1', users: ['alice'], accounts, forgotten: false },
    ]);
    assert.equal((await world.people.find('corp:id-1'))?.user, 'asmith');
    assert.equal((await world.people.admit(NEXT_ALICE)).subject, 'corp:id-2');
  });

  it('is forgotten with all names by the present one', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    await world.people.admit(ASMITH);
    const [released] = await world.people.release('asmith');
    assert.deepEqual([released?.users, released?.accounts.length, released?.forgotten], [['asmith', 'alice'], 4, true]);
    assert.deepEqual(await world.people.bindings(), []);
    assert.equal((await world.people.admit(NEXT_ALICE)).subject, 'corp:id-2');
  });

  it('is refused when renamed without end', async () => {
    await using world = createPeopleWorld();
    for (let at = 0; at <= 32; at++) await world.people.admit(assertionOf('id-1', `name${at}`));
    const refusal = await refusalOf(() => world.people.admit(assertionOf('id-1', 'one-more')));
    assert.equal(refusal.code, 'GW_SIGN_IN_DENIED');
    assert.match(refusal.internal ?? '', /binding remove/);
  });
});

describe('accounts that are new to a person', () => {
  it('are told before they can be used, once', async () => {
    await using world = createPeopleWorld();
    const told: string[] = [];
    const people = world.join({
      async onNewAccounts(subject, accounts) {
        assert.equal(await world.people.find(subject), null, 'nobody can act as them yet');
        told.push(...accounts.map(({ queue, name }) => `${subject} ${queue} ${name}`));
      },
    });
    await people.admit(ALICE);
    await world.clock.advance(MINUTE);
    await people.admit(ALICE);
    assert.deepEqual(told, ['corp:id-1 vnc alice', 'corp:id-1 fast alice']);
  });

  it('are not given while what others left there cannot be removed', async () => {
    await using world = createPeopleWorld();
    const people = world.join({ onNewAccounts: () => Promise.reject(new Error('no way')) });
    await assert.rejects(people.admit(ALICE), /no way/);
    assert.equal(await world.people.find('corp:id-1'), null);
  });
});

describe('a sign-in that is refused', () => {
  const groups = { attribute: 'memberOf' };
  const strict = rulesFrom({ roles: { admin: { groups: ['admins'] } } }, { groups, allowGroups: ['staff', 'admins'] });
  const admin = assertionOf('id-1', 'alice', { memberOf: ['admins', 'staff'] });

  it('by allowGroups ends what was in force, until a sign-in is let in', async () => {
    await using world = createPeopleWorld(strict);
    assert.ok((await world.people.admit(admin)).roles.includes('admin'));
    assert.equal((await refusalOf(() => world.people.admit(ALICE))).code, 'GW_SIGN_IN_DENIED');
    assert.equal(await world.people.find('corp:id-1'), null);
    await world.people.admit(assertionOf('id-1', 'alice', { memberOf: ['staff'] }));
    assert.deepEqual((await world.people.find('corp:id-1'))?.roles, ['user']);
  });

  it('by its user name does so too', async () => {
    await using world = createPeopleWorld(strict);
    await world.people.admit(admin);
    const nameless = assertionOf('id-1', 'alice', { uid: [], memberOf: ['staff'] });
    assert.equal((await refusalOf(() => world.people.admit(nameless))).code, 'GW_SIGN_IN_DENIED');
    assert.equal(await world.people.find('corp:id-1'), null);
    await conflict(world, assertionOf('id-2', 'alice', { memberOf: ['staff'] }));
  });

  it('for a name that is taken leaves the person with the groups of now', async () => {
    await using world = createPeopleWorld(strict);
    await world.people.admit(admin);
    await world.people.admit(assertionOf('id-2', 'bob', { memberOf: ['staff'] }));
    await conflict(world, assertionOf('id-1', 'bob', { memberOf: ['staff'] }));
    const found = await world.people.find('corp:id-1');
    assert.deepEqual([found?.user, found?.groups, found?.roles], ['alice', ['staff'], ['user']]);
  });

  it('cannot be outdone by a program of the same person, and a refused program ends nothing', async () => {
    await using world = createPeopleWorld(strict);
    await world.people.admit(admin);
    const program = assertionOf('id-1', 'alice', {}, 'programs');
    assert.equal((await world.people.admit(program)).user, 'alice');
    await refusalOf(() => world.people.admit(assertionOf('id-1', '', {}, 'programs')));
    assert.ok(await world.people.find('corp:id-1'));
    await refusalOf(() => world.people.admit(ALICE));
    assert.equal((await refusalOf(() => world.people.admit(program))).code, 'GW_SIGN_IN_DENIED');
  });

  it('writes nothing of somebody who was never let in', async () => {
    await using world = createPeopleWorld(strict);
    await refusalOf(() => world.people.admit(ALICE));
    assert.deepEqual(await world.people.bindings(), []);
  });
});

describe('giving a user name to a subject', () => {
  it('leaves no moment in which a program of the former holder can take it back', async () => {
    await using world = createPeopleWorld();
    const intruder = assertionOf('evil', 'alice', {}, 'programs');
    await world.people.admit(intruder);
    const [released] = await world.people.give('alice', 'corp:id-2');
    assert.deepEqual([released?.subject, released?.forgotten], ['corp:evil', true]);
    await conflict(world, intruder);
    assert.equal(await world.people.find('corp:evil'), null);
    assert.equal(await world.people.find('corp:id-2'), null, 'who did not sign in is nobody yet');
    assert.deepEqual(await rows(world), [['alice', 'corp:id-2', false]]);
    assert.deepEqual((await world.people.admit(NEXT_ALICE)).bound, { vnc: 'alice', fast: 'alice' });
  });

  it('refuses the former holder at every step of it', async () => {
    await using world = createPeopleWorld();
    const intruder = assertionOf('evil', 'alice', {}, 'programs');
    await world.people.admit(intruder);
    let tries = 0;
    const watched = world.join({
      kv: {
        ...world.store,
        compareAndSet: async (key, ...rest) => {
          const done = await world.store.compareAndSet(key, ...rest);
          tries += 1;
          await world.people.admit(intruder).catch((error: unknown) => assert.ok(error));
          return done;
        },
      },
    });
    await watched.give('alice', 'corp:id-2');
    assert.ok(tries > 3);
    await conflict(world, intruder);
    assert.equal((await world.people.admit(NEXT_ALICE)).subject, 'corp:id-2');
  });

  it('adds it to the names of somebody who signed in under another', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    await world.people.admit(assertionOf('id-2', 'alice2'));
    await world.people.give('alice', 'corp:id-2');
    assert.deepEqual(await rows(world), [
      ['alice', 'corp:id-2', true],
      ['alice2', 'corp:id-2', false],
    ]);
    assert.equal((await world.people.admit(NEXT_ALICE)).user, 'alice');
    await conflict(world, ALICE);
  });

  it('keeps a name that nobody has', async () => {
    await using world = createPeopleWorld();
    assert.deepEqual(await world.people.give('alice', 'corp:id-2'), []);
    await world.clock.advance(2 * MINUTE);
    await conflict(world, ALICE);
    assert.equal((await world.people.admit(NEXT_ALICE)).subject, 'corp:id-2');
  });

  it('takes subjects of the realms of providers only, and names that a user can have', async () => {
    await using world = createPeopleWorld();
    for (const subject of ['local:alice', 'alice', 'corp:', 'corpse:id-1', '']) {
      const refusal = await refusalOf(() => world.people.give('alice', subject));
      assert.equal(refusal.code, 'GW_BAD_REQUEST');
      assert.match(refusal.detail, /begins with none of corp:/);
    }
    assert.equal((await refusalOf(() => world.people.give('al ice', 'corp:id-2'))).code, 'GW_BAD_REQUEST');
  });
});

describe('a lost key of a binding', () => {
  const loseBindings = async (world: World, prefix: RegExp): Promise<void> => {
    const keys = world.store.calls.map((call) => call.split(' ')[1] ?? '').filter((key) => prefix.test(key));
    assert.ok(keys.length > 0);
    for (const key of new Set(keys)) await world.store.delete(key);
    await world.clock.advance(2 * MINUTE);
  };

  it('frees neither name nor account while its holder’s record lists them', async () => {
    await using world = createPeopleWorld(rulesFrom({}, {}, [PARTNER]));
    await world.people.admit(ALICE);
    await loseBindings(world, /^binding:/);
    await conflict(world, assertionOf('p1', 'alice', {}, 'partner'));
    assert.equal((await world.people.admit(ALICE)).user, 'alice');
    await loseBindings(world, /^holder:/);
    await conflict(world, assertionOf('p1', 'alice', {}, 'partner'));
    await world.people.admit(ALICE);
    await loseBindings(world, /^binding:/);
    await conflict(world, assertionOf('p1', 'alice', {}, 'partner'));
  });

  it('shows in the list when both copies were lost and another came', async () => {
    await using world = createPeopleWorld(rulesFrom({}, {}, [PARTNER]));
    await world.people.admit(ALICE);
    await loseBindings(world, /^(binding|holder):/);
    await world.people.admit(assertionOf('p1', 'alice', {}, 'partner'));
    assert.deepEqual(
      (await world.people.bindings()).map(({ subject, alsoOf }) => [subject, alsoOf]),
      [
        ['corp:id-1', ['partner:p1']],
        ['partner:p1', ['corp:id-1']],
      ],
    );
  });
});

describe('an old record that somebody puts back', () => {
  const groups = { attribute: 'memberOf' };
  const rules = rulesFrom({ roles: { admin: { groups: ['admins'] } } }, { groups });
  const admin = assertionOf('id-1', 'alice', { memberOf: ['admins'] });
  const personKey = ({ store }: World): string => {
    const key = store.calls.find((call) => call.startsWith('cas person:'))?.slice(4);
    assert.ok(key);
    return key;
  };

  it('is not used by a replica that has seen a newer one; a sign-in mends it', async () => {
    await using world = createPeopleWorld(rules);
    await world.people.admit(admin);
    const old = await world.store.get(personKey(world));
    await world.people.admit(ALICE);
    await world.store.set(personKey(world), old ?? '', null);
    assert.equal(await world.people.find('corp:id-1'), null);
    assert.equal(await world.people.isUnreadable?.('corp:id-1'), true);
    assert.ok(world.told.some(({ fields }) => fields.event === 'person_outdated'));
    await conflict(world);
    assert.deepEqual((await world.people.admit(ALICE)).roles, ['user']);
    const other = world.join();
    assert.deepEqual((await other.find('corp:id-1'))?.roles, ['user']);
  });

  it('does not bring back somebody who was removed', async () => {
    await using world = createPeopleWorld(rules);
    await world.people.admit(admin);
    const old = await world.store.get(personKey(world));
    await world.people.release('alice');
    await world.store.set(personKey(world), old ?? '', null);
    assert.equal(await world.people.find('corp:id-1'), null);
  });

  it('is told from a person who comes again after the removal, whichever replica saw what', async () => {
    await using world = createPeopleWorld(rules);
    const other = world.join();
    for (let round = 0; round < 3; round++) {
      await world.people.admit(admin);
      await world.people.admit(ALICE);
      assert.ok(await other.find('corp:id-1'));
      await other.release('alice');
    }
    await other.admit(admin);
    assert.ok((await world.people.find('corp:id-1'))?.roles.includes('admin'));
  });
});
