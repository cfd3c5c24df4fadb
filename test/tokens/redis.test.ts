import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Config } from '../../src/config/index.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createLeases, createRedisKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { type Broker, createBroker } from '../../src/tokens/index.ts';
import { eventually } from '../world/eventually.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { createFakeVovserver, type FakeVovserver } from './fake-vovserver.ts';
import {
  accountOf,
  createMapSource,
  createRandom,
  createRecordedReport,
  type RecordedReport,
  SEALING_KEY,
  testConfig,
} from './replicas.ts';

interface RedisReplica {
  readonly kv: KeyValue;
  readonly broker: Broker;
  readonly report: RecordedReport;
}

interface RedisWorld extends AsyncDisposable {
  readonly vovserver: FakeVovserver;
  readonly replicas: readonly RedisReplica[];
  readonly passwords: Map<string, string>;
  enrol(...names: string[]): void;
}

let redis: RedisProcess;
before(async () => {
  redis = await startRedis();
});
after(() => redis[Symbol.asyncDispose]());

async function openReplica(config: Config, vovserver: FakeVovserver, passwords: Map<string, string>, index: number) {
  const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
  await eventually('Redis is there', () => kv.state() === 'up');
  const report = createRecordedReport();
  const broker = createBroker({
    config: () => config,
    kv,
    leases: createLeases(kv, { clock: systemClock, ownerId: `r${index}` }),
    sealer: createSealer({ current: SEALING_KEY }),
    upstream: vovserver,
    sources: () => [createMapSource(passwords)],
    report,
    clock: systemClock,
    random: createRandom(index + 1),
  });
  return { kv, broker, report };
}

/** Brokers that share the Redis, each over connections of its own, in real time. */
async function openWorld(count: number, settings: object = {}): Promise<RedisWorld> {
  await redis.command('FLUSHALL');
  const vovserver = createFakeVovserver(systemClock);
  const passwords = new Map<string, string>();
  const config = testConfig(settings);
  const replicas: RedisReplica[] = [];
  for (let index = 0; index < count; index += 1) {
    replicas.push(await openReplica(config, vovserver, passwords, index));
  }
  return {
    vovserver,
    replicas,
    passwords,
    enrol(...names) {
      for (const name of names) {
        passwords.set(name, `pw of ${name}`);
        vovserver.passwords.set(name, `pw of ${name}`);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { broker, kv } of replicas) {
        await broker[Symbol.asyncDispose]();
        await kv[Symbol.asyncDispose]();
      }
    },
  };
}

const jwtFrom = async ({ broker }: RedisReplica, name: string): Promise<string> =>
  (await broker.credentialFor(accountOf(name)).get()).accessToken.reveal();

