import { randomBytes } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import {
  createSessions,
  type People,
  SESSION_COOKIE,
  type Sessions,
  type SessionsOptions,
  type SignedIn,
} from '../../src/auth/index.ts';
import { GatewayError, type Identity, Secret, type WebRequest } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createSealer, type KeyValue, type Sealer } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { type WatchedStore, watch } from './auth-world.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

type SessionsConfig = ReturnType<SessionsOptions['config']>;
type CredentialEvent = Parameters<SessionsOptions['report']['credential']>[0];

/** A request to one of the gateway's own pages. */
export function webRequest(changes: Partial<WebRequest> & { session?: string; flow?: string } = {}): WebRequest {
  const { session, flow, ...rest } = changes;
  const cookies = new Map<string, string>();
  if (session !== undefined) cookies.set(SESSION_COOKIE, session);
  if (flow !== undefined) cookies.set('vovgw-flow', flow);
  return {
    method: 'GET',
    path: '/',
    params: {},
    query: new URLSearchParams(),
    form: new URLSearchParams(),
    body: Buffer.alloc(0),
    contentType: '',
    cookies,
    queue: 'main',
    address: '192.0.2.7',
    requestId: 'req-00000001',
    userAgent: 'Mozilla/5.0 (X11)',
    raw: new IncomingMessage(new Socket()),
    ...rest,
  };
}

/** A person who signed in at the provider `corp`. */
export function person(user: string, changes: Partial<Identity> = {}): Identity {
  const subject = `corp:${user}-0001`;
  return { subject, user, groups: [], roles: ['user'], provider: 'corp', attributes: {}, bound: {}, ...changes };
}

export const ALICE = person('alice.liddell');
export const BOB = person('bob.dodgson');

/** A sign-in of that person, as a provider hands it on. */
export function signedIn({ user }: Identity, changes: Partial<SignedIn> = {}): SignedIn {
  return {
    assertion: { provider: 'corp', issuer: 'https://idp.example', attributes: { sub: [user] } },
    providerSession: { keys: [`sid:${user}`, `sub:${user}`], hint: `id-token-of-${user}` },
    returnTo: '/ui/',
    until: null,
    ...changes,
  };
}

export function newKey(): Secret {
  return new Secret(randomBytes(32).toString('base64'));
}

/** Configuration with an idle life of an hour and eight hours in all. */
export function sessionsConfig(
  session: { idle: number; life: number } = { idle: HOUR, life: 8 * HOUR },
): SessionsConfig {
  const signIn = {
    providers: [],
    bearers: [],
    session,
    flowLife: 10 * MINUTE,
    device: { life: 10 * MINUTE, interval: 5000, scopes: ['read' as const], tokenLife: HOUR },
  };
  return { signIn, secrets: { tokenKey: new Secret('token-key-'.repeat(4)), sealingKey: new Secret('') } };
}

/** The people who may sign in; `away` makes their store unreachable. */
export interface KnownPeople extends Pick<People, 'find'> {
  away: boolean;
  readonly known: Map<string, Identity>;
}

export function knownPeople(...identities: Identity[]): KnownPeople {
  const people: KnownPeople = {
    away: false,
    known: new Map(identities.map((identity) => [identity.subject, identity])),
    async find(subject) {
      if (people.away) throw new GatewayError('GW_STORE_UNAVAILABLE', 'taken away by the test');
      return people.known.get(subject) ?? null;
    },
  };
  return people;
}

/** Some replicas on one store and one clock that stands still. */
export interface SessionsWorld extends AsyncDisposable {
  readonly clock: ReturnType<typeof createManualClock>;
  readonly store: WatchedStore;
  readonly sealingKey: Secret;
  readonly sealer: Sealer;
  readonly people: KnownPeople;
  readonly events: CredentialEvent[];
  readonly first: Sessions;
  readonly replicas: readonly Sessions[];
  /** What `config()` gives from now on. */
  configure(session: { idle: number; life: number }): void;
  /** A further replica on the same store. */
  join(options?: Partial<SessionsOptions>): Sessions;
}

/** Boots `count` replicas on one memory store, or on `kv`. */
export function createSessionsWorld(count = 1, kv?: KeyValue, clock = createManualClock()): SessionsWorld {
  const store = watch(kv ?? createMemoryKeyValue({ clock }));
  const sealingKey = newKey();
  const sealer = createSealer({ current: sealingKey });
  const people = knownPeople(ALICE, BOB);
  const events: CredentialEvent[] = [];
  const report = { credential: (event: CredentialEvent) => void events.push(event) };
  let config = sessionsConfig();
  const replicas: Sessions[] = [];
  const join = (options: Partial<SessionsOptions> = {}): Sessions => {
    const made = createSessions({ kv: store, sealer, config: () => config, clock, people, report, ...options });
    replicas.push(made);
    return made;
  };
  const first = join();
  for (let at = 1; at < count; at++) join();
  return {
    clock,
    store,
    sealingKey,
    sealer,
    people,
    events,
    first,
    replicas,
    configure: (session) => {
      config = sessionsConfig(session);
    },
    join,
    async [Symbol.asyncDispose]() {
      store.away = false;
      for (const replica of replicas) await replica[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}
