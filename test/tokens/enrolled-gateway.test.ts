import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPeople } from '../../src/auth/index.ts';
import { createIdentityRules } from '../../src/identity/index.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createRedisKeyValue, createSealer } from '../../src/platform/index.ts';
import { createGateway } from '../../src/server/index.ts';
import { type Browser, type Page, signInAs } from '../world/browser.ts';
import { eventually } from '../world/eventually.ts';
import { startRedis } from '../world/redis.ts';
import { createSignInWorld, type SignInWorld, sharedSecrets } from '../world/sign-in-world.ts';
import { configOf } from '../world/world.ts';

const READ = '/api/v3/project/1/project';
const CONFIG = { credentials: [{ type: 'enrolled' }] };

async function enrol(world: SignInWorld, browser: Browser, password: string): Promise<Page> {
  const page = await browser.open(`${world.url}/ui/credential`);
  const isEnrol = (form: { action: string }) => form.action.endsWith('/ui/credential/enrol');
  return await browser.submit(page, { 'password-0': password }, { form: isEnrol });
}

async function remove(world: SignInWorld, browser: Browser): Promise<Page> {
  const page = await browser.open(`${world.url}/ui/credential`);
  return await browser.submit(page, {}, { form: ({ action }) => action.endsWith('/ui/credential/remove') });
}

describe('enrolled passwords in the gateway, in front of the stand-in vovserver', () => {
  it('a person gives it once, and every replica calls as that person until it is removed', async () => {
    await using redis = await startRedis();
    await using world = await createSignInWorld({ config: CONFIG, redisPort: redis.port });
    const second = configOf({
      mode: 'development',
      server: { host: '127.0.0.1', port: 0 },
      admin: { port: 0 },
      queues: [{ name: 'test', urls: [world.vovserver.url], allowInsecure: true }],
      redis: { nodes: [`127.0.0.1:${redis.port}`] },
      ...CONFIG,
    });
    await using other = await createGateway({ ...second, secrets: world.config.secrets }, { version: 'test' });
    const { browser } = await signInAs(world.url, 'oidc', 'alice');
    const token = (await world.gateway.tokens.create({ user: 'alice', label: 'x', scopes: ['read'] })).token.reveal();
    const statuses = async (): Promise<number[]> => {
      const ports = [world.gateway.port, other.port];
      return await Promise.all(ports.map(async (port) => (await world.call('GET', READ, { token, port })).status));
    };
    assert.deepEqual(await statuses(), [503, 503]);
    assert.equal((await enrol(world, browser, 'pw-alice')).status, 200);
    assert.deepEqual(await statuses(), [200, 200]);
    assert.equal(world.vovserver.ledger.logins.length, 1);

    const keys = (await redis.command('KEYS', '*')) as string[];
    const types = await Promise.all(keys.map(async (key) => [key, String(await redis.command('TYPE', key))] as const));
    const strings = types.filter(([, type]) => type === 'string').map(([key]) => key);
    const dump = JSON.stringify([keys, await Promise.all(strings.map((key) => redis.command('GET', key)))]);
    assert.ok(keys.some((key) => key.includes('enrolled:')));
    assert.doesNotMatch(dump, /pw-alice/);

    assert.equal((await remove(world, browser)).status, 200);
    await eventually('both replicas have forgotten it', async () => (await statuses()).every((code) => code === 503));
    const answer = await world.call('GET', READ, { token });
    assert.match(await answer.text(), /GW_CREDENTIAL_UNAVAILABLE/);
    assert.equal(world.vovserver.ledger.logins.length, 1);
    assert.ok(!world.log.some((line) => line.includes('pw-alice')));
  });

  it('are not inherited by a new employee of the same name', async () => {
    const person = (name: string, subject: string) => ({
      ...{ name, subject, email: `${name}@example.com`, displayName: name, groups: [] },
      claims: { preferred_username: 'alice' },
    });
    const [former, next] = [person('former', 's-former'), person('next', 's-next')];
    await using redis = await startRedis();
    const secrets = sharedSecrets();
    const config = { ...CONFIG, secrets };
    await using world = await createSignInWorld({ config, redisPort: redis.port, idp: { people: [former, next] } });
    const reads = async ({ browser }: { browser: Browser }): Promise<number> => {
      const headers = { cookie: `vovgw=${browser.cookies(world.url).get('vovgw')}`, 'sec-fetch-site': 'same-origin' };
      return (await fetch(world.url + READ, { headers })).status;
    };
    const old = await signInAs(world.url, 'oidc', 'former');
    await enrol(world, old.browser, 'pw-alice');
    assert.equal(await reads(old), 200);

    former.claims.preferred_username = 'asmith';
    await signInAs(world.url, 'oidc', 'former');
    assert.equal((await signInAs(world.url, 'oidc', 'next')).page.status, 403, 'a rename frees nothing');

    assert.ok(world.config.redis);
    await using kv = createRedisKeyValue(world.config.redis, { clock: systemClock });
    await eventually('it is up', () => kv.state() === 'up');
    const rules = createIdentityRules(world.config);
    const sealer = createSealer({ current: world.config.secrets.sealingKey });
    const parts = { kv, sealer, config: () => world.config, rules: () => rules, clock: systemClock };
    assert.equal((await createPeople(parts).release('alice')).length, 1);
    const fresh = await signInAs(world.url, 'oidc', 'next');
    assert.equal(fresh.page.status, 200);
    assert.equal(await reads(fresh), 503, 'nobody has given a password for her');
    const page = await fresh.browser.open(`${world.url}/ui/credential`);
    assert.doesNotMatch(page.body, /You gave the password/);
  });

  it('does not lock an account that vovserver locks at the third wrong password', async () => {
    await using world = await createSignInWorld({ config: CONFIG, vovserver: { profile: { lockAfter: 3 } } });
    const { browser } = await signInAs(world.url, 'oidc', 'alice');
    for (const guess of ['one', 'two', 'three', 'four', 'one', 'pw-alice']) await enrol(world, browser, guess);
    assert.deepEqual(
      world.vovserver.ledger.logins.map(({ result }) => result === 'ok'),
      [false, false],
    );
    const { status } = await fetch(`${world.vovserver.url}/api/v3/token`, {
      method: 'POST',
      body: new URLSearchParams({ username: 'alice', password: 'pw-alice' }),
    });
    assert.equal(status, 200, 'the account is not locked');
  });
});