describe('the broker on Redis', () => {
  it('logs each account in once for each period over all replicas', async () => {
    await using world = await openWorld(3, { loginConcurrency: 8 });
    const names = Array.from({ length: 12 }, (_, index) => `u${index}`);
    world.enrol(...names);
    world.vovserver.life = 2400;
    world.vovserver.latency = 30;
    const loginsOf = (name: string): number[] => world.vovserver.loginsOf(name).map(({ at }) => at);
    let polling = true;
    const poller = async (replica: RedisReplica, name: string): Promise<void> => {
      while (polling) {
        const token = await replica.broker.credentialFor(accountOf(name)).get();
        assert.ok(world.vovserver.accepts(token), `${name} got a dead JWT`);
        await systemClock.sleep(20);
      }
    };
    const pollers = Promise.all(world.replicas.flatMap((replica) => names.map((name) => poller(replica, name))));
    await eventually('every account had four periods', () => names.every((name) => loginsOf(name).length >= 5));
    polling = false;
    await pollers;
    for (const name of names) {
      const times = loginsOf(name);
      const pauses = times.slice(1).map((at, index) => at - (times[index] ?? at));
      // A period ends at 75 percent of the life at the earliest.
      assert.ok(
        pauses.every((ms) => ms >= 0.75 * world.vovserver.life - 1),
        `${name}: ${pauses}`,
      );
    }
  });

  it('gives all replicas one JWT when all need it in the same moment', async () => {
    await using world = await openWorld(3);
    world.enrol('alice');
    world.vovserver.latency = 100;
    const calls = world.replicas.flatMap((replica) => Array.from({ length: 20 }, () => jwtFrom(replica, 'alice')));
    assert.equal(new Set(await Promise.all(calls)).size, 1);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('takes over from a process that was killed in the middle of its login', async () => {
    await using world = await openWorld(2, { lease: '1200ms' });
    world.enrol('alice');
    const script = join(import.meta.dirname, 'dying-replica.ts');
    const args = [script, `127.0.0.1:${redis.port}`, '{"lease":"1200ms"}'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    assert.equal(String((await once(child.stdout, 'data'))[0]), 'login\n');
    const waiting = Promise.all(world.replicas.map((replica) => jwtFrom(replica, 'alice')));
    // Longer than the lease: its heartbeat keeps the others out.
    await systemClock.sleep(1800);
    assert.equal(world.vovserver.logins.length, 0);
    child.kill('SIGKILL');
    await exited;
    assert.equal(new Set(await waiting).size, 1);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('renews after a 401 once for all replicas, and tells them', async () => {
    await using world = await openWorld(3);
    world.enrol('alice');
    const [a, b, c] = world.replicas;
    assert.ok(a && b && c);
    const old = await a.broker.credentialFor(accountOf('alice')).get();
    for (const replica of world.replicas) await jwtFrom(replica, 'alice');
    await systemClock.sleep(1000);
    world.vovserver.kill('alice');
    const renewed = await Promise.all([a, b].map(({ broker }) => broker.credentialFor(accountOf('alice')).renew(old)));
    assert.equal(new Set(renewed.map(({ accessToken }) => accessToken.reveal())).size, 1);
    assert.equal(world.vovserver.logins.length, 2);
    // c made no call: it hears it.
    await eventually('the third replica has it', async () => (await jwtFrom(c, 'alice')) !== old.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('tries a wrong password once over all replicas', async () => {
    await using world = await openWorld(3);
    world.passwords.set('alice', 'wrong');
    const calls = world.replicas.flatMap((replica) => Array.from({ length: 10 }, () => jwtFrom(replica, 'alice')));
    const results = await Promise.allSettled(calls);
    assert.ok(results.every(({ status }) => status === 'rejected'));
    for (const replica of world.replicas) await assert.rejects(jwtFrom(replica, 'alice'), /rejected the password/);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('drops on every replica', async () => {
    await using world = await openWorld(2);
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const before = await jwtFrom(a, 'alice');
    assert.equal(await jwtFrom(b, 'alice'), before);
    await a.broker.drop(accountOf('alice'));
    await eventually('the other has dropped it', async () => (await jwtFrom(b, 'alice')) !== before);
  });

  it('shows neither a secret nor a user name in a dump', async () => {
    await using world = await openWorld(2);
    world.enrol('alice', 'zoltan');
    world.vovserver.passwords.set('zoltan', 'another');
    const [a] = world.replicas;
    assert.ok(a);
    const jwt = await jwtFrom(a, 'alice');
    await assert.rejects(jwtFrom(a, 'zoltan'));
    const keys = (await redis.command('KEYS', '*')) as string[];
    assert.ok(keys.length >= 2, `${keys}`);
    for (const key of keys) {
      const text = `${key} ${await redis.command('GET', key)}`;
      assert.doesNotMatch(text, /alice|zoltan|pw of/);
      assert.ok(!text.includes(jwt) && !text.includes(jwt.split('.')[1] ?? jwt));
      assert.notEqual(await redis.command('PTTL', key), -1, `${key} never ends`);
    }
  });

  it('serves and renews while Redis is gone, and shares again when it is back, empty', async () => {
    await using world = await openWorld(2);
    world.enrol('alice', 'bob');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const alice = await jwtFrom(a, 'alice');
    assert.equal(await jwtFrom(b, 'alice'), alice);
    await redis.stop();
    await eventually('both have noticed', () => a.kv.state() === 'down' && b.kv.state() === 'down');
    assert.equal(await jwtFrom(a, 'alice'), alice);
    const bob = await jwtFrom(a, 'bob');
    assert.equal(world.vovserver.logins.length, 2);
    await redis.start();
    await eventually('both are back', () => a.kv.state() === 'up' && b.kv.state() === 'up');
    await eventually('both JWTs are in the store again', async () => {
      const keys = (await redis.command('KEYS', '*jwt:*')) as string[];
      return keys.length === 2;
    });
    assert.equal(await jwtFrom(b, 'bob'), bob);
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('does not hang on a Redis that is frozen', async () => {
    await using world = await openWorld(1);
    world.enrol('alice', 'bob');
    const [a] = world.replicas;
    assert.ok(a);
    const alice = await jwtFrom(a, 'alice');
    redis.freeze();
    try {
      assert.equal(await jwtFrom(a, 'alice'), alice);
      assert.ok((await jwtFrom(a, 'bob')).length > 0);
    } finally {
      redis.thaw();
    }
    assert.equal(world.vovserver.logins.length, 2);
    await eventually('it is back', () => a.kv.state() === 'up');
  });
});
