import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccessTokens } from '../../src/auth/index.ts';
import { GatewayError, Secret, type TokenScope } from '../../src/kernel/index.ts';
import { createSealer } from '../../src/platform/index.ts';
import { localIdentity } from '../world/identities.ts';
import { config, createAuthWorld, refusalOf, seenOf, withTypo } from './auth-world.ts';

const DAY = 86_400_000;
const ALICE = { user: 'alice', label: 'laptop', scopes: ['read', 'submit'] as TokenScope[] };

async function oneToken(count = 1, lifeMs?: number) {
  const world = createAuthWorld(count);
  const [tokens] = world.replicas;
  assert.ok(tokens);
  const { token, info } = await tokens.create({ ...ALICE, ...(lifeMs === undefined ? {} : { lifeMs }) });
  return { world, tokens, token: token.reveal(), info };
}

describe('create', () => {
  it('gives a token that authenticates as its user with its scopes', async () => {
    const { world, tokens, token, info } = await oneToken();
    await using _ = world;
    const caller = await tokens.authenticate(token);
    assert.deepEqual(caller.identity, localIdentity('alice'));
    assert.deepEqual([...caller.scopes], ['read', 'submit']);
    assert.equal(caller.tokenId, info.id);
    assert.equal(caller.tokenLabel, 'laptop');
    assert.equal(caller.expiresAt, info.expiresAt);
    assert.equal(info.expiresAt, world.clock.now() + 30 * DAY);
    assert.deepEqual(info, {
      id: info.id,
      subject: 'local:alice',
      user: 'alice',
      label: 'laptop',
      scopes: ['read', 'submit'],
      createdAt: world.clock.now(),
      expiresAt: info.expiresAt,
      lastUsedAt: null,
      parent: null,
    });
  });

  it('keeps scopes in one order, each once', async () => {
    await using world = createAuthWorld();
    const scopes: TokenScope[] = ['control', 'read', 'control'];
    const made = await world.replicas[0]?.create({ ...ALICE, scopes });
    assert.deepEqual(made?.info.scopes, ['read', 'control']);
  });

  const faults: readonly [string, object, RegExp][] = [
    ['a user name that is none', { user: 'al ice' }, /user: the user name holds other characters/],
    ['an empty user name', { user: '' }, /user: the user name is empty/],
    ['a look-alike user name', { user: 'аlice' }, /user: /],
    ['an empty label', { label: '' }, /label: give 1 to 64 printable characters/],
    ['a long label', { label: 'x'.repeat(65) }, /label/],
    ['a label with a control character', { label: 'a\nb' }, /label/],
    ['a label with an invisible character', { label: 'a\u202eb' }, /label/],
    ['no scope', { scopes: [] }, /scopes: name at least one of read, submit, control/],
    ['an unknown scope', { scopes: ['admin'] }, /scopes: there is no “admin”/],
    ['no life', { lifeMs: 0 }, /life: must be longer/],
    ['a negative life', { lifeMs: -1 }, /life/],
    ['a life that is no number', { lifeMs: Number.NaN }, /life/],
    ['a life above the maximum', { lifeMs: 91 * DAY }, /at most 90 days \(accessTokens\.maxLife\), not 91/],
  ];
  for (const [what, change, text] of faults) {
    it(`refuses ${what} and stores nothing`, async () => {
      await using world = createAuthWorld();
      const error = await refusalOf(() => world.replicas[0]?.create({ ...ALICE, ...change }));
      assert.equal(error.code, 'GW_BAD_REQUEST');
      assert.match(error.detail, text);
      assert.deepEqual(world.store.written, []);
    });
  }

  it('takes a label in any language, and the longest life', async () => {
    await using world = createAuthWorld();
    const made = await world.replicas[0]?.create({ ...ALICE, label: 'Prüfstand 7 (試験)', lifeMs: 90 * DAY });
    assert.equal(made?.info.label, 'Prüfstand 7 (試験)');
  });

  it('says 503 while the store is away', async () => {
    await using world = createAuthWorld();
    world.store.away = true;
    const error = await refusalOf(() => world.replicas[0]?.create(ALICE));
    assert.equal(error.code, 'GW_STORE_UNAVAILABLE');
    assert.ok((error.retryAfter ?? 0) >= 1);
  });
});

