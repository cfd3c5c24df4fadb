import { randomBytes } from 'node:crypto';
import { createPeople, type People, type PeopleOptions } from '../../src/auth/index.ts';
import { type Config, configSchema } from '../../src/config/index.ts';
import { type Assertion, createIdentityRules, type IdentityRules } from '../../src/identity/index.ts';
import { Secret } from '../../src/kernel/index.ts';
import type { LogFields, Logger } from '../../src/observe/index.ts';
import { createMemoryKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { createManualClock, type ManualClock } from '../world/manual-clock.ts';
import { type WatchedStore, watch } from './auth-world.ts';

type Tree = Record<string, unknown>;

/** Bearer tokens of the realm `corp`, which say no groups. */
const PROGRAMS = { type: 'jwt', name: 'programs', realm: 'corp', issuer: 'https://idp.example', audience: ['gw'] };

/** Rules as the file writes them: one SAML provider `corp`, and what `identity` and `corp` say. */
export function rulesFrom(identity: Tree = {}, corp: Tree = {}, more: readonly Tree[] = []): IdentityRules {
  const provider = { type: 'saml', name: 'corp', keyFile: '/k', certFile: '/c', user: { attribute: 'uid' }, ...corp };
  const signIn = configSchema.shape.signIn.parse({ providers: [provider, ...more], bearers: [PROGRAMS] });
  return createIdentityRules({ identity: configSchema.shape.identity.parse(identity), signIn });
}

/** What `provider` says of a person. */
export const assertionOf = (
  subject: string,
  user: string,
  more: Readonly<Record<string, readonly string[]>> = {},
  provider = 'corp',
): Assertion => ({
  provider,
  issuer: 'https://idp.example',
  attributes: { NameID: [subject], sub: [subject], uid: [user], preferred_username: [user], ...more },
});

export const queuesOf = (...names: string[]): Config['queues'] =>
  configSchema.shape.queues.parse(names.map((name) => ({ name, urls: ['https://vov.example:6310'] })));

export interface PeopleWorld extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly store: WatchedStore;
  readonly people: People;
  readonly told: { readonly level: string; readonly fields: LogFields }[];
  /** Puts other rules or queues into effect, as a reload does. */
  use(next: { rules?: IdentityRules; queues?: Config['queues'] }): void;
  /** A further replica on the same store. */
  join(options?: Partial<PeopleOptions>): People;
}

/** People on a memory store and a clock that stands still, or on `kv`. */
export function createPeopleWorld(rules = rulesFrom(), kv?: KeyValue): PeopleWorld {
  const clock = createManualClock();
  const store = watch(kv ?? createMemoryKeyValue({ clock }));
  const sealer = createSealer({ current: new Secret(randomBytes(32).toString('base64')) });
  const secrets = { tokenKey: new Secret('token-key-'.repeat(4)), sealingKey: new Secret('') };
  const signIn = configSchema.shape.signIn.parse({ bearers: [PROGRAMS] });
  let current = { rules, queues: queuesOf('vnc', 'fast') };
  const told: { level: string; fields: LogFields }[] = [];
  const tell = (level: string) => (fields: LogFields) => void told.push({ level, fields });
  const log: Logger = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') };
  const join = (options: Partial<PeopleOptions> = {}): People =>
    createPeople({
      kv: store,
      sealer,
      config: () => ({ queues: current.queues, secrets, signIn }),
      rules: () => current.rules,
      clock,
      report: { log },
      ...options,
    });
  return {
    clock,
    store,
    people: join(),
    told,
    use: (next) => {
      current = { ...current, ...next };
    },
    join,
    async [Symbol.asyncDispose]() {
      store.away = false;
      await store[Symbol.asyncDispose]();
    },
  };
}
