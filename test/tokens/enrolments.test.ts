import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '../../src/kernel/index.ts';
import { createEnrolWorld } from './enrol-world.ts';
import { down } from './fake-vovserver.ts';
import { accountOf, refusal } from './replicas.ts';

const ALICE = accountOf('alice');

describe('a password that somebody enrols', () => {
  it('is tried once, kept when vovserver accepts it, and its JWT is used at once on every replica', async () => {
    await using world = createEnrolWorld({ replicas: 3 });
    world.vovserver.passwords.set('alice', 'sesame');
    assert.deepEqual(await world.enrol(world.first, 'alice', 'sesame'), { kind: 'accepted' });
    const tokens = await Promise.all(world.replicas.map((replica) => world.get(replica, 'alice')));
    assert.equal(new Set(tokens.map(({ accessToken }) => accessToken.reveal())).size, 1);
    assert.equal(world.vovserver.logins.length, 1);
    for (const { enrolments } of world.replicas) assert.equal(await enrolments.enrolledAt(ALICE), world.clock.now());
  });

  it('serves every replica when the JWT has ended', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(world.first, 'alice', 'sesame');
    await world.clock.advance(60_000);
    for (const replica of world.replicas) assert.ok(world.vovserver.accepts(await world.get(replica, 'alice')));
    assert.equal(world.vovserver.logins.at(-1)?.password, 'sesame');
  });

  it('is not kept when vovserver rejects it', async () => {
    await using world = createEnrolWorld();
    world.vovserver.passwords.set('alice', 'sesame');
    assert.deepEqual(await world.enrol(world.first, 'alice', 'wrong'), { kind: 'rejected' });
    assert.equal(await world.first.enrolments.enrolledAt(ALICE), null);
    await assert.rejects(
      world.get(world.first, 'alice'),
      refusal('GW_CREDENTIAL_UNAVAILABLE', /alice on queue main.*\/ui\/credential/),
    );
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('is not kept when vovserver cannot be reached, and says why', async () => {
    await using world = createEnrolWorld();
    world.vovserver.failure = down();
    await assert.rejects(world.enrol(world.first, 'alice', 'sesame'), refusal('GW_UPSTREAM_DOWN', /not reachable/));
    assert.equal(await world.first.enrolments.enrolledAt(ALICE), null);
    world.vovserver.failure = null;
    world.vovserver.passwords.set('alice', 'sesame');
    assert.deepEqual(
      await world.enrol(world.first, 'alice', 'sesame'),
      { kind: 'accepted' },
      'an outage is no verdict',
    );
  });

  it('leaves the one that is there alone when it is rejected, and takes its place when accepted', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'old');
    await world.enrol(a, 'alice', 'old');
    assert.deepEqual(await world.enrol(b, 'alice', 'typo'), { kind: 'rejected' });
    await world.clock.advance(60_000);
    assert.ok(world.vovserver.accepts(await world.get(b, 'alice')), 'the old one still logs in');
    world.vovserver.passwords.set('alice', 'new');
    assert.deepEqual(await world.enrol(a, 'alice', 'new'), { kind: 'accepted' });
    await world.clock.advance(60_000);
    assert.ok(world.vovserver.accepts(await world.get(b, 'alice')));
    assert.equal(world.vovserver.logins.at(-1)?.password, 'new');
  });

  it('belongs to one queue', async () => {
    await using world = createEnrolWorld();
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(world.first, 'alice', 'sesame');
    await assert.rejects(world.get(world.first, 'alice', 'other'), refusal('GW_CREDENTIAL_UNAVAILABLE', /queue other/));
    assert.deepEqual(await world.stateOf(world.first, 'alice', 'other'), { kind: 'no-password' });
  });

  it('is refused where it is not open, for shared accounts, and when it is no password', async () => {
    await using world = createEnrolWorld({ credentials: [{ type: 'enrolled', queues: ['main'] }] });
    const { enrolments } = world.first;
    assert.deepEqual([enrolments.isOpen('main'), enrolments.isOpen('other')], [true, false]);
    const secret = new Secret('sesame');
    await assert.rejects(enrolments.enrol(accountOf('alice', 'other'), secret), refusal('GW_NOT_FOUND', /queue other/));
    await assert.rejects(enrolments.enrol({ ...ALICE, shared: true }, secret), refusal('GW_NO_ACCOUNT', /shared/));
    for (const [text, why] of [
      ['', /is empty/],
      ['two\nlines', /line break/],
      ['nul\0', /NUL/],
      ['x'.repeat(4097), /longer than 4096/],
    ] as const) {
      await assert.rejects(enrolments.enrol(ALICE, new Secret(text)), refusal('GW_BAD_BODY', why));
    }
    assert.equal(world.vovserver.logins.length, 0);
  });

  it('waits for its turn behind another login of the account', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'sesame');
    world.vovserver.latency = 1000;
    const both = Promise.all([world.enrol(a, 'alice', 'sesame'), world.enrol(b, 'alice', 'sesame')]);
    await world.clock.advance(4000);
    assert.deepEqual(await both, [{ kind: 'accepted' }, { kind: 'accepted' }]);
    assert.equal(world.vovserver.mostRunning, 1);
  });

  it('goes through the same slots as every login of its queue', async () => {
    await using world = createEnrolWorld({ broker: { loginConcurrency: 2 } });
    world.vovserver.latency = 1000;
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) world.vovserver.passwords.set(name, `pw of ${name}`);
    const all = Promise.all(names.map((name) => world.enrol(world.first, name, `pw of ${name}`)));
    await world.clock.advance(4000);
    assert.ok((await all).every(({ kind }) => kind === 'accepted'));
    assert.equal(world.vovserver.mostRunning, 2);
  });
});

