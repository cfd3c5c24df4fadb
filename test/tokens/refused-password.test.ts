import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { createWorld, refusal, type World } from './replicas.ts';

const refused = refusal(
  'GW_CREDENTIAL_UNAVAILABLE',
  /rejected the password of account alice on queue main.*administrator/,
);

async function refuseEverywhere(world: World): Promise<void> {
  for (const replica of world.replicas) await assert.rejects(world.get(replica, 'alice'), refused);
}

describe('a rejected password', () => {
  it('is tried once in each cool-down over all replicas', async () => {
    await using world = createWorld({ replicas: 3, broker: { coolDown: '15m' } });
    world.passwords.set('alice', 'wrong');
    world.vovserver.passwords.set('alice', 'right');
    for (let minute = 0; minute < 44; minute += 1) {
      await refuseEverywhere(world);
      await world.clock.advance(60_000);
    }
    assert.equal(world.vovserver.logins.length, 3);
    const [login] = world.replicas.flatMap(({ report }) => report.logins);
    assert.deepEqual([login?.result, login?.reason], ['rejected', 'first']);
  });

  it('is tried once when all replicas need it in the same moment', async () => {
    await using world = createWorld({ replicas: 3 });
    world.passwords.set('alice', 'wrong');
    world.vovserver.latency = 500;
    const calls = world.replicas.flatMap((replica) =>
      Array.from({ length: 10 }, () => assert.rejects(world.get(replica, 'alice'), refused)),
    );
    await world.clock.advance(3000);
    await Promise.all(calls);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('says how long it is not tried again', async () => {
    await using world = createWorld({ broker: { coolDown: '15m' } });
    world.passwords.set('alice', 'wrong');
    await assert.rejects(world.get(world.first, 'alice'));
    await world.clock.advance(300_000);
    const error = await world.get(world.first, 'alice').catch((thrown: unknown) => thrown);
    assert.ok(error instanceof GatewayError);
    assert.equal(error.retryAfter, 600);
  });

  it('gives way at once to another password, on every replica', async () => {
    await using world = createWorld({ replicas: 2 });
    world.passwords.set('alice', 'wrong');
    world.vovserver.passwords.set('alice', 'right');
    await refuseEverywhere(world);
    world.passwords.set('alice', 'also wrong');
    await refuseEverywhere(world);
    assert.equal(world.vovserver.logins.length, 2);
    world.passwords.set('alice', 'right');
    for (const replica of world.replicas) assert.ok(world.vovserver.accepts(await world.get(replica, 'alice')));
    assert.equal(world.vovserver.logins.length, 3);
  });

  it('is known to a replica that starts later', async () => {
    await using world = createWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.passwords.set('alice', 'wrong');
    await assert.rejects(world.get(a, 'alice'), refused);
    await a.broker[Symbol.asyncDispose]();
    await assert.rejects(world.get(b, 'alice'), refused);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('is remembered by each replica while the store is away', async () => {
    await using world = createWorld();
    world.passwords.set('alice', 'wrong');
    world.first.kv.reachable = false;
    for (let call = 0; call < 10; call += 1) await refuseEverywhere(world);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('does not end a JWT that is still good', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    world.vovserver.life = 100_000;
    for (const replica of world.replicas) await world.get(replica, 'alice');
    world.vovserver.passwords.set('alice', 'changed');
    for (let second = 0; second < 97; second += 1) {
      await world.clock.advance(1000);
      for (const replica of world.replicas) assert.ok(world.vovserver.accepts(await world.get(replica, 'alice')));
    }
    assert.equal(world.vovserver.logins.length, 2, 'one renewal was tried');
    await world.clock.advance(3000);
    await refuseEverywhere(world);
    assert.equal(world.vovserver.logins.length, 2);
  });
});
