import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { createLeases } from '../../src/platform/index.ts';
import { accountOf, createWorld, type SwitchedKeyValue } from './replicas.ts';

interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

function createGate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

/** Holds the answers of the store back; opening lets them go. */
function holdAnswers(kv: SwitchedKeyValue): () => void {
  const gate = createGate();
  kv.answers = gate.passed;
  return () => {
    kv.answers = null;
    gate.open();
  };
}

describe('replicas that cross each other', () => {
  it('look into the store again once they hold the lease', async () => {
    const gate = createGate();
    await using world = createWorld({
      replicas: 2,
      leases: (kv, clock, replica) => {
        const leases = createLeases(kv, { clock, ownerId: `r${replica}` });
        if (replica === 0) return leases;
        return {
          async tryAcquire(name, ttlMs) {
            await gate.passed;
            return await leases.tryAcquire(name, ttlMs);
          },
        };
      },
    });
    world.enrol('alice');
    const [fast, slow] = world.replicas;
    assert.ok(fast && slow);
    const late = world.get(slow, 'alice');
    await world.clock.advance(1);
    const token = await world.get(fast, 'alice');
    gate.open();
    assert.equal((await late).accessToken.reveal(), token.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('do not revive a JWT that was dropped while it was being read', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const dropped = await world.get(a, 'alice');
    await world.clock.advance(3000);
    const release = holdAnswers(b.kv);
    const reading = world.get(b, 'alice');
    await world.clock.advance(1);
    await a.broker.drop(accountOf('alice'));
    await world.clock.advance(1);
    release();
    assert.notEqual((await reading).accessToken.reveal(), dropped.accessToken.reveal());
  });

  it('use a JWT that arrived while they waited for a slot, without the store', async () => {
    await using world = createWorld({ broker: { loginConcurrency: 1 } });
    world.enrol('alice', 'bob');
    world.first.kv.reachable = false;
    world.vovserver.latency = 1000;
    const bob = world.get(world.first, 'bob');
    await world.clock.advance(1);
    const alice = world.get(world.first, 'alice');
    await world.clock.advance(1);
    const now = world.clock.now();
    const adopted = { tokenType: 'Bearer', accessToken: new Secret('x'), issuedAt: now, expiresAt: now + 60_000 };
    await world.first.broker.adopt(accountOf('alice'), adopted);
    await world.clock.advance(1000);
    await bob;
    assert.equal(await alice, adopted);
    assert.deepEqual(
      world.vovserver.logins.map(({ account }) => account),
      ['bob'],
    );
  });

  it('try again to put a JWT back when the store went away in between', async () => {
    await using world = createWorld({ replicas: 2, cut: [0] });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    const token = await world.get(a, 'alice');
    a.kv.reachable = true;
    const release = holdAnswers(a.kv);
    await world.clock.advance(5000);
    a.kv.reachable = false;
    release();
    await world.clock.advance(5000);
    a.kv.reachable = true;
    await world.clock.advance(5000);
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), token.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('compare with the store when they could not listen from the start', async () => {
    await using world = createWorld({ replicas: 2, cut: [1] });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    b.kv.reachable = true;
    const first = await world.get(a, 'alice');
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), first.accessToken.reveal());
    await world.clock.advance(2000);
    const next = await a.broker.credentialFor(accountOf('alice')).renew(first);
    await world.clock.advance(4000);
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), next.accessToken.reveal());
  });

  it('do not read the store for an account that is idle here', async () => {
    await using world = createWorld({ replicas: 2, broker: { activeFor: '10s' } });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    const first = await world.get(a, 'alice');
    await world.get(b, 'alice');
    await world.clock.advance(60_000);
    const seen = b.kv.seen.length;
    const next = await a.broker.credentialFor(accountOf('alice')).renew(first);
    await world.clock.advance(1);
    assert.equal(b.kv.seen.length, seen);
    assert.equal((await world.get(b, 'alice')).accessToken.reveal(), next.accessToken.reveal());
  });
});