describe('what is kept', () => {
  it('shows neither secret, token, user name nor label in clear', async () => {
    await using world = createAuthWorld();
    const [tokens] = world.replicas;
    assert.ok(tokens);
    const { token } = await tokens.create({ ...ALICE, user: 'alice.liddell', label: 'rabbit-hole' });
    await tokens.authenticate(token.reveal());
    await tokens.derive(token.reveal(), () => true, 60_000);
    await tokens.admit('alice.liddell', 'main', 60_000);
    const dump = world.store.written.join('\n');
    assert.ok(dump.length > 500);
    const secret = token.reveal().slice(17);
    for (const clear of ['alice.', 'liddell', 'rabbit-hole', 'local:', secret, secret.slice(0, 8), token.reveal()]) {
      assert.ok(!dump.includes(clear), `the store holds ${clear}`);
      assert.ok(!dump.includes(Buffer.from(clear).toString('base64').replace(/=+$/, '')), `the store holds ${clear}`);
    }
  });

  it('does not open under another id: swapped records are nobody', async () => {
    await using world = createAuthWorld();
    const [tokens] = world.replicas;
    assert.ok(tokens);
    const alice = await tokens.create(ALICE);
    const bob = await tokens.create({ ...ALICE, user: 'bob' });
    const sealed = await world.store.get(`token:{${bob.info.id}}`);
    await world.store.set(`token:{${alice.info.id}}`, sealed ?? '', null);
    assert.equal((await refusalOf(() => tokens.authenticate(alice.token.reveal()))).status, 401);
    assert.equal((await tokens.authenticate(bob.token.reveal())).identity.user, 'bob');
  });

  it('does not open under another key, and tells the log', async () => {
    const { world, token, info } = await oneToken();
    await using _ = world;
    const told: unknown[] = [];
    const note = (fields: object): void => void told.push(fields);
    const other = world.join({
      sealer: createSealer({ current: new Secret(Buffer.alloc(32, 7).toString('base64')) }),
      report: { log: { debug: note, info: note, warn: note, error: note }, credential: () => undefined },
    });
    assert.equal((await refusalOf(() => other.authenticate(token))).status, 401);
    assert.deepEqual(told, [{ event: 'token_unreadable', token_id: info.id }]);
  });

  it('does not authenticate under another key of the hash', async () => {
    const { world, token } = await oneToken();
    await using _ = world;
    const secrets = { ...config.secrets, tokenKey: new Secret('another-key-'.repeat(4)) };
    const other = world.join({ config: () => ({ ...config, secrets }) });
    assert.equal((await refusalOf(() => other.authenticate(token))).status, 401);
  });

  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"hash":1}',
    'not json',
    '{"hash":"x","user":"a","label":"b","scopes":"read"}',
  ]) {
    it(`takes a sealed ${JSON.stringify(text)} for no token`, async () => {
      const clear = createSealer({ current: new Secret(Buffer.alloc(32, 1).toString('base64')) });
      const { world, token, info } = await oneToken();
      await using _ = world;
      await world.store.set(`token:{${info.id}}`, clear.seal(text, `token:${info.id}`), null);
      const other = world.join({ sealer: clear });
      assert.equal((await refusalOf(() => other.authenticate(token))).status, 401);
    });
  }

  it('ends in the store with the token', async () => {
    const { world, tokens, token, info } = await oneToken(1, 60_000);
    await using _ = world;
    await tokens.authenticate(token);
    await world.clock.advance(60_001);
    assert.equal(await world.store.get(`token:{${info.id}}`), null);
    assert.equal(await world.store.get(`token:{${info.id}}:used`), null);
  });
});

describe('wrong tokens', () => {
  it('give byte-identical answers for unknown, mistyped, expired, revoked and wrong secret', async () => {
    const { world, tokens, token } = await oneToken(1, 60_000);
    await using _ = world;
    const revoked = await tokens.create(ALICE);
    await tokens.authenticate(revoked.token.reveal());
    await tokens.revoke(revoked.info.id);
    await using elsewhere = createAuthWorld();
    const unknown = await elsewhere.replicas[0]?.create(ALICE);
    await tokens.authenticate(token);
    await world.clock.advance(60_000);
    const answers = [];
    for (const text of [
      unknown?.token.reveal() ?? '',
      withTypo(token),
      token,
      revoked.token.reveal(),
      '',
      'x',
      'vgw_',
    ]) {
      answers.push(seenOf(await refusalOf(() => tokens.authenticate(text))));
    }
    assert.equal(new Set(answers).size, 1, answers.join('\n'));
    assert.match(answers[0] ?? '', /"status":401.*invalid_token/);
  });

  it('refuses a right checksum with a wrong secret, before and after the right one was seen', async () => {
    const { world, tokens, token, info } = await oneToken();
    await using _ = world;
    const forged = await forgeWithId(info.id);
    assert.equal((await refusalOf(() => tokens.authenticate(forged))).status, 401);
    await tokens.authenticate(token);
    assert.equal((await refusalOf(() => tokens.authenticate(forged))).status, 401);
    assert.equal(tokens.recall(forged), null);
    assert.equal((await tokens.authenticate(token)).tokenId, info.id);
  });

  it('asks no store about a typo', async () => {
    const { world, tokens, token } = await oneToken();
    await using _ = world;
    const before = world.store.calls.length;
    for (let at = 0; at < token.length; at++)
      assert.throws(() => tokens.authenticate(withTypo(token, at)), GatewayError);
    assert.equal(world.store.calls.length, before);
  });

  it('asks the store about an unknown token once a second', async () => {
    await using world = createAuthWorld();
    await using elsewhere = createAuthWorld();
    const [tokens] = world.replicas;
    const unknown = (await elsewhere.replicas[0]?.create(ALICE))?.token.reveal() ?? '';
    for (let round = 0; round < 20; round++) await refusalOf(() => tokens?.authenticate(unknown));
    assert.equal(world.store.calls.filter((call) => call.startsWith('get token:')).length, 1);
    await world.clock.advance(1000);
    await refusalOf(() => tokens?.authenticate(unknown));
    assert.equal(world.store.calls.filter((call) => call.startsWith('get token:')).length, 2);
  });

  it('ends exactly at its expiry, also while it is trusted', async () => {
    const { world, tokens, token } = await oneToken(1, 500);
    await using _ = world;
    await tokens.authenticate(token);
    await world.clock.advance(499);
    assert.equal((await tokens.authenticate(token)).identity.user, 'alice');
    await world.clock.advance(1);
    assert.equal((await refusalOf(() => tokens.authenticate(token))).status, 401);
    assert.equal(tokens.recall(token), null);
  });
});

