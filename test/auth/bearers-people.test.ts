import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError, type Identity } from '../../src/kernel/index.ts';
import { localIdentity } from '../world/identities.ts';
import { refusalOf } from './auth-world.ts';
import { createBearersWorld, createIssuer, denied, jwtEntry } from './bearers-rig.ts';

/** Bearers that ask the store each second who a person is by now. */
async function createWorld() {
  const issuer = await createIssuer();
  const state: { person: Identity | null | 'away'; asked: number } = {
    person: { ...localIdentity('alice'), provider: 'corp' },
    asked: 0,
  };
  const world = createBearersWorld([jwtEntry(issuer)], {
    async find() {
      state.asked += 1;
      if (state.person === 'away') throw new GatewayError('GW_STORE_UNAVAILABLE', 'away');
      return state.person;
    },
  });
  const token = await issuer.sign(world.claims(issuer));
  return {
    ...world,
    state,
    refuse: () => {
      world.denial = denied();
    },
    call: async () => await world.bearers.authenticate(token),
    isKnown: () => !(world.bearers.authenticate(token) instanceof Promise),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

describe('the person of a bearer token', () => {
  it('is asked for once a second, and the rules once a minute', async () => {
    await using world = await createWorld();
    await world.call();
    await world.clock.advance(999);
    assert.ok(world.isKnown());
    assert.equal(world.state.asked, 0);
    for (let second = 0; second < 5; second++) {
      await world.clock.advance(1000);
      await world.call();
      assert.ok(world.isKnown());
    }
    assert.deepEqual([world.state.asked, world.admitted.length], [5, 1]);
  });

  it('who was removed, and whom the rules do not let in again, is nobody within a second', async () => {
    await using world = await createWorld();
    await world.call();
    world.state.person = null;
    world.refuse();
    await world.clock.advance(1000);
    assert.equal((await refusalOf(world.call)).code, 'GW_SIGN_IN_DENIED');
    assert.equal((await refusalOf(world.call)).code, 'GW_SIGN_IN_DENIED');
  });

  it('has the groups of now when the token’s own provider said them', async () => {
    await using world = await createWorld();
    await world.call();
    world.state.person = { ...localIdentity('alice', ['cad']), provider: 'corp' };
    await world.clock.advance(1000);
    assert.deepEqual((await world.call()).identity.groups, ['cad']);
    world.state.person = { ...localIdentity('alice', ['of a sign-in']), provider: 'another' };
    await world.clock.advance(1000);
    assert.deepEqual((await world.call()).identity.groups, ['cad']);
  });

  it('stays who it was while the store is away, until the rules have to be asked', async () => {
    await using world = await createWorld();
    await world.call();
    world.state.person = 'away';
    await world.clock.advance(30_000);
    assert.equal((await world.call()).identity.user, 'alice');
    world.refuse();
    await world.clock.advance(30_000);
    await assert.rejects(world.call());
  });
});
