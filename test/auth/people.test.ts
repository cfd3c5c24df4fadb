import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { createSealer } from '../../src/platform/index.ts';
import { refusalOf } from './auth-world.ts';
import { assertionOf, createPeopleWorld, queuesOf, rulesFrom } from './people-world.ts';

const ALICE = assertionOf('id-1', 'alice');
const MINUTE = 60_000;

describe('a first sign-in', () => {
  it('gives the identity with its personal accounts by queue, and remembers it', async () => {
    await using world = createPeopleWorld();
    const identity = await world.people.admit(ALICE);
    assert.deepEqual(identity, {
      subject: 'corp:id-1',
      user: 'alice',
      groups: [],
      roles: ['user'],
      provider: 'corp',
      attributes: {},
      bound: { vnc: 'alice', fast: 'alice' },
    });
    assert.equal(await world.people.find('corp:id-1'), identity);
    assert.deepEqual(await world.people.bindings(), [
      {
        user: 'alice',
        subject: 'corp:id-1',
        accounts: { vnc: 'alice', fast: 'alice' },
        since: world.clock.now(),
        lastSignInAt: world.clock.now(),
      },
    ]);
    assert.deepEqual(
      world.told.map(({ fields }) => fields.event),
      ['identity_bound'],
    );
  });

  it('binds no shared account: its members are many', async () => {
    await using world = createPeopleWorld(rulesFrom({ rules: [{ match: { provider: 'corp' }, shared: 'svc' }] }));
    assert.deepEqual((await world.people.admit(ALICE)).bound, {});
    assert.deepEqual((await world.people.admit(assertionOf('id-2', 'bob'))).bound, {});
  });

  it('binds the user name also of somebody without any account', async () => {
    await using world = createPeopleWorld(rulesFrom({ rules: [] }));
    assert.deepEqual((await world.people.admit(ALICE)).bound, {});
    const refusal = await refusalOf(() => world.people.admit(assertionOf('id-2', 'alice')));
    assert.equal(refusal.code, 'GW_IDENTITY_CONFLICT');
  });

  it('is refused with one public text by the rules, with the reason for the log', async () => {
    await using world = createPeopleWorld(rulesFrom({}, { allowGroups: ['cad'] }));
    const texts = new Set<string>();
    for (const assertion of [
      ALICE,
      assertionOf('id 1 ', 'alice'),
      assertionOf('id-1', 'аlice'),
      assertionOf('', 'x'),
    ]) {
      const refusal = await refusalOf(() => world.people.admit(assertion));
      assert.equal(refusal.code, 'GW_SIGN_IN_DENIED');
      assert.match(refusal.internal ?? '', /allowGroups|attribute/);
      texts.add(refusal.detail);
    }
    assert.equal(texts.size, 1);
    assert.ok(world.store.calls.every((call) => call.startsWith('get ')));
  });
});

