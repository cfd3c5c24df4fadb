import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSessions, type Sessions } from '../../src/auth/index.ts';
import { Secret } from '../../src/kernel/index.ts';
import { createSealer, type KeyValue, type Sealer, StoreUnavailable } from '../../src/platform/index.ts';
import { createAuthWorld, refusalOf } from './auth-world.ts';
import { assertionOf, createPeopleWorld } from './people-world.ts';
import { sessionsConfig, signedIn, webRequest } from './sessions-world.ts';

const key = (fill: number): Secret => new Secret(Buffer.alloc(32, fill).toString('base64'));
const FIRST = createSealer({ current: key(1) });
const SECOND = createSealer({ current: key(2), previous: key(1) });
const THIRD = createSealer({ current: key(3), previous: key(2) });

/** The same store, in which nothing is ever replaced. */
const unwilling = (kv: KeyValue): KeyValue =>
  Object.create(kv, { compareAndSet: { value: () => Promise.reject(new StoreUnavailable('no writing')) } });

describe('access tokens over two rotations of the sealing key', () => {
  async function made() {
    const world = createAuthWorld();
    const { token, info } = await world.join({ sealer: FIRST }).create({ user: 'alice', label: 'l', scopes: ['read'] });
    return { world, token: token.reveal(), info };
  }

  it('go on when they were used between them', async () => {
    const { world, token } = await made();
    await using _ = world;
    await world.join({ sealer: SECOND }).authenticate(token);
    const { identity } = await world.join({ sealer: THIRD }).authenticate(token);
    assert.equal(identity.user, 'alice');
  });

  it('go on when they were listed between them', async () => {
    const { world, token, info } = await made();
    await using _ = world;
    await world.join({ sealer: SECOND }).list();
    assert.equal((await world.join({ sealer: THIRD }).authenticate(token)).tokenId, info.id);
  });

  it('end when nobody did either', async () => {
    const { world, token } = await made();
    await using _ = world;
    const { code } = await refusalOf(() => world.join({ sealer: THIRD }).authenticate(token));
    assert.equal(code, 'GW_UNAUTHENTICATED');
  });

  it('keep their end', async () => {
    const { world, token, info } = await made();
    await using _ = world;
    await world.clock.advance(60_000);
    await world.join({ sealer: SECOND }).authenticate(token);
    await world.clock.advance(info.expiresAt - world.clock.now() + 1);
    assert.equal(await world.store.get(`token:{${info.id}}`), null);
  });

  it('are written once for each rotation, and not at all without one', async () => {
    const { world, token, info } = await made();
    await using _ = world;
    const stored = (): Promise<string | null> => world.store.get(`token:{${info.id}}`);
    const before = await stored();
    await world.join({ sealer: FIRST }).authenticate(token);
    assert.equal(await stored(), before);
    await world.join({ sealer: SECOND }).authenticate(token);
    const after = await stored();
    assert.notEqual(after, before);
    await world.join({ sealer: SECOND }).authenticate(token);
    assert.equal(await stored(), after);
  });

  it('work also where they cannot be sealed anew', async () => {
    const { world, token } = await made();
    await using _ = world;
    const caller = await world.join({ sealer: SECOND, kv: unwilling(world.store) }).authenticate(token);
    assert.equal(caller.identity.user, 'alice');
  });
});

describe('people over two rotations of the sealing key', () => {
  const ALICE = assertionOf('id-1', 'alice');
  async function admitted() {
    const world = createPeopleWorld();
    const identity = await world.join({ sealer: FIRST }).admit(ALICE);
    return { world, identity };
  }

  it('are known when they were looked up between them', async () => {
    const { world, identity } = await admitted();
    await using _ = world;
    assert.deepEqual(await world.join({ sealer: SECOND }).find('corp:id-1'), identity);
    assert.deepEqual(await world.join({ sealer: THIRD }).find('corp:id-1'), identity);
  });

  it('are known when all were listed between them, and their name is still theirs', async () => {
    const { world } = await admitted();
    await using _ = world;
    await world.join({ sealer: SECOND }).bindings();
    const third = world.join({ sealer: THIRD });
    assert.equal((await third.admit(ALICE)).user, 'alice');
    const { code } = await refusalOf(() => third.admit(assertionOf('id-2', 'alice')));
    assert.equal(code, 'GW_IDENTITY_CONFLICT');
  });

  it('are found also where they cannot be sealed anew', async () => {
    const { world, identity } = await admitted();
    await using _ = world;
    const found = await world.join({ sealer: SECOND, kv: unwilling(world.store) }).find('corp:id-1');
    assert.deepEqual(found, identity);
  });

  it('sign in again right after a rotation', async () => {
    const { world } = await admitted();
    await using _ = world;
    await world.clock.advance(120_000);
    assert.equal((await world.join({ sealer: SECOND }).admit(ALICE)).user, 'alice');
    assert.equal((await world.join({ sealer: THIRD }).admit(ALICE)).user, 'alice');
  });
});

describe('sessions over rotations of the sealing key', () => {
  async function signedInAlice() {
    const world = createPeopleWorld();
    const { store: kv, clock } = world;
    const reasons: string[] = [];
    const credential = (event: object): void => void ('reason' in event && reasons.push(String(event.reason)));
    const at = (sealer: Sealer): Sessions => {
      const people = world.join({ sealer });
      return createSessions({ kv, sealer, clock, people, config: () => sessionsConfig(), report: { credential } });
    };
    const identity = await world.join({ sealer: FIRST }).admit(assertionOf('id-1', 'alice'));
    const { cookie } = await at(FIRST).open(webRequest(), signedIn(identity), identity);
    return { world, at, cookie, reasons };
  }

  it('go on over two when they are in use', async () => {
    const { world, at, cookie } = await signedInAlice();
    await using _ = world;
    await world.clock.advance(60_000);
    assert.ok(await at(SECOND).find(cookie));
    await world.clock.advance(60_000);
    assert.ok(await at(THIRD).find(cookie));
  });

  it('are not ended by a replica that does not have the key of the person’s record', async () => {
    const { world, at, cookie, reasons } = await signedInAlice();
    await using _ = world;
    await world.join({ sealer: SECOND }).find('corp:id-1');
    assert.equal(await at(FIRST).find(cookie), null);
    assert.deepEqual(reasons, []);
    assert.ok(await at(SECOND).find(cookie));
  });

  it('end when the person is removed', async () => {
    const { world, at, cookie, reasons } = await signedInAlice();
    await using _ = world;
    await world.join({ sealer: FIRST }).release('alice');
    assert.equal(await at(FIRST).find(cookie), null);
    assert.deepEqual(reasons, ['person removed']);
  });
});
