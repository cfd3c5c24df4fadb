import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { Secret, systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, createSealer } from '../../src/platform/index.ts';
import { passwordAad, passwordKey } from '../../src/tokens/enrolled-passwords.ts';
import { createEnrolledPasswords } from '../../src/tokens/index.ts';
import { waitUntil } from '../../src/tokens/try-password.ts';
import { startRedis } from '../world/redis.ts';
import { createEnrolWorld, type EnrolWorld, VERSION_KEY } from './enrol-world.ts';
import { accountOf, createRecordedReport, refusal, SEALING_KEY } from './replicas.ts';

const keyOf = (name: string, queue = 'main'): string => passwordKey({ name, queue }, VERSION_KEY);

async function enrolAll(world: EnrolWorld, ...names: string[]): Promise<void> {
  for (const name of names) {
    world.vovserver.passwords.set(name, `open ${name}`);
    assert.deepEqual(await world.enrol(world.first, name, `open ${name}`), { kind: 'accepted' });
  }
}

describe('enrolled passwords in the store', () => {
  it('show neither password nor account name, whatever happens', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    await enrolAll(world, 'alice', 'zoltan');
    await world.enrol(world.first, 'zoltan', 'mistyped word');
    await world.clock.advance(60_000);
    for (const replica of world.replicas) await world.get(replica, 'alice');
    await world.first.enrolments.remove(accountOf('alice'));
    const stored = world.replicas.flatMap(({ kv }) => kv.seen).join('\n');
    const reported = world.replicas.flatMap(({ report }) => report.all).join('\n');
    assert.ok(stored.length > 2000 && reported.length > 100, 'something was recorded');
    assert.doesNotMatch(stored, /alice|zoltan/);
    for (const secret of ['open alice', 'open zoltan', 'mistyped word']) {
      assert.ok(!stored.includes(secret) && !reported.includes(secret), 'a secret got out');
      assert.ok(!stored.includes(Buffer.from(secret).toString('base64').slice(0, 10)));
    }
  });

  it('are told by name and owner only, to log and audit', async () => {
    await using world = createEnrolWorld();
    const by = { user: 'alice.liddell', subject: 'corp:42', address: '192.0.2.7', requestId: 'r-1' };
    const { enrolments, events } = world.first;
    world.vovserver.passwords.set('alice', 'sesame');
    await enrolments.enrol(accountOf('alice'), new Secret('wrong'), by);
    await enrolments.enrol(accountOf('alice'), new Secret('sesame'), by);
    await enrolments.remove(accountOf('alice'), by);
    await enrolments.remove(accountOf('alice'), by);
    assert.deepEqual(
      events,
      ['password_rejected', 'password_enrolled', 'password_removed'].map((what) => ({ what, id: 'alice', ...by })),
    );
  });

  it('do not show in errors', async () => {
    await using world = createEnrolWorld();
    world.first.kv.reachable = false;
    const error = await world.enrol(world.first, 'alice', 'very secret').catch((thrown: unknown) => thrown);
    assert.ok(refusal('GW_STORE_UNAVAILABLE', /away/)(error));
    assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /very secret/);
  });

  it('are refused when a sealed one was moved to another account or queue', async () => {
    await using world = createEnrolWorld();
    await enrolAll(world, 'alice', 'bob');
    await world.clock.advance(60_000);
    const sealed = await world.store.get(keyOf('alice'));
    assert.ok(sealed);
    await world.store.set(keyOf('bob'), sealed, null);
    await world.store.set(keyOf('alice', 'other'), sealed, null);
    const before = world.vovserver.logins.length;
    await assert.rejects(world.get(world.first, 'bob'), refusal('GW_CREDENTIAL_UNAVAILABLE', /bob/));
    await assert.rejects(world.get(world.first, 'alice', 'other'), refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/));
    assert.equal(world.vovserver.logins.length, before, 'nothing was sent to vovserver');
    assert.equal(await world.first.enrolments.enrolledAt(accountOf('bob')), null);
    assert.ok(world.first.report.all.some((line) => line.includes('password_unsealable')));
    await enrolAll(world, 'bob');
  });

  it('are refused when they were damaged or written by something else', async () => {
    await using world = createEnrolWorld();
    await enrolAll(world, 'alice');
    await world.clock.advance(60_000);
    const sealed = (await world.store.get(keyOf('alice'))) ?? '';
    const sealer = createSealer({ current: SEALING_KEY });
    const foreign = ['[3,"x",1,1]', '[2,"x",1,1,7]', '[1,"",1,1]', '[1,"x","1",1]', '{}', 'no json', '[1,"x",1]'].map(
      (text) => sealer.seal(text, passwordAad(accountOf('alice'))),
    );
    for (const value of ['', 'x', sealed.slice(0, -4), `${sealed.slice(0, -4)}AAAA`, ...foreign]) {
      await world.store.set(keyOf('alice'), value, null);
      await assert.rejects(world.get(world.first, 'alice'), refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/));
    }
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('have keys that cannot be guessed from the account, and none that two accounts share', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (queue, name, queue2, name2) => {
        const key = passwordKey({ queue, name }, VERSION_KEY);
        assert.match(key, /^enrolled:\{[\w-]{43}\}$/);
        assert.notEqual(key, passwordKey({ queue, name }, new Secret('another key')));
        const same = queue === queue2 && name === name2;
        assert.equal(key === passwordKey({ queue: queue2, name: name2 }, VERSION_KEY), same);
        assert.equal(passwordAad({ queue, name }) === passwordAad({ queue: queue2, name: name2 }), same);
      }),
    );
  });

  it('outlive two changes of the sealing key, when they are used in between', async () => {
    await using world = createEnrolWorld();
    await enrolAll(world, 'alice', 'bob');
    const [second, third] = [8, 9].map((byte) => new Secret(Buffer.alloc(32, byte).toString('base64')));
    assert.ok(second && third);
    const day = 86_400_000;
    const rotated = world.start(1, { current: second, previous: SEALING_KEY });
    await world.clock.advance(day);
    await world.get(rotated, 'alice');
    const again = world.start(2, { current: third, previous: second });
    await world.clock.advance(day);
    assert.ok(world.vovserver.accepts(await world.get(again, 'alice')));
    assert.notEqual(
      await again.enrolments.enrolledAt(accountOf('alice')),
      world.clock.now(),
      'given when it was given',
    );
    await assert.rejects(world.get(again, 'bob'), refusal('GW_CREDENTIAL_UNAVAILABLE', /bob.*\/ui\/credential/));
  });

  it('never lead to a shared account', async () => {
    await using world = createEnrolWorld();
    await enrolAll(world, 'svc');
    const passwords = createEnrolledPasswords({
      kv: world.store,
      sealer: createSealer({ current: SEALING_KEY }),
      clock: world.clock,
      report: createRecordedReport(),
      versionKey: VERSION_KEY,
    });
    assert.equal((await passwords.find(accountOf('svc')))?.secret.reveal(), 'open svc');
    assert.equal(await passwords.find({ ...accountOf('svc'), shared: true }), null);
  });

  it('hold on Redis as in memory, and a dump shows nothing', async () => {
    await using redis = await startRedis();
    await using kv = createRedisKeyValue(redis.config(), { clock: systemClock });
    await kv.ping();
    await using memory = createMemoryKeyValue({ clock: systemClock });
    for (const store of [kv, memory]) {
      const sealer = createSealer({ current: SEALING_KEY });
      const report = createRecordedReport();
      const options = { kv: store, sealer, clock: systemClock, report, versionKey: VERSION_KEY };
      const [one, two] = [createEnrolledPasswords(options), createEnrolledPasswords(options)];
      const account = accountOf('alice');
      await one.put(account, new Secret('open alice'), 'corp:looking-glass');
      const found = await two.find(account);
      assert.equal(found?.secret.reveal(), 'open alice');
      assert.equal(await found?.isCurrent?.(), true);
      await two.put(account, new Secret('another'), null);
      assert.equal(await found?.isCurrent?.(), false);
      if (store === kv) {
        const keys = (await redis.command('KEYS', '*')) as string[];
        const values = await Promise.all(keys.map((key) => redis.command('GET', key)));
        assert.equal(keys.length, 1);
        assert.doesNotMatch(JSON.stringify([keys, values]), /alice|another|main|looking/);
      }
      assert.equal(await one.remove(account), true);
      assert.equal(await one.remove(account), false);
      assert.equal(await two.find(account), null);
    }
  });
});

describe('the wait before a password may be tried', () => {
  const password = (version: string) => ({ secret: new Secret('x'), version });

  it('never lets the same version through, nor a third one, and ends when theirs ends', () => {
    const refusals = fc.array(fc.record({ version: fc.constantFrom('a', 'b', 'c', 'd'), until: fc.nat(100) }));
    fc.assert(
      fc.property(refusals, fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(100), (known, version, now) => {
        const until = waitUntil(password(version), known, now);
        const live = known.filter((refused) => refused.until > now);
        const versions = new Set(live.map((refused) => refused.version));
        if (until === null) {
          assert.ok(!versions.has(version) && versions.size < 2);
          return;
        }
        assert.ok(until > now, 'a wait is never over when it is told');
        assert.ok(versions.has(version) || versions.size >= 2);
        assert.ok(live.some((refused) => refused.until === until));
      }),
    );
  });
});