describe('a second identity', () => {
  it('is refused the user name of another, which the message names but not whose it is', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    const refusal = await refusalOf(() => world.people.admit(assertionOf('id-2', 'alice')));
    assert.equal(refusal.code, 'GW_IDENTITY_CONFLICT');
    assert.match(refusal.detail, /the user name “alice”/);
    assert.doesNotMatch(refusal.detail, /id-1|id-2/);
    assert.match(refusal.internal ?? '', /corp:id-2 .* bound to corp:id-1/);
    assert.deepEqual(world.told.at(-1), {
      level: 'warn',
      fields: {
        event: 'identity_conflict',
        subject: 'corp:id-2',
        user: 'alice',
        provider: 'corp',
        reason: 'the user name “alice” is bound to corp:id-1',
      },
    });
    assert.equal(await world.people.find('corp:id-2'), null);
  });

  it('is refused the account of another, under another user name', async () => {
    const pattern = '([a-z]+)(@corp\\.example)?';
    await using world = createPeopleWorld(rulesFrom({ rules: [{ match: { userPattern: pattern }, account: '$1' }] }));
    await world.people.admit(ALICE);
    const refusal = await refusalOf(() => world.people.admit(assertionOf('id-2', 'alice@corp.example')));
    assert.match(refusal.detail, /the vovserver account “alice” of queue “(vnc|fast)”/);
  });

  it('of another provider with the same subject value is another identity', async () => {
    const other = { type: 'oidc', name: 'other', issuer: 'https://o.example', clientId: 'c' };
    await using world = createPeopleWorld(rulesFrom({}, {}, [other]));
    await world.people.admit(ALICE);
    const refusal = await refusalOf(() => world.people.admit(assertionOf('id-1', 'alice', {}, 'other')));
    assert.equal(refusal.code, 'GW_IDENTITY_CONFLICT');
    const bob = await world.people.admit(assertionOf('id-1', 'bob', {}, 'other'));
    assert.equal(bob.subject, 'other:id-1');
  });

  it('of another provider in the same realm is the same person', async () => {
    const twin = { type: 'oidc', name: 'twin', issuer: 'https://o.example', clientId: 'c', realm: 'corp' };
    await using world = createPeopleWorld(rulesFrom({}, {}, [twin]));
    await world.people.admit(ALICE);
    const again = await world.people.admit(assertionOf('id-1', 'alice', {}, 'twin'));
    assert.deepEqual([again.subject, again.provider], ['corp:id-1', 'twin']);
  });

  it('leaves nothing behind of an attempt that failed half-way', async () => {
    await using world = createPeopleWorld(
      rulesFrom({ rules: [{ match: { provider: 'corp' }, table: { alice: 'alice', mallory: 'alice' } }] }),
    );
    await world.people.admit(ALICE);
    await refusalOf(() => world.people.admit(assertionOf('id-2', 'mallory')));
    // The name mallory was taken before the account was refused.
    assert.equal((await world.people.admit(assertionOf('id-3', 'bob'))).user, 'bob');
    world.use({ rules: rulesFrom() });
    assert.equal((await world.people.admit(assertionOf('id-4', 'mallory'))).subject, 'corp:id-4');
  });
});

describe('a sign-in that broke off', () => {
  /** The name is taken, then the store goes away. */
  async function brokenOff() {
    const world = createPeopleWorld();
    const broken = world.join({
      kv: {
        ...world.store,
        compareAndSet: async (key, ...rest) => {
          if (key.startsWith('person:')) throw new Error('the process died');
          return world.store.compareAndSet(key, ...rest);
        },
      },
    });
    await assert.rejects(broken.admit(ALICE), /the process died/);
    return world;
  }

  it('holds others up for a minute only', async () => {
    await using world = await brokenOff();
    const other = assertionOf('id-2', 'alice');
    assert.equal((await refusalOf(() => world.people.admit(other))).code, 'GW_IDENTITY_CONFLICT');
    await world.clock.advance(MINUTE);
    assert.equal((await world.people.admit(other)).subject, 'corp:id-2');
    assert.equal((await refusalOf(() => world.people.admit(ALICE))).code, 'GW_IDENTITY_CONFLICT');
  });

  it('does not hold up the same person', async () => {
    await using world = await brokenOff();
    assert.equal((await world.people.admit(ALICE)).subject, 'corp:id-1');
    await world.clock.advance(2 * MINUTE);
    assert.equal((await refusalOf(() => world.people.admit(assertionOf('id-2', 'alice')))).status, 403);
  });

  it('and wakes after another took its name does not get it', async () => {
    await using world = createPeopleWorld();
    const other = assertionOf('id-2', 'alice');
    let slept = false;
    const sleeper = world.join({
      kv: {
        ...world.store,
        compareAndSet: async (key, ...rest) => {
          if (key.startsWith('person:') && !slept) {
            slept = true;
            await world.clock.advance(2 * MINUTE);
            await world.people.admit(other);
          }
          return world.store.compareAndSet(key, ...rest);
        },
      },
    });
    assert.equal((await refusalOf(() => sleeper.admit(ALICE))).code, 'GW_IDENTITY_CONFLICT');
    assert.equal(await world.people.find('corp:id-1'), null);
    assert.equal((await world.people.find('corp:id-2'))?.user, 'alice');
  });
});

