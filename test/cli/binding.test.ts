import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createPeople } from '../../src/auth/index.ts';
import { type OpenPeople, runBinding } from '../../src/cli/binding.ts';
import { runBindingVerb } from '../../src/cli/store.ts';
import type { StoreDeps } from '../../src/cli/verb.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createIdentityRules } from '../../src/identity/index.ts';
import { type Account, Secret, systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue, createSealer } from '../../src/platform/index.ts';
import { createEnrolledPasswords } from '../../src/tokens/index.ts';
import { createAuthWorld } from '../auth/auth-world.ts';
import { assertionOf, createPeopleWorld } from '../auth/people-world.ts';
import { createRecordedReport } from '../tokens/replicas.ts';
import { eventually } from '../world/eventually.ts';
import { startRedis } from '../world/redis.ts';

type Verb = (out: (text: string) => void, err: (text: string) => void) => Promise<number>;

async function captured(run: Verb) {
  let [out, err] = ['', ''];
  const code = await run(
    (text) => {
      out += text;
    },
    (text) => {
      err += text;
    },
  );
  return { code, out, err };
}

/** The verb on a store with two people. */
async function createTerminal() {
  const world = createPeopleWorld();
  await world.people.admit(assertionOf('id-1', 'alice'));
  await world.people.admit(assertionOf('id-2', 'bob@corp.example'));
  const auth = createAuthWorld(1, world.store, world.clock);
  const tokens = auth.join({ people: world.people });
  const ended: string[] = [];
  const forgotten: string[] = [];
  const opened: (string | undefined)[] = [];
  let closed = 0;
  const deps: StoreDeps<OpenPeople> = {
    async open(config) {
      opened.push(config);
      const sessions = { endOthers: async (subject: string) => ended.push(subject) };
      const forgetAccount = async ({ queue, name }: Account) => forgotten.push(`${queue} ${name}`) === 1;
      return {
        people: world.join(),
        tokens,
        sessions,
        forgetAccount,
        [Symbol.asyncDispose]: async () => void closed++,
      };
    },
  };
  const type = (line: string, use = deps) =>
    captured((out, err) =>
      runBinding(
        line.split(' ').filter((word) => word !== ''),
        use,
        out,
        err,
      ),
    );
  return {
    world,
    tokens,
    /** Subjects whose sessions were ended. */
    ended,
    /** Accounts of which enrolled passwords and JWTs were ended. */
    forgotten,
    type,
    opened,
    closed: () => closed,
    [Symbol.asyncDispose]: () => auth[Symbol.asyncDispose](),
  };
}

describe('vovgw binding list', () => {
  it('shows whose each user name is, with accounts and times', async () => {
    await using terminal = await createTerminal();
    const { code, out, err } = await terminal.type('list');
    assert.deepEqual([code, err], [0, '']);
    assert.equal(
      out,
      [
        'USER              SUBJECT    ACCOUNTS              SINCE                 LAST SIGN-IN',
        'alice             corp:id-1  vnc=alice,fast=alice  2026-01-01 00:00 UTC  2026-01-01 00:00 UTC',
        'bob@corp.example  corp:id-2                        2026-01-01 00:00 UTC  2026-01-01 00:00 UTC',
        '',
      ].join('\n'),
    );
    assert.equal(terminal.closed(), 1);
  });

  it('shows the same as JSON', async () => {
    await using terminal = await createTerminal();
    const { out } = await terminal.type('list --json');
    assert.deepEqual(JSON.parse(out), await terminal.world.people.bindings());
  });
});