/** A token with the id of another, a secret of its own and a right checksum. */
async function forgeWithId(id: string): Promise<string> {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyz';
  const idBytes = Buffer.from([...id].map((character) => digits.indexOf(character)));
  const bytes = [idBytes, Buffer.alloc(28, 9)];
  await using world = createAuthWorld();
  const tokens = world.join({ random: () => bytes.shift() ?? Buffer.alloc(28, 9) });
  const { token, info } = await tokens.create(ALICE);
  assert.equal(info.id, id);
  return token.reveal();
}

describe('the hot path', () => {
  it('is synchronous while the token was seen in the last second', async () => {
    const { world, tokens, token } = await oneToken();
    await using _ = world;
    assert.ok(tokens.authenticate(token) instanceof Promise);
    await tokens.authenticate(token);
    const before = world.store.calls.length;
    for (let round = 0; round < 100; round++) assert.ok(!(tokens.authenticate(token) instanceof Promise));
    await world.clock.advance(999);
    assert.ok(!(tokens.authenticate(token) instanceof Promise));
    assert.equal(world.store.calls.length, before);
  });

  it('asks the store once a second, however many ask at once', async () => {
    const { world, tokens, token } = await oneToken();
    await using _ = world;
    await tokens.authenticate(token);
    const gets = (): number => world.store.calls.filter((call) => call.startsWith('get ')).length;
    for (let second = 1; second <= 5; second++) {
      const before = gets();
      await world.clock.advance(1000);
      const callers = await Promise.all(Array.from({ length: 50 }, () => tokens.authenticate(token)));
      assert.equal(new Set(callers.map((caller) => caller.tokenId)).size, 1);
      assert.equal(gets() - before, 1);
    }
  });

  it('recall knows only what was proven here', async () => {
    const { world, tokens, token } = await oneToken();
    await using _ = world;
    const before = world.store.calls.length;
    for (const text of [token, withTypo(token), '', 'x'.repeat(51), `${token}a`])
      assert.equal(tokens.recall(text), null);
    assert.equal(world.store.calls.length, before);
    await tokens.authenticate(token);
    const recalled = tokens.recall(token);
    assert.ok(recalled !== null && !(recalled instanceof Promise));
    assert.equal(tokens.recall(withTypo(token)), null);
    assert.equal(tokens.recall(withTypo(token, 20)), null);
    await world.clock.advance(1000);
    const asked = tokens.recall(token);
    assert.ok(asked instanceof Promise);
    assert.equal((await asked).identity.user, 'alice');
  });

  it('keeps a bounded number of tokens', async () => {
    await using world = createAuthWorld();
    const tokens = world.join({ capacity: 10 });
    const made = await Promise.all(Array.from({ length: 30 }, () => tokens.create(ALICE)));
    for (const { token } of made) await tokens.authenticate(token.reveal());
    const remembered = made.filter(({ token }) => tokens.recall(token.reveal()) !== null);
    assert.equal(remembered.length, 10);
    assert.deepEqual(remembered, made.slice(20));
  });

  it('does not trust an entry from the future after the clock went back', async () => {
    const { world, tokens, token } = await oneToken();
    await using _ = world;
    let shift = 0;
    const clock = { ...world.clock, now: () => world.clock.now() + shift };
    const replica = world.join({ clock });
    await replica.authenticate(token);
    shift = -3_600_000;
    assert.ok(replica.recall(token) instanceof Promise);
    await tokens.revoke(token.slice(4, 16));
    assert.equal((await refusalOf(() => replica.authenticate(token))).status, 401);
  });

  it('takes the groups of a user anew each second', async () => {
    const { world, token } = await oneToken();
    await using _ = world;
    let groups: string[] = [];
    const replica = world.join({ identityOf: (user) => localIdentity(user, groups) });
    assert.deepEqual((await replica.authenticate(token)).identity.groups, []);
    groups = ['cad'];
    await world.clock.advance(1000);
    assert.deepEqual((await replica.authenticate(token)).identity.groups, ['cad']);
  });
});

