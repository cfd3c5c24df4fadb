import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFlows, createProviders, type Provider } from '../../src/auth/index.ts';
import type { ProviderConfig } from '../../src/config/index.ts';
import { Secret } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createSealer } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { newKey, sessionsConfig } from './sessions-world.ts';
import { entryOf, type FakeProvider, fakeProvider } from './sign-in-routes-world.ts';

/** A list of providers whose configuration the test reloads. */
function createListWorld(...entries: ProviderConfig[]) {
  const clock = createManualClock();
  const base = sessionsConfig();
  let config = { ...base, signIn: { ...base.signIn, providers: entries } };
  const flows = createFlows({
    kv: createMemoryKeyValue({ clock }),
    sealer: createSealer({ current: newKey() }),
    config: () => config,
    clock,
  });
  const made: FakeProvider[] = [];
  const ready: [string, boolean][] = [];
  const logged: string[] = [];
  const write = (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const report = {
    log: { debug: write, info: write, warn: write, error: write },
    providerReady: (name: string, is: boolean) => void ready.push([name, is]),
  };
  let broken: string | null = null;
  const create = (entry: ProviderConfig): Provider => {
    if (entry.name === broken) throw new Error(`${entry.name} has no key`);
    const provider = fakeProvider(entry, flows);
    made.push(provider);
    return provider;
  };
  const start = () => createProviders({ config: () => config, create, report, clock });
  return {
    clock,
    made,
    ready,
    logged,
    start,
    breakMaking: (name: string | null) => {
      broken = name;
    },
    reload: (providers: ProviderConfig[], first?: string) => {
      config = { ...config, signIn: { ...config.signIn, providers, ...(first !== undefined && { default: first }) } };
    },
  };
}

const secretly = (entry: ProviderConfig, secret: string): ProviderConfig =>
  entry.type === 'oidc' ? { ...entry, clientSecret: new Secret(secret) } : entry;

describe('the list of identity providers', () => {
  it('has the default first, then the order of the configuration', async () => {
    const entries = [entryOf('saml', 'a'), entryOf('oidc', 'b'), entryOf('saml', 'c')];
    const world = createListWorld(...entries);
    await using providers = world.start();
    const names = () => providers.list().map(({ name }) => name);
    assert.deepEqual(names(), ['a', 'b', 'c']);
    world.reload(entries, 'c');
    assert.deepEqual(names(), ['c', 'a', 'b']);
    assert.equal(world.made.length, 3);
  });

  it('finds by exact name', async () => {
    await using providers = createListWorld(entryOf('saml', 'a')).start();
    assert.equal(providers.get('a')?.type, 'saml');
    for (const name of ['A', 'a ', '', 'toString', '__proto__']) assert.equal(providers.get(name), null);
  });

  it('keeps what did not change over a reload and replaces what did', async () => {
    const world = createListWorld(entryOf('saml', 'a'), secretly(entryOf('oidc', 'b'), 'one'));
    await using providers = world.start();
    const [a, b] = providers.list();
    world.reload([entryOf('saml', 'a'), secretly(entryOf('oidc', 'b'), 'one')]);
    assert.ok(providers.get('a') === a && providers.get('b') === b);
    world.reload([{ ...entryOf('saml', 'a'), clockSkew: 1 }, secretly(entryOf('oidc', 'b'), 'one')]);
    assert.ok(providers.get('a') !== a && providers.get('b') === b);
    assert.deepEqual(
      world.made.map(({ name, disposed }) => `${name} ${disposed}`),
      ['a true', 'b false', 'a false'],
    );
  });

  it('sees that only a secret, a list or a missing key changed', async () => {
    const oidc = entryOf('oidc', 'b');
    const world = createListWorld(secretly(oidc, 'one'));
    await using providers = world.start();
    const versions = [
      secretly(oidc, 'two'),
      oidc,
      { ...oidc, allowGroups: ['x'] },
      { ...oidc, allowGroups: ['x', 'y'] },
      { ...oidc, allowGroups: ['y', 'x'] },
      { ...oidc, label: 'B' },
    ];
    for (const [at, entry] of versions.entries()) {
      const before = providers.get('b');
      world.reload([entry]);
      assert.notEqual(providers.get('b'), before, `version ${at}`);
    }
  });

  it('disposes of what was removed, and says that it is not ready', async () => {
    const world = createListWorld(entryOf('saml', 'a'), entryOf('oidc', 'b'));
    await using providers = world.start();
    world.reload([entryOf('oidc', 'b')]);
    assert.equal(providers.get('a'), null);
    assert.equal(world.made[0]?.disposed, true);
    assert.ok(world.ready.some(([name, is]) => name === 'a' && !is));
  });

  it('keeps the last good one when a changed one cannot be made, and says why', async () => {
    const world = createListWorld(entryOf('saml', 'a'));
    await using providers = world.start();
    const before = providers.get('a');
    world.breakMaking('a');
    world.reload([{ ...entryOf('saml', 'a'), clockSkew: 1 }, entryOf('oidc', 'b')]);
    assert.equal(providers.get('a'), before);
    assert.ok(providers.get('b'));
    assert.equal(world.made[0]?.disposed, false);
    assert.match(world.logged.join('\n'), /a has no key/);
    world.breakMaking(null);
    world.reload([{ ...entryOf('saml', 'a'), clockSkew: 2 }, entryOf('oidc', 'b')]);
    assert.notEqual(providers.get('a'), before);
  });

  it('refuses to start with one that cannot be made', () => {
    const world = createListWorld(entryOf('saml', 'a'));
    world.breakMaking('a');
    assert.throws(() => world.start(), /a has no key/);
  });

  it('tells every half minute which are ready, also when nobody asks', async () => {
    const world = createListWorld(entryOf('saml', 'a'), entryOf('oidc', 'b'));
    {
      await using _ = world.start();
      assert.deepEqual(world.ready.splice(0), [
        ['a', true],
        ['b', true],
      ]);
      const [first] = world.made;
      assert.ok(first);
      first.state = () => ({ ready: false, reason: 'no metadata yet' });
      await world.clock.advance(30_000);
      assert.deepEqual(world.ready.splice(0), [
        ['a', false],
        ['b', true],
      ]);
    }
    await world.clock.advance(300_000);
    assert.deepEqual(world.ready, []);
    assert.ok(world.made.every(({ disposed }) => disposed));
  });
});
