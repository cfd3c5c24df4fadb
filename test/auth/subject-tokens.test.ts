import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccessTokens, NewAccessToken } from '../../src/auth/index.ts';
import { decodeRecord, encodeRecord } from '../../src/auth/token-record.ts';
import { GatewayError, type Identity } from '../../src/kernel/index.ts';
import type { Report } from '../../src/observe/index.ts';
import { localIdentity } from '../world/identities.ts';
import { createAuthWorld, refusalOf, seenOf, withTypo } from './auth-world.ts';

const HOUR = 3_600_000;
const SUBJECT = 'corp:00u1';
const WISH: NewAccessToken = { user: 'alice', subject: SUBJECT, label: 'laptop', scopes: ['read', 'submit'] };
const alice: Identity = {
  ...localIdentity('alice', ['cad']),
  subject: SUBJECT,
  provider: 'corp',
  attributes: { mail: ['alice@example.com'] },
  bound: { main: 'alice' },
};

/** People as a test wants them; `asked` counts the questions. */
function createPeople(...known: Identity[]) {
  const map = new Map(known.map((identity) => [identity.subject, identity]));
  let away = false;
  const asked: string[] = [];
  return {
    map,
    asked,
    leave: (gone: boolean) => {
      away = gone;
    },
    async find(subject: string): Promise<Identity | null> {
      asked.push(subject);
      if (away) throw new GatewayError('GW_STORE_UNAVAILABLE', 'away');
      return map.get(subject) ?? null;
    },
  };
}

async function createPersonWorld() {
  const world = createAuthWorld(0);
  const people = createPeople(alice);
  const events: Parameters<Report['credential']>[0][] = [];
  const quiet = () => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const join = (): AccessTokens =>
    world.join({ people, report: { log, credential: (event) => void events.push(event) } });
  const tokens = join();
  await world.clock.advance(0);
  const { token, info } = await tokens.create(WISH);
  return { world, people, events, join, tokens, token: token.reveal(), info };
}

const internalOf = async (call: () => unknown) => (await refusalOf(call)).internal;