describe('signing in again', () => {
  it('writes nothing within a minute, and then the time', async () => {
    await using world = createPeopleWorld();
    const first = await world.people.admit(ALICE);
    const calls = world.store.calls.length;
    assert.equal(await world.people.admit(ALICE), first);
    assert.deepEqual(
      world.store.calls.slice(calls).map((call) => call.split(' ')[0]),
      ['get'],
    );
    await world.clock.advance(MINUTE);
    await world.people.admit(ALICE);
    const [binding] = await world.people.bindings();
    assert.equal(binding?.lastSignInAt, world.clock.now());
    assert.equal(binding?.since, world.clock.now() - MINUTE);
  });

  it('under another name binds the new one, since now', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    await world.clock.advance(5);
    const renamed = await world.people.admit(assertionOf('id-1', 'alicia'));
    assert.deepEqual([renamed.user, renamed.bound], ['alicia', { vnc: 'alicia', fast: 'alicia' }]);
    const alicia = (await world.people.bindings()).find(({ user }) => user === 'alicia');
    assert.deepEqual([alicia?.subject, alicia?.since], ['corp:id-1', world.clock.now()]);
  });

  it('under a name that is taken keeps the old one', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    await world.people.admit(assertionOf('id-2', 'bob'));
    assert.equal((await refusalOf(() => world.people.admit(assertionOf('id-1', 'bob')))).code, 'GW_IDENTITY_CONFLICT');
    assert.equal((await world.people.find('corp:id-1'))?.user, 'alice');
    assert.equal((await refusalOf(() => world.people.admit(assertionOf('id-3', 'alice')))).status, 403);
  });

  it('binds the account of a queue that is new', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    world.use({ queues: queuesOf('vnc', 'third') });
    assert.deepEqual((await world.people.admit(ALICE)).bound, { vnc: 'alice', third: 'alice' });
  });
});

describe('a person whose sign-ins overtake each other', () => {
  it('keeps every name that one of them took', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    let overtaken = false;
    const slow = world.join({
      kv: {
        ...world.store,
        compareAndSet: async (key, ...rest) => {
          if (key.startsWith('person:') && !overtaken) {
            overtaken = true;
            await world.clock.advance(MINUTE);
            await world.people.admit(ALICE);
          }
          return world.store.compareAndSet(key, ...rest);
        },
      },
    });
    await slow.admit(assertionOf('id-1', 'alicia'));
    assert.ok(overtaken);
    assert.equal((await world.people.find('corp:id-1'))?.user, 'alicia');
    for (const name of ['alice', 'alicia']) {
      const stranger = assertionOf('id-2', name);
      assert.equal((await refusalOf(() => world.people.admit(stranger))).code, 'GW_IDENTITY_CONFLICT');
    }
  });
});

