import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accountOf, createWorld, refusal } from './replicas.ts';

describe('the broker on one replica', () => {
  it('logs in once and then answers at once from memory', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const credential = world.first.broker.credentialFor(accountOf('alice'));
    const token = await credential.get();
    assert.equal(credential.get(), token);
    assert.equal(world.vovserver.logins.length, 1);
    assert.deepEqual(world.first.report.lookups, ['main login', 'main memory']);
    assert.equal(token.tokenType, 'Bearer');
    assert.ok(world.vovserver.accepts(token));
  });

  it('gives the same credential for the same account and another one for another queue', async () => {
    await using world = createWorld();
    const { broker } = world.first;
    assert.equal(broker.credentialFor(accountOf('alice')), broker.credentialFor(accountOf('alice')));
    assert.notEqual(broker.credentialFor(accountOf('alice')), broker.credentialFor(accountOf('alice', 'other')));
    assert.notEqual(broker.credentialFor(accountOf('alice')), broker.credentialFor(accountOf('bob')));
  });

  it('keeps accounts and queues apart', async () => {
    await using world = createWorld();
    world.enrol('alice', 'bob');
    const { broker } = world.first;
    const accounts = [accountOf('alice'), accountOf('bob'), accountOf('alice', 'other')];
    const tokens = await Promise.all(accounts.map((account) => broker.credentialFor(account).get()));
    assert.equal(new Set(tokens.map(({ accessToken }) => accessToken.reveal())).size, 3);
    assert.deepEqual(world.vovserver.logins.map(({ queue, account }) => `${queue} ${account}`).sort(), [
      'main alice',
      'main bob',
      'other alice',
    ]);
  });

  it('shares one login among all who wait', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.vovserver.latency = 500;
    const waiting = Promise.all(Array.from({ length: 200 }, () => world.get(world.first, 'alice')));
    await world.clock.advance(600);
    assert.equal(new Set(await waiting).size, 1);
    assert.equal(world.vovserver.logins.length, 1);
  });

  it('replaces a JWT between 75 and 85 percent of its life and serves the old one meanwhile', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const old = await world.get(world.first, 'alice');
    const start = world.clock.now();
    world.vovserver.latency = 1000;
    while (world.vovserver.logins.length === 1) {
      await world.clock.advance(50);
      assert.equal(world.first.broker.credentialFor(accountOf('alice')).get(), old);
    }
    const share = (world.clock.now() - start) / world.vovserver.life;
    assert.ok(share >= 0.75 && share <= 0.86, `replaced at ${share}`);
    await world.clock.advance(1100);
    const next = world.first.broker.credentialFor(accountOf('alice')).get();
    assert.ok(!(next instanceof Promise) && next !== old);
    assert.deepEqual(
      world.first.report.logins.map(({ reason, result }) => `${reason} ${result}`),
      ['first ok', 'renewal ok'],
    );
  });

  it('renews in the background without a call while the account is active, and no longer', async () => {
    await using world = createWorld({ broker: { activeFor: '60s' } });
    world.enrol('alice');
    await world.get(world.first, 'alice');
    await world.clock.advance(60_000);
    const active = world.vovserver.logins.length;
    assert.ok(active >= 3, `${active} logins`);
    await world.clock.advance(600_000);
    assert.ok(world.vovserver.logins.length <= active + 1, 'an idle account is left alone');
    const token = await world.get(world.first, 'alice');
    assert.ok(world.vovserver.accepts(token));
  });

  it('renews an idle account in the background once a call comes late in the life of its JWT', async () => {
    await using world = createWorld({ broker: { activeFor: '1s' } });
    world.enrol('alice');
    world.vovserver.life = 100_000;
    const old = await world.get(world.first, 'alice');
    await world.clock.advance(90_000);
    assert.equal(world.vovserver.logins.length, 1);
    assert.equal(world.first.broker.credentialFor(accountOf('alice')).get(), old);
    await world.clock.advance(1);
    assert.notEqual(world.first.broker.credentialFor(accountOf('alice')).get(), old);
    assert.equal(world.vovserver.logins.length, 2);
  });

  it('does not look for a password with every call while none can be had', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.vovserver.life = 100_000;
    await world.get(world.first, 'alice');
    world.passwords.clear();
    await world.clock.advance(86_000);
    const looked = world.first.kv.seen.length;
    for (let call = 0; call < 90; call += 1) {
      await world.get(world.first, 'alice');
      await world.clock.advance(100);
    }
    assert.ok(world.first.kv.seen.length - looked < 10, `${world.first.kv.seen.length - looked} looks into the store`);
  });

  it('forgets accounts that nobody asks for any more', async () => {
    await using world = createWorld({ broker: { activeFor: '10s' } });
    world.enrol('alice');
    const { broker } = world.first;
    const credential = broker.credentialFor(accountOf('alice'));
    await credential.get();
    await world.clock.advance(16_000);
    assert.equal(broker.credentialFor(accountOf('alice')), credential, 'its JWT is still good');
    await world.clock.advance(60_000);
    const anew = broker.credentialFor(accountOf('alice'));
    assert.notEqual(anew, credential);
    await anew.get();
    await world.clock.advance(60_000);
    assert.ok(world.vovserver.accepts(await credential.get()), 'who still has the old one is served');
  });

  it('cuts the wait for a renewal into pieces that a timer of Node can take', async () => {
    await using world = createWorld({ broker: { activeFor: '60d', renewFrom: 0.9, renewTo: 0.95 } });
    world.enrol('alice');
    const delays: number[] = [];
    const { after } = world.clock;
    world.clock.after = (ms, fn) => {
      delays.push(ms);
      return after(ms, fn);
    };
    world.vovserver.life = 29 * 86_400_000;
    await world.get(world.first, 'alice');
    assert.ok(delays.length > 0 && delays.every((ms) => ms < 2 ** 31), `${delays}`);
    world.vovserver.life = 36 * 3_600_000;
    await world.first.broker.drop(accountOf('alice'));
    await world.clock.advance(1000);
    await world.get(world.first, 'alice');
    await world.clock.advance(36 * 3_600_000);
    assert.equal(world.vovserver.logins.length, 3, 'renewed after more than one piece');
  });

  it('never hands out a JWT that vovserver would call expired', async () => {
    await using world = createWorld({ broker: { activeFor: '1ms' } });
    world.enrol('alice');
    for (let step = 0; step < 200; step += 1) {
      assert.ok(world.vovserver.accepts(await world.get(world.first, 'alice')), `at step ${step}`);
      await world.clock.advance(333);
    }
  });

  it('runs no more logins at once than allowed for each queue', async () => {
    await using world = createWorld({ broker: { loginConcurrency: 3 } });
    const names = Array.from({ length: 30 }, (_, index) => `u${index}`);
    world.enrol(...names);
    world.vovserver.latency = 100;
    const all = Promise.all(names.map((name) => world.get(world.first, name)));
    await world.clock.advance(1200);
    assert.equal((await all).length, 30);
    assert.equal(world.vovserver.mostRunning, 3);
  });

  it('gives up a call that waits too long for a login slot', async () => {
    await using world = createWorld({ broker: { loginConcurrency: 1 } });
    world.enrol('alice', 'bob');
    world.vovserver.latency = 60_000;
    const alice = world.get(world.first, 'alice');
    const bob = assert.rejects(world.get(world.first, 'bob'), refusal('GW_UPSTREAM_DOWN', /account bob on queue main/));
    await world.clock.advance(20_000);
    await bob;
    await world.clock.advance(60_000);
    await alice;
    assert.deepEqual(
      world.vovserver.logins.map(({ account }) => account),
      ['alice'],
    );
  });

  it('says what is missing when no source knows the account', async () => {
    await using world = createWorld();
    for (let call = 0; call < 5; call += 1) {
      await assert.rejects(
        world.get(world.first, 'nobody'),
        refusal('GW_CREDENTIAL_UNAVAILABLE', /account nobody on queue main.*administrator/),
      );
    }
    assert.equal(world.vovserver.logins.length, 0);
    assert.deepEqual(
      world.first.report.logins.map(({ result, detail }) => [result, detail]),
      [['no_password', 'asked: map']],
      'reported once, not with every call',
    );
    world.enrol('nobody');
    await world.get(world.first, 'nobody');
  });

  it('asks the sources in order and does not pass one that fails', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const [map] = world.sources;
    const broken = {
      name: 'vault',
      find: () => Promise.reject(new Error('sealed')),
      [Symbol.asyncDispose]: async () => undefined,
    };
    const empty = { ...broken, name: 'empty', find: async () => null };
    assert.ok(map);
    world.sources = [broken, map];
    await assert.rejects(world.get(world.first, 'alice'), refusal('GW_CREDENTIAL_UNAVAILABLE', /account alice/));
    assert.match(world.first.report.logins[0]?.detail ?? '', /vault: sealed/);
    world.sources = [empty, map, broken];
    await world.get(world.first, 'alice');
  });

  it('reports how many JWTs there are and when the first of an active account ends', async () => {
    await using world = createWorld({ broker: { activeFor: '8s' } });
    world.enrol('alice', 'bob');
    world.vovserver.life = 3_600_000;
    await world.get(world.first, 'alice');
    await world.clock.advance(5000);
    assert.deepEqual(world.first.report.expiries, [
      ['main', 3595, 1],
      ['other', null, 0],
    ]);
    await world.get(world.first, 'bob');
    await world.clock.advance(5000);
    assert.deepEqual(world.first.report.expiries[2], ['main', 3595, 2], 'alice is no longer active');
    await world.clock.advance(10_000);
    assert.deepEqual(world.first.report.expiries.at(-2), ['main', null, 2]);
  });

  it('says so when the queue is no longer configured', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.config = { ...world.config, queues: world.config.queues.slice(1) };
    await assert.rejects(world.get(world.first, 'alice'), refusal('GW_CREDENTIAL_UNAVAILABLE', /queue main/));
  });

  it('ends what is under way when it is disposed', async () => {
    await using world = createWorld();
    world.enrol('alice');
    world.vovserver.latency = 5000;
    const call = assert.rejects(world.get(world.first, 'alice'), refusal('GW_UPSTREAM_DOWN', /reachable/));
    await world.clock.advance(10);
    await world.first.broker[Symbol.asyncDispose]();
    await call;
    await assert.rejects(world.get(world.first, 'alice'), refusal('GW_DRAINING', /shutting down/));
    await world.clock.advance(600_000);
    assert.equal(world.vovserver.logins.length, 1);
  });
});
