import { createHash } from 'node:crypto';
import type { Config } from '../../src/config/index.ts';
import { configSchema } from '../../src/config/index.ts';
import { type Account, type Clock, GatewayError, Secret } from '../../src/kernel/index.ts';
import type { LoginRecord, Report } from '../../src/observe/index.ts';
import {
  createLeases,
  createMemoryKeyValue,
  createSealer,
  type KeyValue,
  type Leases,
  StoreUnavailable,
} from '../../src/platform/index.ts';
import { type Broker, type CredentialSource, createBroker } from '../../src/tokens/index.ts';
import type { UpstreamToken } from '../../src/upstream/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { createFakeVovserver, type FakeVovserver } from './fake-vovserver.ts';

export const accountOf = (name: string, queue = 'main'): Account => ({ queue, name, shared: false });

/** A configuration with the given parts, decided by the schema itself. */
export function testConfig(broker: object = {}, credentials: object[] = []): Config {
  const decided = configSchema.parse({
    queues: [
      { name: 'main', urls: ['https://vov1:6330'] },
      { name: 'other', urls: ['https://vov2:6330'] },
    ],
    broker,
    credentials,
  });
  return decided as Config;
}

export interface RecordedReport extends Report {
  readonly logins: LoginRecord[];
  readonly lookups: string[];
  readonly expiries: [queue: string, seconds: number | null, cached: number][];
  /** Everything that was reported or logged, as text. */
  readonly all: string[];
}

/** A report that keeps what it is told. */
export function createRecordedReport(): RecordedReport {
  const all: string[] = [];
  const logins: LoginRecord[] = [];
  const lookups: string[] = [];
  const expiries: RecordedReport['expiries'] = [];
  const note =
    (what: string) =>
    (...args: unknown[]): void => {
      all.push(`${what} ${JSON.stringify(args)}`);
    };
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  return {
    log,
    all,
    logins,
    lookups,
    expiries,
    login(record) {
      logins.push(record);
      note('login')(record);
    },
    jwtLookup: (queue, found) => void lookups.push(`${queue} ${found}`),
    jwtExpiry: (queue, seconds, cached) => void expiries.push([queue, seconds, cached]),
    requestStarted: note('requestStarted'),
    requestEnded: note('requestEnded'),
    upstream: note('upstream'),
    upstreamConnections: note('upstreamConnections'),
    certificate: note('certificate'),
    limit: note('limit'),
    attempt: note('attempt'),
    store: note('store'),
    storeCommand: note('storeCommand'),
    signIn: () => undefined,
    turn: () => undefined,
    lane: () => undefined,
    maintenance: () => undefined,
    upstreamCircuit: () => undefined,
    coalesced: () => undefined,
    retry: () => undefined,
    submission: () => undefined,
    policyDecision: () => undefined,
    jobWatchers: () => undefined,
    jobWatchCall: () => undefined,
    credential: () => undefined,
    providerReady: () => undefined,
    configReload: note('configReload'),
  };
}

export interface SwitchedKeyValue extends KeyValue {
  /** Whether this replica reaches the store. */
  reachable: boolean;
  /** Holds the answers of the store back until it resolves; the store has done the work before. */
  answers: Promise<void> | null;
  /** Keys and values of every call, as the store sees them. */
  readonly seen: string[];
  /** Tells the subscribers that they may have missed something. */
  gap(): void;
}

/** One replica's way to the shared store, which can be cut. */
export function createSwitchedKeyValue(kv: KeyValue): SwitchedKeyValue {
  const gaps: (() => void)[] = [];
  const via = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (!self.reachable) throw new StoreUnavailable('cut by the test');
      self.seen.push(JSON.stringify(args));
      const answer = await call(...args);
      await self.answers;
      return answer;
    };
  };
  const self: SwitchedKeyValue = {
    reachable: true,
    answers: null,
    seen: [],
    gap: () => gaps.forEach((onGap) => void onGap()),
    kind: kv.kind,
    state: () => (self.reachable ? kv.state() : 'down'),
    get: via(kv.get),
    set: via(kv.set),
    compareAndSet: via(kv.compareAndSet),
    delete: via(kv.delete),
    increment: via(kv.increment),
    addToSet: via(kv.addToSet),
    removeFromSet: via(kv.removeFromSet),
    members: via(kv.members),
    run: via(kv.run),
    publish: via(kv.publish),
    async subscribe(channel, onMessage, onGap) {
      if (!self.reachable) throw new StoreUnavailable('cut by the test');
      if (onGap !== undefined) gaps.push(onGap);
      const heard = (message: string): void => void (self.reachable && onMessage(message));
      return await kv.subscribe(channel, heard, onGap);
    },
    ping: via(kv.ping),
    [Symbol.asyncDispose]: async () => undefined,
  };
  return self;
}

