import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEnrolWorld } from './enrol-world.ts';
import { accountOf, createWorld } from './replicas.ts';

const ALICE = accountOf('alice');

describe('how an account stands', () => {
  it('is told without a login, from nothing known to signed in and back', async () => {
    await using world = createWorld({ replicas: 2, broker: { activeFor: '1s' } });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    assert.deepEqual(await a.broker.stateOf(ALICE), { kind: 'no-password' });
    world.enrol('alice');
    assert.deepEqual(await a.broker.stateOf(ALICE), { kind: 'ready' });
    assert.equal(world.vovserver.logins.length, 0);
    const token = await world.get(a, 'alice');
    for (const { broker } of [a, b]) {
      assert.deepEqual(await broker.stateOf(ALICE), { kind: 'signed-in', until: token.expiresAt });
    }
    await world.clock.advance(20_000);
    for (const { broker } of [a, b]) assert.deepEqual(await broker.stateOf(ALICE), { kind: 'ready' });
  });

  it('says until when a rejected password is left alone, on every replica', async () => {
    await using world = createWorld({ replicas: 2, broker: { coolDown: '15m' } });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.passwords.set('alice', 'wrong');
    await assert.rejects(world.get(a, 'alice'));
    const until = world.clock.now() + 900_000;
    for (const { broker } of [a, b]) assert.deepEqual(await broker.stateOf(ALICE), { kind: 'rejected', until });
    world.passwords.set('alice', 'another');
    for (const { broker } of [a, b]) assert.deepEqual(await broker.stateOf(ALICE), { kind: 'ready' });
    world.passwords.set('alice', 'wrong');
    await world.clock.advance(900_000);
    for (const { broker } of [a, b]) assert.deepEqual(await broker.stateOf(ALICE), { kind: 'ready' });
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('does not count a JWT that vovserver refused', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const token = await world.get(world.first, 'alice');
    world.vovserver.passwords.set('alice', 'changed');
    const renewing = assert.rejects(world.first.broker.credentialFor(ALICE).renew(token));
    await world.clock.advance(2000);
    await renewing;
    assert.equal((await world.first.broker.stateOf(ALICE)).kind, 'rejected');
  });

  it('is unknown, with a reason, when nobody can tell', async () => {
    await using world = createWorld();
    const { broker, kv } = world.first;
    const gone = await broker.stateOf(accountOf('alice', 'no such queue'));
    assert.ok(gone.kind === 'unknown' && /no such queue/.test(gone.reason));
    kv.reachable = false;
    const away = await broker.stateOf(ALICE);
    assert.ok(away.kind === 'unknown' && /store is away/.test(away.reason));
    world.enrol('alice');
    assert.deepEqual(await broker.stateOf(ALICE), { kind: 'ready' }, 'the next call would log in');
  });

  it('is unknown when a source fails; what it said goes into the log only', async () => {
    await using world = createWorld();
    const broken = { name: 'broken', find: async () => Promise.reject(new Error('the secret place')) };
    world.sources = [{ ...broken, [Symbol.asyncDispose]: async () => undefined }];
    const state = await world.first.broker.stateOf(ALICE);
    assert.ok(state.kind === 'unknown' && !state.reason.includes('secret place'));
    assert.ok(world.first.report.all.some((line) => line.includes('secret place')));
    assert.equal(world.first.report.logins.length, 0, 'no call failed, so none is reported');
  });

  it('changes nothing: looking at many accounts leaves no trace in the broker', async () => {
    await using world = createWorld();
    for (let i = 0; i < 50; i += 1) await world.first.broker.stateOf(accountOf(`nobody${i}`));
    await world.clock.advance(5000);
    assert.deepEqual(world.first.report.expiries.at(-1), ['other', null, 0]);
    assert.equal(world.vovserver.logins.length, 0);
    assert.ok(!world.first.kv.seen.some((call) => call.includes('lease')));
  });

  it('follows what a person enrols and removes', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    assert.deepEqual(await world.stateOf(b, 'alice'), { kind: 'no-password' });
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(a, 'alice', 'sesame');
    assert.equal((await world.stateOf(b, 'alice')).kind, 'signed-in');
    await world.clock.advance(60_000);
    assert.equal((await world.stateOf(b, 'alice')).kind, 'ready');
    await a.enrolments.remove(ALICE);
    assert.equal((await world.stateOf(b, 'alice')).kind, 'no-password');
  });
});
