import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Secret } from '../../src/kernel/index.ts';
import { createSealer } from '../../src/platform/index.ts';
import { jwtAad, jwtKey, tagOf } from '../../src/tokens/account-keys.ts';
import { createJwtStore } from '../../src/tokens/jwt-store.ts';
import { accountOf, createRecordedReport, createWorld, refusal, SEALING_KEY, type World } from './replicas.ts';

const EPOCH = 'vov1:6330';
const keyOf = (name: string): string => jwtKey(tagOf(accountOf(name)), EPOCH);

/** Moves the stored value of one key to another. */
async function move(world: World, from: string, to: string): Promise<void> {
  const value = await world.store.get(from);
  assert.ok(value);
  await world.store.set(to, value, null);
}

describe('secrets of the broker', () => {
  it('reach neither the store nor the report, whatever happens', async () => {
    await using world = createWorld({ replicas: 2 });
    const [a, b] = world.replicas;
    assert.ok(a && b);
    world.enrol('alice', 'zoltan');
    world.passwords.set('zoltan', 'pw that is wrong');
    const tokens = [await world.get(a, 'alice'), await world.get(b, 'alice')];
    for (let call = 0; call < 3; call += 1) await assert.rejects(world.get(a, 'zoltan'));
    await world.clock.advance(40_000);
    tokens.push(await a.broker.credentialFor(accountOf('alice')).renew(await world.get(a, 'alice')));
    await b.broker.drop(accountOf('alice'));

    const secrets = [...tokens.map(({ accessToken }) => accessToken.reveal()), 'pw of alice', 'pw that is wrong'];
    const stored = world.replicas.flatMap(({ kv }) => kv.seen).join('\n');
    const reported = world.replicas.flatMap(({ report }) => report.all).join('\n');
    assert.ok(stored.length > 2000 && reported.length > 200, 'something was recorded');
    for (const secret of secrets) {
      assert.ok(!stored.includes(secret) && !reported.includes(secret), 'a secret got out');
      assert.ok(!stored.includes(Buffer.from(secret).toString('base64').slice(0, 12)));
    }
    assert.doesNotMatch(stored, /alice|zoltan/, 'the store shows no user name');
  });

  it('do not show in errors', async () => {
    await using world = createWorld();
    world.passwords.set('alice', 'pw that is wrong');
    const error = await world.get(world.first, 'alice').catch((thrown: unknown) => thrown);
    assert.ok(refusal('GW_CREDENTIAL_UNAVAILABLE', /alice/)(error));
    assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /pw that/);
  });

  it('are refused when a sealed JWT was moved to another account, queue or epoch', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice', 'bob');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    const alice = await world.get(a, 'alice');
    await move(world, keyOf('alice'), keyOf('bob'));
    await move(world, keyOf('alice'), jwtKey(tagOf(accountOf('alice', 'other')), EPOCH));
    await move(world, keyOf('alice'), jwtKey(tagOf(accountOf('alice')), 'vov2:6330'));
    const got = [await world.get(b, 'bob'), await b.broker.credentialFor(accountOf('alice', 'other')).get()];
    world.vovserver.epochName = 'vov2:6330';
    got.push(await world.get(b, 'alice'));
    for (const token of got) assert.notEqual(token.accessToken.reveal(), alice.accessToken.reveal());
    assert.equal(world.vovserver.logins.length, 4);
    assert.equal(b.report.all.filter((line) => line.includes('jwt_unsealable')).length >= 3, true);
    world.vovserver.epochName = EPOCH;
  });

  it('do not come back to life when an old sealed JWT is put back', async () => {
    await using world = createWorld({ replicas: 2 });
    world.enrol('alice');
    const [a, b] = world.replicas;
    assert.ok(a && b);
    await world.get(a, 'alice');
    const old = await world.store.get(keyOf('alice'));
    assert.ok(old);
    await world.clock.advance(20_000);
    const now = await world.get(a, 'alice');
    await world.store.set(keyOf('alice'), old, null);
    assert.ok(world.vovserver.accepts(await world.get(b, 'alice')));
    assert.ok(world.vovserver.accepts(now));
  });

  it('survive a rotation of the sealing key', async () => {
    await using world = createWorld();
    world.enrol('alice');
    const token = await world.get(world.first, 'alice');
    const { store: kv, clock } = world;
    const next = Buffer.alloc(32, 9).toString('base64');
    const report = createRecordedReport();
    const rotated = createSealer({ current: new Secret(next), previous: SEALING_KEY });
    const read = await createJwtStore({ kv, sealer: rotated, clock, report }).read(accountOf('alice'), EPOCH);
    assert.equal(read.kind === 'jwt' && read.token.accessToken.reveal(), token.accessToken.reveal());
    const foreign = createSealer({ current: new Secret(next) });
    const refused = await createJwtStore({ kv, sealer: foreign, clock, report }).read(accountOf('alice'), EPOCH);
    assert.deepEqual(refused, { kind: 'absent' });
  });

  it('are sealed for exactly one account, queue and epoch', () => {
    const parts = [
      jwtAad({ queue: 'a', name: 'b' }, 'c'),
      jwtAad({ queue: 'a', name: 'b","c' }, ''),
      jwtAad({ queue: 'a","b', name: '' }, 'c'),
      jwtAad({ queue: 'b', name: 'a' }, 'c'),
    ];
    assert.equal(new Set(parts).size, parts.length);
  });
});
