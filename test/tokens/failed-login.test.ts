import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError } from '../../src/kernel/index.ts';
import { down } from './fake-vovserver.ts';
import { createWorld, refusal } from './replicas.ts';

const unreachable = refusal('GW_UPSTREAM_DOWN', /not reachable/);

describe('a failed login', () => {
  it('is repeated with growing pauses of at most a minute', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.vovserver.failure = down();
    for (let second = 0; second < 1000; second += 1) {
      await assert.rejects(world.get(world.first, 'alice'), unreachable);
      await world.clock.advance(1000);
    }
    const times = world.vovserver.logins.map(({ at }) => at);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? at));
    assert.ok(Math.min(...pauses) >= 1000 && Math.max(...pauses) <= 61_000, `${pauses}`);
    assert.ok(times.length >= 15 && times.length <= 25, `${times.length} logins`);
    world.vovserver.failure = null;
    await world.clock.advance(60_000);
    assert.ok(world.vovserver.accepts(await world.get(world.first, 'alice')));
  });

  it('tells the callers in between when to come back', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.vovserver.failure = down();
    await assert.rejects(world.get(world.first, 'alice'), unreachable);
    const error = await world.get(world.first, 'alice').catch((thrown: unknown) => thrown);
    assert.ok(error instanceof GatewayError);
    assert.ok(error.retryAfter === 1 || error.retryAfter === 2, `${error.retryAfter}`);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('does not pause other accounts, nor the same one after vovserver moved', async () => {
    await using world = createWorld();
    world.enrol('alice', 'bob');
    world.vovserver.failure = down();
    await assert.rejects(world.get(world.first, 'alice'), unreachable);
    world.vovserver.failure = null;
    await world.get(world.first, 'bob');
    await assert.rejects(world.get(world.first, 'alice'), unreachable);
    world.vovserver.epochName = 'vov2:6330';
    assert.ok(world.vovserver.accepts(await world.get(world.first, 'alice')));
  });

  it('leaves the old JWT in use until its end and is repeated in the background', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.vovserver.life = 400_000;
    const old = await world.get(world.first, 'alice');
    world.vovserver.failure = down();
    await world.clock.advance(397_000);
    assert.equal(await world.get(world.first, 'alice'), old);
    const tried = world.vovserver.logins.length;
    assert.ok(tried >= 4 && tried <= 9, `${tried} logins`);
    world.vovserver.failure = null;
    await world.clock.advance(62_000);
    assert.notEqual(await world.get(world.first, 'alice'), old);
  });

  it('is one that another replica may still make good', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.failure = down();
    await assert.rejects(world.get(a, 'alice'), unreachable);
    world.vovserver.failure = null;
    const token = await world.get(b, 'alice');
    assert.equal((await world.get(a, 'alice')).accessToken.reveal(), token.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 2);
  });
});