describe('enrolling does not lock an account', () => {
  it('does not try a rejected password again before the cool-down has ended, on any replica', async () => {
    await using world = createEnrolWorld({ replicas: 2, broker: { coolDown: '15m' } });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    await world.enrol(a, 'alice', 'wrong');
    for (const replica of [a, b, a]) {
      assert.deepEqual(await world.enrol(replica, 'alice', 'wrong'), { kind: 'wait', seconds: 900 });
    }
    await world.clock.advance(600_000);
    assert.deepEqual(await world.enrol(b, 'alice', 'wrong'), { kind: 'wait', seconds: 300 });
    assert.equal(world.vovserver.logins.length, 1);
    await world.clock.advance(300_000);
    assert.deepEqual(await world.enrol(b, 'alice', 'wrong'), { kind: 'rejected' });
  });

  it('lets a typing error be corrected, but a third guess wait', async () => {
    await using world = createEnrolWorld({ replicas: 2, broker: { coolDown: '15m' } });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'sesame');
    assert.deepEqual(await world.enrol(a, 'alice', 'seasme'), { kind: 'rejected' });
    await world.clock.advance(60_000);
    assert.deepEqual(await world.enrol(b, 'alice', 'sesmae'), { kind: 'rejected' });
    assert.deepEqual(await world.enrol(a, 'alice', 'sesame'), { kind: 'wait', seconds: 840 });
    assert.deepEqual(await world.enrol(a, 'bob', 'anything'), { kind: 'rejected' }, 'others are not held up');
    await world.clock.advance(840_000);
    assert.deepEqual(await world.enrol(a, 'alice', 'sesame'), { kind: 'accepted' });
  });

  it('forgets the errors when a password was accepted', async () => {
    await using world = createEnrolWorld();
    world.vovserver.passwords.set('alice', 'sesame');
    for (let round = 0; round < 5; round += 1) {
      assert.deepEqual(await world.enrol(world.first, 'alice', `typo ${round}`), { kind: 'rejected' });
      assert.deepEqual(await world.enrol(world.first, 'alice', 'sesame'), { kind: 'accepted' });
    }
  });

  it('counts the attempt of the broker with a password that has become wrong', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'old');
    await world.enrol(a, 'alice', 'old');
    world.vovserver.passwords.set('alice', 'new');
    await world.clock.advance(60_000);
    const replace = refusal('GW_CREDENTIAL_UNAVAILABLE', /rejected the password of account alice.*\/ui\/credential/);
    await assert.rejects(world.get(a, 'alice'), replace);
    assert.deepEqual((await world.enrol(b, 'alice', 'old')).kind, 'wait');
    assert.deepEqual(await world.enrol(b, 'alice', 'guess'), { kind: 'rejected' });
    assert.equal((await world.enrol(b, 'alice', 'new')).kind, 'wait', 'that would be the third');
    await assert.rejects(world.get(a, 'alice'), replace);
    await assert.rejects(world.get(b, 'alice'), replace);
    assert.deepEqual(
      world.vovserver.logins.map(({ password }) => password),
      ['old', 'old', 'guess'],
      'the guess did not make the broker forget that the old one is wrong',
    );
  });

  it('counts by the name of the account over all queues, which may lead to one Unix account', async () => {
    await using world = createEnrolWorld({ replicas: 2, broker: { coolDown: '15m' } });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    assert.deepEqual(await world.enrol(a, 'alice', 'one', 'main'), { kind: 'rejected' });
    assert.deepEqual(await world.enrol(b, 'alice', 'two', 'other'), { kind: 'rejected' });
    for (const queue of ['main', 'other']) {
      assert.deepEqual(await world.enrol(a, 'alice', 'three', queue), { kind: 'wait', seconds: 900 });
    }
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('counts attempts on two queues at the same time one after the other', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.latency = 100;
    const tries = [0, 1, 2, 3, 4].map((at) =>
      world.enrol(at % 2 === 0 ? a : b, 'alice', `guess ${at}`, at % 2 === 0 ? 'main' : 'other'),
    );
    const all = Promise.all(tries);
    await world.clock.advance(5000);
    const kinds = (await all).map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ['rejected', 'rejected', 'wait', 'wait', 'wait']);
    assert.equal(world.vovserver.mostRunning, 1);
  });

  it('counts the attempt of the broker on another queue', async () => {
    await using world = createEnrolWorld();
    world.vovserver.passwords.set('alice', 'old');
    await world.enrol(world.first, 'alice', 'old', 'other');
    world.vovserver.passwords.set('alice', 'new');
    await world.clock.advance(60_000);
    await assert.rejects(world.get(world.first, 'alice', 'other'));
    assert.deepEqual(await world.enrol(world.first, 'alice', 'guess'), { kind: 'rejected' });
    assert.equal((await world.enrol(world.first, 'alice', 'new')).kind, 'wait', 'that would be the third');
  });

  it('takes a right password ten times an hour, on all replicas together', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'sesame');
    for (let at = 0; at < 10; at += 1) {
      assert.equal((await world.enrol(at % 2 === 0 ? a : b, 'alice', 'sesame')).kind, 'accepted');
      await world.clock.advance(60_000);
    }
    assert.deepEqual(await world.enrol(a, 'alice', 'sesame'), { kind: 'wait', seconds: 3000 });
    assert.equal(world.vovserver.logins.length, 10);
    await world.clock.advance(3_000_000);
    assert.equal((await world.enrol(b, 'alice', 'sesame')).kind, 'accepted');
    assert.equal((await world.enrol(b, 'alice', 'sesame')).kind, 'wait');
  });

  it('tries nothing while the store, which remembers, is away', async () => {
    await using world = createEnrolWorld();
    world.vovserver.passwords.set('alice', 'sesame');
    world.first.kv.reachable = false;
    await assert.rejects(world.enrol(world.first, 'alice', 'sesame'), refusal('GW_STORE_UNAVAILABLE', /store is away/));
    assert.equal(world.vovserver.logins.length, 0);
  });
});