describe('last use', () => {
  it('is written at most once a minute', async () => {
    const { world, tokens, token, info } = await oneToken();
    await using _ = world;
    const writes = (): number => world.store.calls.filter((call) => call === `set token:{${info.id}}:used`).length;
    const start = world.clock.now();
    for (let second = 0; second < 60; second++) {
      await tokens.authenticate(token);
      await world.clock.advance(1000);
    }
    assert.equal(writes(), 1);
    assert.equal((await tokens.list())[0]?.lastUsedAt, start);
    await tokens.authenticate(token);
    assert.equal(writes(), 2);
    await world.clock.advance(0);
    assert.equal((await tokens.list())[0]?.lastUsedAt, start + 60_000);
  });

  it('does not matter when it cannot be written', async () => {
    const { world, tokens, token } = await oneToken();
    await using _ = world;
    await tokens.authenticate(token);
    await world.clock.advance(59_500);
    await tokens.authenticate(token);
    world.store.away = true;
    await world.clock.advance(600);
    assert.equal((await tokens.authenticate(token)).identity.user, 'alice');
    await world.clock.advance(1000);
  });
});

describe('list', () => {
  it('shows all tokens, or those of one user, without secrets, the oldest first', async () => {
    await using world = createAuthWorld();
    const [tokens] = world.replicas;
    assert.ok(tokens);
    const first = await tokens.create(ALICE);
    await world.clock.advance(10);
    const second = await tokens.create({ ...ALICE, user: 'bob', label: 'ci' });
    await world.clock.advance(10);
    const third = await tokens.create({ ...ALICE, label: 'desk' });
    assert.deepEqual(await tokens.list(), [first.info, second.info, third.info]);
    assert.deepEqual(await tokens.list('alice'), [first.info, third.info]);
    assert.deepEqual(await tokens.list('bob'), [second.info]);
    assert.deepEqual(await tokens.list('eve'), []);
    assert.ok(!JSON.stringify(await tokens.list()).includes(first.token.reveal().slice(17)));
  });

  it('shows derived tokens with their parent, and those of a password login', async () => {
    const { world, tokens, token, info } = await oneToken();
    await using _ = world;
    const derived = await tokens.derive(token, () => true, 60_000);
    const login = await tokens.admit('bob', 'main', 60_000);
    const all = await tokens.list();
    assert.deepEqual(
      all.map(({ id, parent, user }) => ({ id, parent, user })).sort((a, b) => a.id.localeCompare(b.id)),
      [
        { id: info.id, parent: null, user: 'alice' },
        { id: derived.caller.tokenId, parent: info.id, user: 'alice' },
        { id: login.caller.tokenId, parent: null, user: 'bob' },
      ].sort((a, b) => a.id.localeCompare(b.id)),
    );
    assert.equal((await tokens.list('bob')).length, 1);
    assert.equal((await tokens.list('alice')).length, 2);
  });

  it('takes out what has ended', async () => {
    const { world, tokens } = await oneToken(1, 1000);
    await using _ = world;
    assert.equal((await world.store.members('tokens:all')).length, 1);
    await world.clock.advance(1001);
    assert.deepEqual(await tokens.list(), []);
    assert.deepEqual(await world.store.members('tokens:all'), []);
  });

  it('says 503 while the store is away', async () => {
    const { world, tokens } = await oneToken();
    await using _ = world;
    world.store.away = true;
    assert.equal((await refusalOf(() => tokens.list())).status, 503);
  });
});

describe('faults that are not the store', () => {
  it('are not taken for its absence', async () => {
    const { world, token } = await oneToken();
    await using _ = world;
    const broken = { ...world.store, get: () => Promise.reject(new TypeError('a fault of our own')) };
    const tokens = createAccessTokens({
      kv: broken,
      clock: world.clock,
      config: () => config,
      sealer: createSealer({ current: new Secret(Buffer.alloc(32).toString('base64')) }),
      identityOf: (user) => ({ ...localIdentity(user), subject: user }),
    });
    await assert.rejects(async () => tokens.authenticate(token), TypeError);
    await tokens[Symbol.asyncDispose]();
  });
});