describe('a token of a person', () => {
  it('makes its caller the person as people know them', async () => {
    const { world, tokens, token, info } = await createPersonWorld();
    await using _ = world;
    assert.equal(info.subject, SUBJECT);
    const caller = await tokens.authenticate(token);
    assert.equal(caller.by, 'token');
    assert.deepEqual(caller.identity, alice);
    assert.deepEqual([...caller.scopes], ['read', 'submit']);
  });

  it('asks for the person at most once a second, and follows what changed', async () => {
    const { world, people, tokens, token } = await createPersonWorld();
    await using _ = world;
    for (let call = 0; call < 50; call++) await tokens.authenticate(token);
    assert.deepEqual(people.asked, [SUBJECT]);
    assert.ok(!(tokens.recall(token) instanceof Promise));
    people.map.set(SUBJECT, { ...alice, roles: ['user', 'admin'] });
    await world.clock.advance(999);
    assert.deepEqual((await tokens.authenticate(token)).identity.roles, ['user']);
    await world.clock.advance(1);
    assert.deepEqual((await tokens.authenticate(token)).identity.roles, ['user', 'admin']);
    assert.equal(people.asked.length, 2);
  });

  it('ends within a second after the person is gone, and what was derived from it too', async () => {
    const { world, people, tokens, token } = await createPersonWorld();
    await using _ = world;
    const derived = (await tokens.derive(token, () => true, HOUR)).token.reveal();
    await tokens.authenticate(derived);
    people.map.delete(SUBJECT);
    await world.clock.advance(1000);
    assert.equal(await internalOf(() => tokens.authenticate(token)), 'its owner is unknown');
    assert.equal(await internalOf(() => tokens.authenticate(derived)), 'its parent has ended');
    assert.equal(await tokens.inspect(token), null);
    assert.equal(await internalOf(() => tokens.derive(token, () => true, HOUR)), 'its owner is unknown');
  });

  it('is never valid where nobody knows people', async () => {
    const { world, token } = await createPersonWorld();
    await using _ = world;
    assert.equal(await internalOf(() => world.join().authenticate(token)), 'its owner is unknown');
  });

  it('hands its subject on to derived tokens', async () => {
    const { world, tokens, token, info, join } = await createPersonWorld();
    await using _ = world;
    const granted = await tokens.derive(token, (identity) => identity.subject === SUBJECT, HOUR);
    assert.deepEqual(granted.caller.identity, alice);
    const other = join();
    assert.deepEqual((await other.authenticate(granted.token.reveal())).identity, alice);
    const listed = (await other.list('alice')).find(({ parent }) => parent === info.id);
    assert.equal(listed?.subject, SUBJECT);
  });

  it('goes on with the store of people away while it was used, and 503 else', async () => {
    const { world, people, tokens, token, join } = await createPersonWorld();
    await using _ = world;
    await tokens.authenticate(token);
    people.leave(true);
    await world.clock.advance(5000);
    assert.deepEqual((await tokens.authenticate(token)).identity, alice);
    assert.equal((await refusalOf(() => join().authenticate(token))).code, 'GW_STORE_UNAVAILABLE');
  });

  it('is listed beside local tokens of the same name, each with its subject', async () => {
    const { world, tokens } = await createPersonWorld();
    await using _ = world;
    await tokens.create({ user: 'alice', label: 'by hand', scopes: ['read'] });
    const listed = (await tokens.list('alice')).map(({ label, subject }) => ({ label, subject }));
    assert.deepEqual(
      listed.sort((a, b) => a.label.localeCompare(b.label)),
      [
        { label: 'by hand', subject: 'local:alice' },
        { label: 'laptop', subject: SUBJECT },
      ],
    );
  });

  it('is found by its subject, whatever the person is called now, and leaves every list when it ends', async () => {
    const { world, tokens, token, info } = await createPersonWorld();
    await using _ = world;
    await tokens.create({ user: 'alice', label: 'by hand', scopes: ['read'] });
    const renamed = await tokens.create({ ...WISH, user: 'alice.b' });
    await tokens.derive(token, () => true, HOUR);
    const idsOf = async (owner: string) => (await tokens.list(owner)).map(({ id, parent }) => parent ?? id).sort();
    assert.deepEqual(await idsOf(SUBJECT), [info.id, info.id, renamed.info.id].sort());
    assert.deepEqual(await idsOf('corp:00u2'), []);
    await tokens.revoke(info.id);
    await tokens.revoke(renamed.info.id);
    assert.deepEqual(await tokens.list(SUBJECT), []);
    const sets = [...new Set(world.store.calls.filter((call) => call.startsWith('add ')).map((call) => call.slice(4)))];
    const left = await Promise.all(sets.map((key) => world.store.members(key)));
    assert.ok(!left.flat().includes(info.id) && !left.flat().includes(renamed.info.id));
  });

  it('cannot be made for a local identity of another name', async () => {
    const { world, tokens } = await createPersonWorld();
    await using _ = world;
    for (const subject of ['local:bob', 'local:', '']) {
      const error = await refusalOf(() => tokens.create({ ...WISH, subject }));
      assert.equal(error.code, 'GW_BAD_REQUEST');
      assert.match(error.detail, /subject/);
    }
    const { token } = await tokens.create({ ...WISH, subject: 'local:alice' });
    assert.deepEqual((await tokens.authenticate(token.reveal())).identity, localIdentity('alice'));
  });
});

describe('inspect', () => {
  it('shows a valid token without counting as its use', async () => {
    const { world, tokens, token, info } = await createPersonWorld();
    await using _ = world;
    assert.deepEqual(await tokens.inspect(token), info);
    assert.equal((await tokens.list())[0]?.lastUsedAt, null);
    await tokens.authenticate(token);
    await world.clock.advance(0);
    const used = world.clock.now();
    assert.equal((await tokens.inspect(token))?.lastUsedAt, used);
  });

  it('is null for whatever is no valid token, and never remembers an answer', async () => {
    const { world, tokens, token, info } = await createPersonWorld();
    await using _ = world;
    assert.equal(await tokens.inspect(withTypo(token)), null);
    assert.equal(await tokens.inspect(''), null);
    const other = (await tokens.create(WISH)).token.reveal();
    assert.notEqual(await tokens.inspect(other), null);
    assert.equal(await tokens.inspect(token).then((found) => found?.id), info.id);
    await tokens.revoke(info.id);
    assert.equal(await tokens.inspect(token), null);
    await world.clock.advance(31 * 24 * HOUR);
    assert.equal(await tokens.inspect(other), null);
  });

  it('says 503 while the store is away', async () => {
    const { world, tokens, token } = await createPersonWorld();
    await using _ = world;
    world.store.away = true;
    assert.equal((await refusalOf(() => tokens.inspect(token))).code, 'GW_STORE_UNAVAILABLE');
  });
});