describe('an account that becomes another’s', () => {
  const by = (subject: string) => ({ user: 'alice', subject });
  const give = async (world: ReturnType<typeof createEnrolWorld>, subject: string): Promise<void> => {
    world.vovserver.passwords.set('alice', 'sesame');
    await world.first.enrolments.enrol(ALICE, new Secret('sesame'), by(subject));
    for (const replica of world.replicas) await world.get(replica, 'alice');
  };

  it('has neither password nor JWT of the former owner, on any replica', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    await give(world, 'corp:old');
    await world.replicas[1]?.enrolments.forgetOthers(ALICE, 'corp:new');
    await world.clock.advance(1);
    for (const replica of world.replicas) {
      await assert.rejects(world.get(replica, 'alice'), refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/));
      assert.equal(await replica.enrolments.enrolledAt(ALICE), null);
    }
  });

  it('keeps what the new owner gave', async () => {
    await using world = createEnrolWorld();
    await give(world, 'corp:new');
    await world.first.enrolments.forgetOthers(ALICE, 'corp:new');
    const again = world.get(world.first, 'alice');
    await world.clock.advance(2000);
    assert.ok(await again);
    assert.equal(world.vovserver.logins.length, 2, 'the JWT was dropped, the password stayed');
  });

  it('loses what nobody can open, and what was given before the owner was sealed in', async () => {
    await using world = createEnrolWorld();
    await world.enrol(world.first, 'alice', 'wrong');
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(world.first, 'alice', 'sesame');
    await world.first.enrolments.forgetOthers(ALICE, 'corp:new');
    assert.equal(await world.first.enrolments.enrolledAt(ALICE), null);
  });
});