describe('vovgw binding remove', () => {
  it('frees the name for the next identity', async () => {
    await using terminal = await createTerminal();
    const { code, out } = await terminal.type('remove alice --config gw.yaml');
    assert.equal(code, 0);
    assert.match(out, /^alice is free/);
    assert.deepEqual(terminal.opened, ['gw.yaml']);
    assert.equal(await terminal.world.people.find('corp:id-1'), null);
    assert.equal((await terminal.world.people.admit(assertionOf('id-3', 'alice'))).subject, 'corp:id-3');
  });

  it('revokes the access tokens of that person, also those that the administrator made for the name, and nobody else’s', async () => {
    await using terminal = await createTerminal();
    const wanted = { label: 'laptop', scopes: ['read' as const] };
    const theirs = [
      await terminal.tokens.create({ ...wanted, user: 'alice', subject: 'corp:id-1' }),
      await terminal.tokens.create({ ...wanted, user: 'alice' }),
    ];
    const others = [
      await terminal.tokens.create({ ...wanted, user: 'carol' }),
      await terminal.tokens.create({ ...wanted, user: 'bob@corp.example', subject: 'corp:id-2' }),
    ];
    const { out } = await terminal.type('remove alice');
    assert.match(out, /Access tokens revoked: 2\./);
    assert.deepEqual(terminal.ended, ['corp:id-1']);
    // Signed in again under another name, the person does not get the old token back.
    await terminal.world.people.admit(assertionOf('id-1', 'alicia'));
    for (const { token } of theirs) {
      await assert.rejects(async () => terminal.tokens.authenticate(token.reveal()), { code: 'GW_UNAUTHENTICATED' });
    }
    for (const { token } of others) assert.ok(await terminal.tokens.authenticate(token.reveal()));
  });

  it('ends what was enrolled for every account of that person on every queue', async () => {
    await using terminal = await createTerminal();
    const { out } = await terminal.type('remove alice');
    assert.deepEqual(terminal.forgotten, ['vnc alice', 'fast alice']);
    assert.match(out, /vovserver passwords deleted: 1\.\n$/);
  });

  it('of a former name leaves the person their tokens and sessions', async () => {
    await using terminal = await createTerminal();
    await terminal.world.people.admit(assertionOf('id-1', 'asmith'));
    const wanted = { label: 'laptop', scopes: ['read' as const] };
    const theirs = await terminal.tokens.create({ ...wanted, user: 'asmith', subject: 'corp:id-1' });
    const { out } = await terminal.type('list');
    assert.match(out, /\nalice {13}corp:id-1 {2}vnc=alice,fast=alice .* former name\n/);
    assert.equal((await terminal.type('remove alice')).code, 0);
    assert.deepEqual([terminal.ended, terminal.forgotten], [[], ['vnc alice', 'fast alice']]);
    assert.ok(await terminal.tokens.authenticate(theirs.token.reveal()));
  });

  it('exits 1 for a name that nobody has', async () => {
    await using terminal = await createTerminal();
    const { code, out, err } = await terminal.type('remove carl');
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /nobody has the user name “carl”/);
    const json = await terminal.type('remove carl --json');
    assert.deepEqual(
      [json.code, json.err, JSON.parse(json.out)],
      [1, '', { user: 'carl', removed: false, revoked: 0, passwords: 0 }],
    );
  });

  it('exits 1 with the reason when the store is away', async () => {
    await using terminal = await createTerminal();
    terminal.world.store.away = true;
    const { code, err } = await terminal.type('remove alice');
    assert.equal(code, 1);
    assert.match(err, /^vovgw binding: Sign-ins cannot be checked or remembered right now\.\n$/);
    assert.equal(terminal.closed(), 1);
  });
});

describe('vovgw binding give', () => {
  it('binds the name to the subject and ends what the former holder had', async () => {
    await using terminal = await createTerminal();
    const wanted = { label: 'cron', scopes: ['read' as const] };
    const theirs = await terminal.tokens.create({ ...wanted, user: 'alice', subject: 'corp:id-1' });
    const { code, out } = await terminal.type('give alice corp:id-3');
    assert.equal(code, 0);
    assert.match(out, /^alice is bound to corp:id-3\. Access tokens revoked: 1\. vovserver passwords deleted: 1\.\n$/);
    assert.deepEqual([terminal.ended, terminal.forgotten], [['corp:id-1'], ['vnc alice', 'fast alice']]);
    const { people } = terminal.world;
    await assert.rejects(people.admit(assertionOf('id-1', 'alice')), { code: 'GW_IDENTITY_CONFLICT' });
    await assert.rejects(async () => terminal.tokens.authenticate(theirs.token.reveal()), {
      code: 'GW_UNAUTHENTICATED',
    });
    assert.match((await terminal.type('list')).out, /alice .*corp:id-3 .* never\n/);
    assert.equal((await people.admit(assertionOf('id-3', 'alice'))).user, 'alice');
  });

  it('says which subjects there can be', async () => {
    await using terminal = await createTerminal();
    const { code, err } = await terminal.type('give alice bob');
    assert.equal(code, 1);
    assert.match(err, /begins with none of corp:/);
  });
});