describe('the report of access tokens', () => {
  it('hears of each token that was made or ended, once, and of no derived one', async () => {
    const { world, tokens, token, info, events } = await createPersonWorld();
    await using _ = world;
    await tokens.derive(token, () => true, HOUR);
    await tokens.revoke(info.id);
    await tokens.revoke(info.id);
    const same = { user: 'alice', subject: SUBJECT, id: info.id };
    assert.deepEqual(events, [
      { what: 'token_created', ...same },
      { what: 'token_revoked', ...same },
    ]);
  });
});

describe('a refusal', () => {
  it('tells its reason to the log and the same bytes to the caller', async () => {
    const { world, tokens, token, info, people } = await createPersonWorld();
    await using _ = world;
    const brief = (await tokens.create({ ...WISH, lifeMs: HOUR })).token.reveal();
    const orphan = (await tokens.create({ ...WISH, subject: 'corp:unknown' })).token.reveal();
    const lost = (await tokens.create(WISH)).token.reveal();
    await tokens.authenticate(brief);
    await tokens.revoke(lost.slice(4, 16));
    const forged = `${token.slice(0, 17)}${lost.slice(17)}`;
    const cases: [string, () => unknown, string][] = [
      ['typo', () => tokens.authenticate(withTypo(token)), 'mistyped'],
      ['revoked', () => tokens.authenticate(lost), 'unknown or revoked'],
      ['no owner', () => tokens.authenticate(orphan), 'its owner is unknown'],
      ['other checksum', () => tokens.authenticate(forged), 'mistyped'],
    ];
    const seen = new Set<string>();
    for (const [name, call, reason] of cases) {
      const error = await refusalOf(call);
      assert.equal(error.internal, reason, name);
      seen.add(seenOf(error));
    }
    assert.equal(seen.size, 1);
    assert.ok(![...seen][0]?.includes('mistyped'));
    assert.equal(people.asked.length > 0 && info.subject, SUBJECT);
  });

  it('of the token endpoint does so as well', async () => {
    const { world, tokens, token } = await createPersonWorld();
    await using _ = world;
    const derived = (await tokens.derive(token, () => true, HOUR)).token.reveal();
    const reasons = new Map<string, string>([
      [withTypo(token), 'mistyped'],
      [derived, 'a derived token cannot be exchanged'],
      [token, 'wrong user'],
    ]);
    const seen = new Set<string>();
    for (const [text, reason] of reasons) {
      const error = await refusalOf(() => tokens.derive(text, (identity) => identity.user === 'bob', HOUR));
      assert.equal(error.internal, reason);
      seen.add(seenOf(error));
    }
    assert.equal(seen.size, 1);
  });

  it('knows an expired token from a revoked one while its record is still at hand', async () => {
    const { world, tokens } = await createPersonWorld();
    await using _ = world;
    const { token, info } = await tokens.create({ ...WISH, lifeMs: HOUR });
    const kept = await world.store.get(`token:{${info.id}}`);
    await world.clock.advance(HOUR);
    await world.store.set(`token:{${info.id}}`, kept ?? '', null);
    assert.equal(await internalOf(() => tokens.authenticate(token.reveal())), 'expired');
  });
});

describe('a stored record', () => {
  it('without a subject is of a local user, as all were before there were people', () => {
    const old = { hash: 'h', user: 'alice', label: 'l', scopes: ['read'], createdAt: 1, expiresAt: 2, parent: null };
    assert.equal(decodeRecord('id', JSON.stringify(old))?.subject, null);
    assert.equal(decodeRecord('id', JSON.stringify({ ...old, subject: null }))?.subject, null);
    assert.equal(decodeRecord('id', JSON.stringify({ ...old, subject: 7 })), null);
    const whole = decodeRecord('id', JSON.stringify({ ...old, subject: SUBJECT }));
    assert.ok(whole);
    assert.deepEqual(decodeRecord('id', encodeRecord(whole)), whole);
  });
});
