import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayError, type Identity, systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { assertionOf, createPeopleWorld, rulesFrom } from './people-world.ts';

const CROWD = 24;

/** Lets all sign in at once, alternating between two replicas; the identities of those who got in. */
async function rush(
  one: KeyValue,
  two: KeyValue,
  assertions: readonly ReturnType<typeof assertionOf>[],
  rules = rulesFrom(),
) {
  const world = createPeopleWorld(rules, one);
  const replicas = [world.people, world.join({ kv: two })];
  const settled = await Promise.allSettled(assertions.map(async (assertion, at) => replicas[at % 2]?.admit(assertion)));
  const winners: Identity[] = [];
  for (const outcome of settled) {
    if (outcome.status === 'fulfilled') winners.push(...(outcome.value ? [outcome.value] : []));
    else {
      assert.ok(outcome.reason instanceof GatewayError, String(outcome.reason));
      assert.equal(outcome.reason.code, 'GW_IDENTITY_CONFLICT');
    }
  }
  return { world, winners };
}

const strangers = Array.from({ length: CROWD }, (_, at) => assertionOf(`id-${at}`, 'alice'));

describe('a crowd that wants one name, over two replicas on a real Redis', () => {
  it('exactly one gets it, and keeps it', async () => {
    await using redis = await startRedis();
    for (let round = 0; round < 5; round++) {
      const config = redis.config({ keyPrefix: `round${round}` });
      await using one = createRedisKeyValue(config, { clock: systemClock });
      await using two = createRedisKeyValue(config, { clock: systemClock });
      await eventually('both are up', () => one.state() === 'up' && two.state() === 'up');
      const { world, winners } = await rush(one, two, strangers);
      assert.equal(winners.length, 1);
      const bindings = await world.people.bindings();
      assert.deepEqual(
        bindings.map(({ subject }) => subject),
        winners.map(({ subject }) => subject),
      );
    }
  });

  it('one person who signs in many times at once gets in each time', async () => {
    await using redis = await startRedis();
    await using one = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using two = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('both are up', () => one.state() === 'up' && two.state() === 'up');
    const same = Array.from({ length: 8 }, () => assertionOf('id-1', 'alice'));
    const { world, winners } = await rush(one, two, same);
    assert.equal(winners.length, same.length);
    assert.equal((await world.people.bindings()).length, 1);
  });

  it('shows no user name, subject or account in a dump', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await eventually('it is up', () => kv.state() === 'up');
    const rules = rulesFrom({ rules: [{ match: { provider: 'corp' }, table: { 'alice.liddell': 'wonderland' } }] });
    const world = createPeopleWorld(rules, kv);
    await world.people.admit(assertionOf('looking-glass', 'alice.liddell'));
    const keys = (await redis.command('KEYS', '*')) as string[];
    assert.equal(keys.length, 8, keys.join(' '));
    const values = [];
    for (const key of keys) {
      const type = await redis.command('TYPE', key);
      values.push(await (type === 'set' ? redis.command('SMEMBERS', key) : redis.command('GET', key)));
    }
    const dump = JSON.stringify([keys, values]);
    for (const clear of ['alice.', 'liddell', 'wonderland', 'looking-glass', '"corp', '"vnc']) {
      assert.ok(!dump.includes(clear), `the dump shows ${clear}`);
    }
  });
});

describe('a crowd with overlapping wishes', () => {
  it('never gives one account to two', async () => {
    const table = Object.fromEntries(Array.from({ length: CROWD }, (_, at) => [`u${at}`, `acc${at % 5}`]));
    const rules = rulesFrom({ rules: [{ match: { provider: 'corp' }, table }] });
    const clock = createManualClock();
    await using kv = createMemoryKeyValue({ clock });
    const { world, winners } = await rush(
      kv,
      kv,
      Object.keys(table).map((user, at) => assertionOf(`id-${at}`, user)),
      rules,
    );
    const accounts = winners.map(({ bound }) => bound?.vnc);
    assert.equal(new Set(accounts).size, accounts.length);
    assert.equal(accounts.length, 5);
    assert.equal((await world.people.bindings()).length, 5);
    // Who lost holds nothing: with accounts of their own they all get in.
    const own = Object.fromEntries(Object.keys(table).map((user) => [user, user]));
    world.use({ rules: rulesFrom({ rules: [{ match: { provider: 'corp' }, table: own }] }) });
    for (const [at, user] of Object.keys(table).entries()) {
      assert.equal((await world.people.admit(assertionOf(`id-${at}`, user))).user, user);
    }
  });
});
