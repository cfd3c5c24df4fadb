import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LimitsConfig } from '../../src/config/index.ts';
import { type Identity, systemClock } from '../../src/kernel/index.ts';
import { createLimiter, type Limiter } from '../../src/limits/index.ts';
import type { Report } from '../../src/observe/index.ts';
import { createRedisKeyValue, type KeyValue } from '../../src/platform/index.ts';
import { type RedisProcess, startRedis } from '../world/redis.ts';
import { ALICE, attempt, LANES } from './limits-world.ts';

// Windows so long that nothing refills while a test runs: what is asserted depends on no time.
const LIMITS: LimitsConfig = {
  mode: 'enforce',
  lanes: LANES,
  identity: { all: { requests: 300, window: 86_400_000 }, submit: { requests: 5, window: 86_400_000 } },
  groups: {},
  address: { requests: 100, window: 86_400_000 },
  attempts: { requests: 3, window: 86_400_000 },
  attemptsPerAddress: { requests: 200, window: 300_000 },
};

interface Replica {
  readonly kv: KeyValue;
  readonly limiter: Limiter;
  readonly decisions: string[];
}

async function startReplica(redis: RedisProcess, replicaId: string): Promise<Replica> {
  const kv = createRedisKeyValue(redis.config(), { clock: systemClock });
  await kv.ping();
  const decisions: string[] = [];
  const report = {
    limit: (policy, _cls, decision, source) => void decisions.push(`${policy} ${decision} ${source}`),
    log: { warn: (_fields: unknown, message: string) => void decisions.push(`warning ${message}`) },
  } as Pick<Report, 'limit'> & { log: Pick<Report['log'], 'warn'> } as Report;
  const limiter = createLimiter({ config: () => LIMITS, kv, replicas: () => 3, report, clock: systemClock, replicaId });
  return { kv, limiter, decisions };
}

async function createReplicas(count: number) {
  const redis = await startRedis();
  const replicas = await Promise.all(Array.from({ length: count }, (_, i) => startReplica(redis, `replica-${i}`)));
  const [first] = replicas;
  if (first === undefined) throw new RangeError('at least one replica is needed');
  return {
    redis,
    replicas,
    first,
    async [Symbol.asyncDispose]() {
      for (const { limiter, kv } of replicas) {
        await limiter[Symbol.asyncDispose]();
        await kv[Symbol.asyncDispose]();
      }
      await redis[Symbol.asyncDispose]();
    },
  };
}

async function allowedOf(limiter: Limiter, count: number, identity: Identity = ALICE): Promise<number> {
  const answers = await Promise.all(Array.from({ length: count }, () => limiter.admitIdentity(identity, 'read')));
  return answers.filter((answer) => answer.allowed).length;
}

describe('limiters on one Redis', () => {
  it('admit together exactly the limit', async () => {
    await using world = await createReplicas(3);
    let admitted = 0;
    for (let round = 0; round < 20; round += 1) {
      const each = await Promise.all(world.replicas.map(({ limiter }) => allowedOf(limiter, 10)));
      admitted += each.reduce((a, b) => a + b, 0);
    }
    // What a replica still holds in a lease when the others meet the end comes back and is then admitted.
    for (const { limiter } of world.replicas) await limiter[Symbol.asyncDispose]();
    const last = await startReplica(world.redis, 'last');
    admitted += await allowedOf(last.limiter, 300);
    await last.limiter[Symbol.asyncDispose]();
    await last.kv[Symbol.asyncDispose]();
    assert.equal(admitted, 300);
  });

  it('count failed attempts together', async () => {
    await using world = await createReplicas(3);
    for (const { limiter } of world.replicas) await attempt(limiter, '192.0.2.1', 'tok', true);
    for (const { limiter } of world.replicas) {
      assert.equal((await attempt(limiter, '192.0.2.1', 'tok', false)).allowed, false);
      assert.equal((await attempt(limiter, '192.0.2.1', null, false)).allowed, true);
      assert.equal((await attempt(limiter, '198.51.100.1', 'tok', false)).allowed, true);
    }
  });

  it('leave no user name, address or token id in a dump', async () => {
    await using world = await createReplicas(1);
    const { limiter } = world.first;
    await limiter.admitIdentity(ALICE, 'submit');
    await limiter.admitAddress('192.0.2.1');
    await attempt(limiter, '192.0.2.1', 'tok_123', true);
    const keys = (await world.redis.command('keys', '*')) as string[];
    assert.ok(keys.length >= 6, keys.join(' '));
    const values = await Promise.all(keys.map((key) => world.redis.command('get', key)));
    assert.doesNotMatch([...keys, ...values].join('\n'), /alice|192\.0\.2|tok_123|replica-/);
    for (const key of keys) assert.ok(Number(await world.redis.command('pttl', key)) > 0, `${key} never ends`);
  });
});

describe('a limiter whose Redis', () => {
  it('stops, goes on by its share and comes back without a throw', async () => {
    await using world = await createReplicas(1);
    const { limiter, kv, decisions } = world.first;
    assert.equal(await allowedOf(limiter, 30), 30);
    await world.redis.stop();
    const during = await allowedOf(limiter, 400);
    // A third of what was left, since three replicas are configured, and what was leased before.
    assert.ok(during >= 85 && during <= 105, `${during} allowed`);
    assert.match(decisions.at(-1) ?? '', /denied local$/);
    assert.equal((await attempt(limiter, '192.0.2.1', 'tok', false)).allowed, true);
    await attempt(limiter, '192.0.2.1', 'tok', true);
    assert.equal((await attempt(limiter, '192.0.2.1', 'tok', false)).allowed, false);
    await world.redis.start();
    while (kv.state() === 'down') await systemClock.sleep(20);
    let admission = await limiter.admitIdentity(ALICE, 'read');
    // The store is left alone for a moment after a failure.
    for (let i = 0; !decisions.at(-1)?.endsWith('store') && i < 500; i += 1) {
      await systemClock.sleep(20);
      admission = await limiter.admitIdentity(ALICE, 'read');
    }
    assert.equal(decisions.at(-1), 'identity allowed store');
    assert.equal(admission.allowed, true);
  });

  it('freezes, answers nobody late: all who waited get an answer by the share', async () => {
    await using world = await createReplicas(1);
    const { limiter, decisions } = world.first;
    await allowedOf(limiter, 1);
    world.redis.freeze();
    const allowed = await allowedOf(limiter, 250, { ...ALICE, subject: 'local:bob' });
    assert.equal(allowed, 100);
    assert.ok(decisions.slice(1).every((decision) => decision.endsWith('local')));
    world.redis.thaw();
  });
});