describe('who is remembered', () => {
  it('is the same object while neither record nor rules change', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    const other = world.join();
    const found = await other.find('corp:id-1');
    assert.ok(found);
    assert.equal(await other.find('corp:id-1'), found);
    world.use({ rules: rulesFrom() });
    assert.notEqual(await other.find('corp:id-1'), found);
    assert.deepEqual(await other.find('corp:id-1'), found);
  });

  it('has the groups and roles of today', async () => {
    const groups = { attribute: 'memberOf' };
    await using world = createPeopleWorld(rulesFrom({}, { groups }));
    await world.people.admit(assertionOf('id-1', 'alice', { memberOf: ['ops', 'cad'] }));
    world.use({
      rules: rulesFrom({ groups: { local: ['alice'] }, roles: { operator: { groups: ['ops'] } } }, { groups }),
    });
    const found = await world.people.find('corp:id-1');
    assert.deepEqual(
      [found?.groups, found?.roles],
      [
        ['ops', 'cad', 'local'],
        ['user', 'operator'],
      ],
    );
  });

  it('has no new account before the next sign-in', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    const moved = rulesFrom({ rules: [{ match: { user: 'alice' }, account: 'alice2' }] });
    world.use({ rules: moved });
    const found = await world.people.find('corp:id-1');
    assert.ok(found);
    const decision = moved.accountFor(found, 'vnc');
    assert.match(decision.kind === 'none' ? decision.reason : '', /sign in again/);
    const again = await world.people.admit(ALICE);
    assert.equal(moved.accountFor(again, 'vnc').kind, 'account');
  });

  it('is nobody once the provider is gone, has another realm or does not let them in', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    for (const rules of [
      rulesFrom({}, { name: 'other' }),
      rulesFrom({}, { realm: 'other' }),
      rulesFrom({}, { allowGroups: ['cad'] }),
    ]) {
      world.use({ rules });
      assert.equal(await world.people.find('corp:id-1'), null);
    }
    world.use({ rules: rulesFrom() });
    assert.equal((await world.people.find('corp:id-1'))?.user, 'alice');
  });

  it('is nobody who never signed in', async () => {
    await using world = createPeopleWorld();
    assert.equal(await world.people.find('corp:id-9'), null);
    assert.equal(await world.people.find('local:alice'), null);
  });
});

describe('releasing a user name', () => {
  it('forgets the person and frees name and accounts', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    assert.equal((await world.people.release('alice')).length, 1);
    assert.equal(await world.people.find('corp:id-1'), null);
    assert.deepEqual(await world.people.bindings(), []);
    assert.equal((await world.people.admit(assertionOf('id-2', 'alice'))).subject, 'corp:id-2');
    assert.equal((await refusalOf(() => world.people.admit(ALICE))).code, 'GW_IDENTITY_CONFLICT');
  });

  it('does nothing for a name that nobody has', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    assert.deepEqual(await world.people.release('bob'), []);
    assert.deepEqual(await world.people.release('Alice'), []);
    assert.ok(await world.people.find('corp:id-1'));
  });

  it('frees a name that a lost key left without a claim', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    const claim = world.store.written.find((text) => text.startsWith('binding:user:'));
    const taken = world.store.calls.find((call) => call.startsWith('cas binding:user:'))?.slice(4) ?? claim;
    assert.ok(taken);
    assert.equal(await world.store.delete(taken), true);
    assert.equal((await world.people.release('alice')).length, 1);
    assert.equal(await world.people.find('corp:id-1'), null);
  });
});

describe('sealed records', () => {
  const sealerOf = (current: string, previous?: string) =>
    createSealer({
      current: new Secret(current),
      ...(previous === undefined ? {} : { previous: new Secret(previous) }),
    });
  const key = (): string => randomBytes(32).toString('base64');

  it('outlive a rotation of the key', async () => {
    await using world = createPeopleWorld();
    const [one, two] = [key(), key()];
    await world.join({ sealer: sealerOf(one) }).admit(ALICE);
    const after = world.join({ sealer: sealerOf(two, one) });
    assert.equal((await after.find('corp:id-1'))?.user, 'alice');
    await world.clock.advance(MINUTE);
    await after.admit(ALICE);
    const later = world.join({ sealer: sealerOf(key(), two) });
    assert.equal((await later.find('corp:id-1'))?.user, 'alice');
    assert.equal((await refusalOf(() => later.admit(assertionOf('id-2', 'alice')))).code, 'GW_IDENTITY_CONFLICT');
  });

  it('that no key opens keep their name from others, let their owner in and can be released', async () => {
    await using world = createPeopleWorld();
    await world.join({ sealer: sealerOf(key()) }).admit(ALICE);
    await world.clock.advance(MINUTE);
    const { people } = world;
    assert.equal(await people.find('corp:id-1'), null);
    assert.ok(world.told.some(({ level, fields }) => level === 'warn' && fields.event === 'person_unreadable'));
    const other = assertionOf('id-2', 'alice');
    assert.equal((await refusalOf(() => people.admit(other))).code, 'GW_IDENTITY_CONFLICT');
    assert.equal((await people.release('alice')).length, 1);
    assert.equal((await people.admit(other)).subject, 'corp:id-2');
    assert.equal((await refusalOf(() => people.admit(ALICE))).code, 'GW_IDENTITY_CONFLICT');
  });

  it('of one person are not another’s when somebody swaps them in the store', async () => {
    await using world = createPeopleWorld(rulesFrom({ roles: { admin: { users: ['root'] } } }));
    await world.people.admit(ALICE);
    await world.people.admit(assertionOf('id-2', 'root'));
    const [alice, root] = world.store.calls
      .filter((call) => call.startsWith('cas person:'))
      .map((call) => call.slice(4));
    assert.ok(alice && root);
    await world.store.set(alice, (await world.store.get(root)) ?? '', null);
    assert.equal(await world.people.find('corp:id-1'), null);
  });
});