/** A source with the passwords of this map; the version is a hash, as the real ones give it. */
export function createMapSource(passwords: ReadonlyMap<string, string>): CredentialSource {
  return {
    name: 'map',
    async find({ name }) {
      const password = passwords.get(name);
      if (password === undefined) return null;
      const version = createHash('sha256').update(`${name} ${password}`).digest('base64url');
      return { secret: new Secret(password), version };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** A small generator, so that a failing run can be repeated. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

export const SEALING_KEY = new Secret(Buffer.alloc(32, 7).toString('base64'));

export interface Replica {
  readonly broker: Broker;
  readonly kv: SwitchedKeyValue;
  readonly report: RecordedReport;
}

export interface World extends AsyncDisposable {
  readonly clock: ReturnType<typeof createManualClock>;
  readonly vovserver: FakeVovserver;
  /** The store behind all replicas. */
  readonly store: KeyValue;
  readonly replicas: readonly Replica[];
  /** What the credential sources of all replicas know. */
  readonly passwords: Map<string, string>;
  /** The first replica. */
  readonly first: Replica;
  config: Config;
  sources: CredentialSource[];
  /** Gives the account a password on both sides. */
  enrol(...names: string[]): void;
  /** The JWT of an account on a replica; the clock moves only when `moving` is given. */
  get(replica: Replica, name: string): Promise<UpstreamToken>;
}

export interface WorldOptions {
  readonly replicas?: number;
  readonly broker?: object;
  readonly credentials?: object[];
  /** Replicas that do not reach the store when they start. */
  readonly cut?: readonly number[];
  readonly leases?: (kv: KeyValue, clock: Clock, replica: number) => Leases;
}

/** Brokers that share one in-memory store and one vovserver, on a clock that the test moves. */
export function createWorld(options: WorldOptions = {}): World {
  const clock = createManualClock();
  const store = createMemoryKeyValue({ clock });
  const vovserver = createFakeVovserver(clock);
  const passwords = new Map<string, string>();
  const leasesOf = options.leases ?? ((kv, at, replica) => createLeases(kv, { clock: at, ownerId: `r${replica}` }));
  const replicas = Array.from({ length: options.replicas ?? 1 }, (_, index): Replica => {
    const kv = createSwitchedKeyValue(store);
    kv.reachable = !options.cut?.includes(index);
    const report = createRecordedReport();
    const broker = createBroker({
      config: () => world.config,
      kv,
      leases: leasesOf(kv, clock, index),
      sealer: createSealer({ current: SEALING_KEY }),
      upstream: vovserver,
      sources: () => world.sources,
      report,
      clock,
      random: createRandom(index + 1),
    });
    return { broker, kv, report };
  });
  const [first] = replicas;
  if (first === undefined) throw new RangeError('a world needs a replica');
  const world: World = {
    clock,
    vovserver,
    store,
    replicas,
    passwords,
    first,
    config: testConfig(options.broker, options.credentials),
    sources: [createMapSource(passwords)],
    enrol(...names) {
      for (const name of names) {
        passwords.set(name, `pw of ${name}`);
        vovserver.passwords.set(name, `pw of ${name}`);
      }
    },
    get: async ({ broker }, name) => await broker.credentialFor(accountOf(name)).get(),
    async [Symbol.asyncDispose]() {
      for (const { broker } of replicas) await broker[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
  return world;
}

/** A check for `assert.rejects`: this code, and a detail that names the account. */
export const refusal =
  (code: string, detail: RegExp) =>
  (error: unknown): boolean =>
    error instanceof GatewayError && error.code === code && detail.test(error.detail);
