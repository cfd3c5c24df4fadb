import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accountOf, createWorld, refusal } from './replicas.ts';

describe('the broker while the store is away', () => {
  it('serves from memory and renews each replica by itself', async () => {
    await using world = createWorld({ replicas: 3 });
    world.enrol('alice');
    for (const replica of world.replicas) await world.get(replica, 'alice');
    for (const { kv } of world.replicas) kv.reachable = false;
    for (let step = 0; step < 60; step += 1) {
      await world.clock.advance(1000);
      for (const replica of world.replicas) assert.ok(world.vovserver.accepts(await world.get(replica, 'alice')));
    }
    const renewals = world.vovserver.logins.length - 1;
    assert.ok(renewals >= 9 && renewals <= 12, `${renewals} renewals in three or four periods of three replicas`);
  });

  it('logs in directly, once for all who wait', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.first.kv.reachable = false;
    world.vovserver.latency = 200;
    const waiting = Promise.all(Array.from({ length: 50 }, () => world.get(world.first, 'alice')));
    await world.clock.advance(300);
    assert.equal(new Set(await waiting).size, 1);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('hands the JWT that it bought alone to the others once the store is back', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    a.kv.reachable = false;
    const token = await world.get(a, 'alice');
    await world.clock.advance(10_000);
    a.kv.reachable = true;
    await world.clock.advance(5000);
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), token.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('carries on when the store goes away during the login', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.latency = 2000;
    world.vovserver.life = 3_600_000;
    const token = world.get(a, 'alice');
    await world.clock.advance(1000);
    a.kv.reachable = false;
    await world.clock.advance(1500);
    assert.ok(world.vovserver.accepts(await token));
    a.kv.reachable = true;
    await world.clock.advance(5000);
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), (await token).accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('puts the JWTs back when the store has lost everything, without a login', async () => {
    await using world = createWorld({ replicas: 3 });
    const names = ['alice', 'bob', 'carol'];
    world.enrol(...names);
    world.vovserver.life = 3_600_000;
    const [a, b, c] = world.replicas;
    assert.ok(a && b && c);
    for (const name of names) {
      await world.get(a, name);
      await world.get(b, name);
    }
    const keys = new Set(a.kv.seen.flatMap((call) => /jwt:\{[^}]+\}:vov1:6330/.exec(call)?.[0] ?? []));
    assert.equal(keys.size, 3);
    for (const key of keys) assert.equal(await world.store.delete(key), true);
    a.kv.gap();
    await world.clock.advance(1);
    for (const name of names) await world.get(c, name);
    assert.equal(world.vovserver.logins.length, 3);
    assert.deepEqual(c.report.lookups, ['main store', 'main store', 'main store']);
  });

  it('learns after a gap what it missed', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice', 'bob');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    for (const name of ['alice', 'bob']) {
      await world.get(a, name);
      await world.get(b, name);
    }
    b.kv.reachable = false;
    await world.clock.advance(3000);
    await a.broker.drop(accountOf('alice'));
    const next = await a.broker.credentialFor(accountOf('bob')).renew(await world.get(a, 'bob'));
    b.kv.reachable = true;
    b.kv.gap();
    await world.clock.advance(1);
    assert.equal((await world.get(b, 'bob')).accessToken.reveal(), next.accessToken.reveal());
    assert.ok((await world.get(b, 'alice')).issuedAt >= world.clock.now() - 1, 'the dropped JWT is gone');
  });

  it('starts to listen once a store that was away at the start is there', async () => {
    await using world = createWorld({ replicas: 2, cut: [1] });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    await world.get(b, 'alice');
    b.kv.reachable = true;
    await world.clock.advance(6000);
    const next = await a.broker.credentialFor(accountOf('alice')).renew(await world.get(a, 'alice'));
    await world.clock.advance(1);
    const here = b.broker.credentialFor(accountOf('alice')).get();
    assert.ok(!(here instanceof Promise), 'from memory');
    assert.equal(here.accessToken.reveal(), next.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('says that a drop has not reached the other replicas', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const before = await world.get(world.first, 'alice');
    world.first.kv.reachable = false;
    await assert.rejects(
      world.first.broker.drop(accountOf('alice')),
      refusal('GW_STORE_UNAVAILABLE', /account alice on queue main.*this replica only/),
    );
    await world.clock.advance(1000);
    assert.notEqual(await world.get(world.first, 'alice'), before, 'it is forgotten here');
  });
});