describe('with the store away', () => {
  it('every call says so', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(ALICE);
    world.store.away = true;
    const { people } = world;
    for (const call of [
      () => people.admit(ALICE),
      () => people.find('corp:id-1'),
      () => people.bindings(),
      () => people.release('alice'),
    ]) {
      const refusal = await refusalOf(call);
      assert.equal(refusal.code, 'GW_STORE_UNAVAILABLE');
      assert.ok((refusal.retryAfter ?? 0) > 0);
    }
  });
});

describe('a program with a token of the same realm', () => {
  const groups = { attribute: 'memberOf' };
  const person = assertionOf('id-1', 'alice', { memberOf: ['ops'] });
  const program = assertionOf('id-1', 'alice', {}, 'programs');

  it('is the same person, and takes none of their groups away', async () => {
    await using world = createPeopleWorld(rulesFrom({}, { groups }));
    await world.people.admit(person);
    await world.clock.advance(2 * MINUTE);
    const written = world.store.written.length;
    const identity = await world.people.admit(program);
    assert.deepEqual(
      [identity.subject, identity.provider, identity.groups, identity.bound],
      ['corp:id-1', 'programs', [], { vnc: 'alice', fast: 'alice' }],
    );
    assert.equal(world.store.written.length, written);
    assert.deepEqual((await world.people.find('corp:id-1'))?.groups, ['ops']);
  });

  it('is remembered when nobody signed in before, until the person does', async () => {
    await using world = createPeopleWorld(rulesFrom({}, { groups }));
    await world.people.admit(program);
    assert.equal((await world.people.find('corp:id-1'))?.provider, 'programs');
    await world.people.admit(person);
    assert.deepEqual((await world.people.find('corp:id-1'))?.groups, ['ops']);
  });

  it('needs nothing when the rules give it a shared account', async () => {
    const rules = rulesFrom({
      rules: [
        { match: { provider: 'programs' }, shared: 'svc' },
        { match: { user: 'alice' }, account: 'alice' },
      ],
    });
    await using world = createPeopleWorld(rules);
    await world.people.admit(person);
    const identity = await world.people.admit(program);
    assert.deepEqual(identity.bound, {});
    assert.equal(rules.accountFor(identity, 'vnc').kind, 'account');
    assert.deepEqual((await world.people.find('corp:id-1'))?.bound, { vnc: 'alice', fast: 'alice' });
  });

  it('of another subject is refused the name', async () => {
    await using world = createPeopleWorld();
    await world.people.admit(person);
    const other = assertionOf('id-2', 'alice', {}, 'programs');
    assert.equal((await refusalOf(() => world.people.admit(other))).code, 'GW_IDENTITY_CONFLICT');
  });
});