describe('removing a password', () => {
  it('removes also one that is being given meanwhile', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'sesame');
    world.vovserver.latency = 1000;
    const late = world.enrol(a, 'alice', 'sesame');
    await world.clock.advance(500);
    const removed = b.enrolments.remove(ALICE);
    await world.clock.advance(3000);
    assert.deepEqual([await late, await removed], [{ kind: 'accepted' }, true]);
    assert.equal(await b.enrolments.enrolledAt(ALICE), null);
    await assert.rejects(world.get(a, 'alice'));
  });

  it('ends password and JWT on every replica', async () => {
    await using world = createEnrolWorld({ replicas: 3 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(a, 'alice', 'sesame');
    for (const replica of world.replicas) await world.get(replica, 'alice');
    assert.equal(await b.enrolments.remove(ALICE), true);
    await world.clock.advance(1);
    for (const replica of world.replicas) {
      await assert.rejects(world.get(replica, 'alice'), refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/));
      assert.deepEqual(await world.stateOf(replica, 'alice'), { kind: 'no-password' });
    }
    assert.equal(await a.enrolments.remove(ALICE), false);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('waits for a login that is under way, so that no JWT comes back to life', async () => {
    await using world = createEnrolWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(a, 'alice', 'sesame');
    await world.clock.advance(60_000);
    world.vovserver.latency = 1000;
    const late = world.get(a, 'alice');
    await world.clock.advance(500);
    const removed = b.enrolments.remove(ALICE);
    await world.clock.advance(2000);
    assert.ok(await late, 'whoever had begun gets its answer');
    assert.equal(await removed, true);
    for (const replica of world.replicas) await assert.rejects(world.get(replica, 'alice'));
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('holds for a login that has read the password but waits for its turn', async () => {
    await using world = createEnrolWorld({ replicas: 2, broker: { loginConcurrency: 1 } });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    for (const name of ['alice', 'bob']) {
      world.vovserver.passwords.set(name, 'sesame');
      await world.enrol(a, name, 'sesame');
    }
    await world.clock.advance(60_000);
    world.vovserver.latency = 1000;
    const before = world.vovserver.loginsOf('alice').length;
    const first = world.get(a, 'bob');
    await world.clock.advance(100);
    const waiting = assert.rejects(world.get(a, 'alice'), refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/));
    await world.clock.advance(100);
    assert.equal(await b.enrolments.remove(ALICE), true);
    await world.clock.advance(3000);
    await Promise.all([first, waiting]);
    assert.equal(world.vovserver.loginsOf('alice').length, before, 'the removed password was not used');
  });

  it('fails clearly while the store is away', async () => {
    await using world = createEnrolWorld();
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(world.first, 'alice', 'sesame');
    world.first.kv.reachable = false;
    await assert.rejects(world.first.enrolments.remove(ALICE), refusal('GW_STORE_UNAVAILABLE', /store is away/));
    await assert.rejects(world.first.enrolments.enrolledAt(ALICE), refusal('GW_STORE_UNAVAILABLE', /store is away/));
  });
});

describe('enrolled passwords while the store is away', () => {
  it('a JWT in memory keeps working to its end, then the answer is clear and at once', async () => {
    await using world = createEnrolWorld();
    world.vovserver.passwords.set('alice', 'sesame');
    await world.enrol(world.first, 'alice', 'sesame');
    world.first.kv.reachable = false;
    for (let second = 0; second < 19; second += 1) {
      assert.ok(world.vovserver.accepts(await world.get(world.first, 'alice')));
      await world.clock.advance(1000);
    }
    await assert.rejects(world.get(world.first, 'alice'), refusal('GW_STORE_UNAVAILABLE', /enrolled.*store is away/));
    assert.deepEqual((await world.stateOf(world.first, 'alice')).kind, 'unknown');
    world.first.kv.reachable = true;
    assert.ok(world.vovserver.accepts(await world.get(world.first, 'alice')));
  });
});
