import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { tokenFromLogin } from '../../src/tokens/index.ts';
import type { UpstreamToken } from '../../src/upstream/index.ts';
import { accountOf, createWorld, refusal, type World } from './replicas.ts';

/** Signs an account in with the caller's own password, as the token endpoint does. */
async function signIn(world: World, name: string): Promise<UpstreamToken> {
  world.vovserver.passwords.set(name, 'typed by the caller');
  const startedAt = world.clock.now();
  const answer = await world.vovserver.login('main', name, new Secret('typed by the caller'));
  assert.equal(answer.kind, 'ok');
  return tokenFromLogin(answer, { startedAt, jwtLife: 14_400_000 });
}

const signInAgain = refusal(
  'GW_CREDENTIAL_UNAVAILABLE',
  /account alice on queue main.*sign in again.*\/api\/v3\/token/,
);

describe('passthrough', () => {
  const credentials = [{ type: 'passthrough', queues: ['main'] }];

  it('serves a JWT that was adopted on every replica until it ends', async () => {
    await using world = createWorld({ replicas: 2, credentials });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const token = await signIn(world, 'alice');
    await a.broker.adopt(accountOf('alice'), token);
    for (let second = 0; second < 19; second += 1) {
      for (const replica of world.replicas) {
        assert.equal((await world.get(replica, 'alice')).accessToken.reveal(), token.accessToken.reveal());
      }
      await world.clock.advance(1000);
    }
    for (const replica of world.replicas) await assert.rejects(world.get(replica, 'alice'), signInAgain);
    assert.equal(world.vovserver.logins.length, 1, 'no password is kept');
  });

  it('takes a later sign-in in place of the JWT that is there, on every replica', async () => {
    await using world = createWorld({ replicas: 2, credentials });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    await a.broker.adopt(accountOf('alice'), await signIn(world, 'alice'));
    await world.get(b, 'alice');
    const later = await signIn(world, 'alice');
    await a.broker.adopt(accountOf('alice'), later);
    await world.clock.advance(1);
    for (const replica of world.replicas) {
      assert.equal((await world.get(replica, 'alice')).accessToken.reveal(), later.accessToken.reveal());
    }
  });

  it('asks to sign in again when vovserver refuses the JWT', async () => {
    await using world = createWorld({ replicas: 2, credentials });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const token = await signIn(world, 'alice');
    await a.broker.adopt(accountOf('alice'), token);
    await assert.rejects(a.broker.credentialFor(accountOf('alice')).renew(token), signInAgain);
    await assert.rejects(world.get(b, 'alice'), signInAgain);
    await a.broker.adopt(accountOf('alice'), await signIn(world, 'alice'));
    await world.get(b, 'alice');
  });

  it('keeps the JWT in memory while the store is away and shares it later', async () => {
    await using world = createWorld({ replicas: 2, credentials });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    a.kv.reachable = false;
    const token = await signIn(world, 'alice');
    await a.broker.adopt(accountOf('alice'), token);
    assert.equal(await world.get(a, 'alice'), token);
    a.kv.reachable = true;
    await world.clock.advance(5000);
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), token.accessToken.reveal());
  });

  it('does not speak of signing in where it is off', async () => {
    await using world = createWorld({ credentials });
    await assert.rejects(
      (async () => await world.first.broker.credentialFor(accountOf('alice', 'other')).get())(),
      refusal('GW_CREDENTIAL_UNAVAILABLE', /No credential source .*alice on queue other/),
    );
  });
});