describe('vovgw binding called wrongly', () => {
  for (const line of ['', 'show', 'remove', 'remove a b', 'give', 'give a', 'give a b c', 'list alice', 'list --all']) {
    it(`“${line}” exits 2 with the usage and opens nothing`, async () => {
      await using terminal = await createTerminal();
      const { code, out, err } = await terminal.type(line);
      assert.deepEqual([code, out, terminal.opened], [2, '', []]);
      assert.match(err, /vovgw binding remove USER/);
    });
  }

  it('--help shows the usage', async () => {
    await using terminal = await createTerminal();
    assert.equal((await terminal.type('--help')).code, 0);
    assert.match((await terminal.type('help')).out, /access tokens of that person are revoked/);
  });

  it('exits 1 when the store could not be opened', async () => {
    await using terminal = await createTerminal();
    assert.equal((await terminal.type('list', { open: async () => null })).code, 1);
  });
});

describe('vovgw binding on the store of the configuration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vovgw-binding-'));
  after(() => rmSync(folder, { recursive: true }));
  const key = Buffer.alloc(32, 7).toString('base64');
  const write = (name: string, more: string): string => {
    const path = join(folder, name);
    const text = `mode: development
server: { host: 127.0.0.1, publicUrl: 'https://gw.example' }
secrets: { sealingKey: '${key}', tokenKey: '${'k'.repeat(40)}' }
credentials: [{ type: enrolled }]
queues: [{ name: vnc, urls: ['https://one.example:6330'] }]
signIn: { providers: [{ type: oidc, name: corp, issuer: 'https://idp.example', clientId: gw, clientSecret: s }] }
${more}`;
    writeFileSync(path, text);
    return path;
  };

  it('finds in Redis what the gateway bound there', async () => {
    await using redis = await startRedis();
    const path = write('redis.yaml', `redis: { nodes: ['127.0.0.1:${redis.port}'] }\n`);
    const loaded = loadConfig({ file: path, env: {} });
    assert.ok(loaded.ok && loaded.config.redis);
    const { config } = loaded;
    await using kv = createRedisKeyValue(loaded.config.redis, { clock: systemClock });
    await eventually('it is up', () => kv.state() === 'up');
    const rules = createIdentityRules(config);
    const sealer = createSealer({ current: config.secrets.sealingKey });
    const people = createPeople({ kv, sealer, config: () => config, rules: () => rules, clock: systemClock });
    await people.admit(assertionOf('id-1', 'alice'));
    const account = { queue: 'vnc', name: 'alice', shared: false };
    const report = createRecordedReport();
    const versionKey = config.secrets.tokenKey;
    const passwords = createEnrolledPasswords({ kv, sealer, clock: systemClock, report, versionKey });
    await passwords.put(account, new Secret('sesame'), 'corp:id-1');
    const verb = (...argv: string[]) =>
      captured((out, err) => runBindingVerb([...argv, '--config', path], {}, out, err));
    const listed = await verb('list');
    assert.match(listed.out, /\nalice {2}corp:id-1 {2}vnc=alice {2}/);
    const messages: string[] = [];
    await using _ = await kv.subscribe('jwt-changed', (message) => messages.push(message));
    const removed = await verb('remove', 'alice');
    assert.deepEqual([removed.code, removed.err], [0, '']);
    assert.match(removed.out, /vovserver passwords deleted: 1\./);
    assert.equal(await people.find('corp:id-1'), null);
    assert.equal(await passwords.find(account), null);
    await eventually('replicas are told to drop the JWT', () => messages.some((tag) => tag.startsWith('vnc:')));
    assert.equal((await verb('give', 'alice', 'corp:id-2')).code, 0);
    assert.match((await verb('list')).out, /\nalice {2}corp:id-2 /);
  });

  it('says when there is no Redis', async () => {
    const path = write('memory.yaml', '');
    const { code, err } = await captured((out, complain) =>
      runBindingVerb(['list', '--config', path], {}, out, complain),
    );
    assert.equal(code, 1);
    assert.match(err, /vovgw binding: the configuration names no redis/);
  });
});
