import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import type { UpstreamToken } from '../../src/upstream/index.ts';
import { accountOf, createRandom, createWorld, type Replica, refusal } from './replicas.ts';

const renew = (replica: Replica, name: string, token: UpstreamToken): Promise<UpstreamToken> =>
  replica.broker.credentialFor(accountOf(name)).renew(token);
const textOf = ({ accessToken }: UpstreamToken): string => accessToken.reveal();

describe('a 401 from vovserver', () => {
  it('buys one new JWT for all replicas and callers', async () => {
    await using world = createWorld({ replicas: 3 });
    world.enrol('alice');
    world.vovserver.life = 3_600_000;
    const tokens = await Promise.all(world.replicas.map((replica) => world.get(replica, 'alice')));
    await world.clock.advance(60_000);
    world.vovserver.kill('alice');
    world.vovserver.latency = 300;
    const renewed = Promise.all(
      world.replicas.flatMap((replica, index) =>
        Array.from({ length: 20 }, () => renew(replica, 'alice', tokens[index] as UpstreamToken)),
      ),
    );
    await world.clock.advance(2000);
    assert.equal(new Set((await renewed).map(textOf)).size, 1);
    assert.ok((await renewed).every(world.vovserver.accepts));
    assert.equal(world.vovserver.logins.length, 2);
    assert.equal(world.replicas.flatMap(({ report }) => report.logins).at(-1)?.reason, 'rejected_jwt');
  });

  it('gives the newer JWT that is there already, without a login', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const old = await world.get(a, 'alice');
    await world.get(b, 'alice');
    await world.clock.advance(5000);
    const next = await renew(a, 'alice', old);
    assert.notEqual(textOf(next), textOf(old));
    assert.equal(textOf(await renew(a, 'alice', old)), textOf(next));
    assert.equal(textOf(await renew(b, 'alice', old)), textOf(next));
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('leaves a newer JWT in the store alone when an old one is rejected late', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const old = await world.get(a, 'alice');
    await world.get(b, 'alice');
    b.kv.reachable = false;
    await world.clock.advance(5000);
    const next = await renew(a, 'alice', old);
    b.kv.reachable = true;
    assert.equal(textOf(await renew(b, 'alice', old)), textOf(next));
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('logs in at most once a second however often good JWTs are refused', async () => {
    await using world = createWorld({ replicas: 3 });
    world.enrol('alice');
    const random = createRandom(7);
    const waiting: Promise<unknown>[] = [];
    let refused = 0;
    for (let step = 0; step < 600; step += 1) {
      for (const replica of world.replicas) {
        const call = async (): Promise<void> => {
          const token = await world.get(replica, 'alice');
          if (random() > 0.3) return;
          refused += 1;
          assert.notEqual(textOf(await renew(replica, 'alice', token)), textOf(token));
        };
        waiting.push(call());
      }
      await world.clock.advance(100);
    }
    await world.clock.advance(2000);
    await Promise.all(waiting);
    const times = world.vovserver.logins.map(({ at }) => at);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? at));
    assert.ok(refused > 400, `${refused} refused`);
    assert.ok(Math.min(...pauses) >= 1000, `${pauses}`);
    assert.ok(times.length > 30, 'but it does renew');
  });

  it('forgets the JWT in the store when no other could be had', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.life = 3_600_000;
    const dead = await world.get(a, 'alice');
    await world.clock.advance(5000);
    world.vovserver.kill('alice');
    world.passwords.delete('alice');
    await assert.rejects(renew(a, 'alice', dead), refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/));
    await assert.rejects(world.get(b, 'alice'), refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/));
    world.enrol('alice');
    assert.ok(world.vovserver.accepts(await world.get(b, 'alice')));
  });

  it('does not revive a rejected JWT while the store is away', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const dead = await world.get(world.first, 'alice');
    world.first.kv.reachable = false;
    await world.clock.advance(3000);
    const next = await renew(world.first, 'alice', dead);
    assert.notEqual(textOf(next), textOf(dead));
    world.first.kv.reachable = true;
    world.first.kv.gap();
    await world.clock.advance(5000);
    assert.equal(textOf(await world.get(world.first, 'alice')), textOf(next));
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('keeps the rejected JWT from other callers while the new one is bought', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const dead = await world.get(world.first, 'alice');
    await world.clock.advance(3000);
    world.vovserver.latency = 500;
    const renewed = renew(world.first, 'alice', dead);
    const got = world.get(world.first, 'alice');
    await world.clock.advance(600);
    assert.equal(textOf(await got), textOf(await renewed));
    assert.notEqual(textOf(await got), textOf(dead));
  });

  it('does not go on for ever when vovserver gives the same JWT again', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const dead = await world.get(world.first, 'alice');
    const { login } = world.vovserver;
    world.vovserver.login = async (...args) => {
      const answer = await login(...args);
      return answer.kind === 'ok' ? { ...answer, accessToken: dead.accessToken } : answer;
    };
    const refused = refusal('GW_CREDENTIAL_UNAVAILABLE', /refuses the JWT that it gives to account alice/);
    for (let call = 0; call < 20; call += 1) {
      const renewed = assert.rejects(renew(world.first, 'alice', dead), refused);
      await world.clock.advance(1000);
      await renewed;
    }
    assert.ok(world.vovserver.logins.length < 9, `${world.vovserver.logins.length} logins in 20 s`);
  });

  it('waits only a second when the clock of the replica that logged in is ahead', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const now = world.clock.now();
    const ahead = {
      tokenType: 'Bearer',
      accessToken: new Secret('x'),
      issuedAt: now + 86_400_000,
      expiresAt: now + 1e9,
    };
    const renewed = renew(world.first, 'alice', ahead);
    await world.clock.advance(1000);
    assert.ok(world.vovserver.accepts(await renewed));
  });
});
