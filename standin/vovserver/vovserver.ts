import type { Socket } from 'node:net';
import { type Clock, systemClock } from '../../src/kernel/index.ts';
import { type Authority, createAuthority, createSelfSigned, type Leaf, type LeafOptions } from '../certificates.ts';
import { createCatalog } from './catalog.ts';
import { createConnections } from './connections.ts';
import { createFaultPicker, type FaultPicker } from './fault-picker.ts';
import { changeFaults, type FaultRule, type Faults, NO_FAULTS } from './faults.ts';
import { createHandler } from './handler.ts';
import { createJobClass } from './job-fields.ts';
import { createJobStore, type JobStore } from './job-store.ts';
import { createSigner } from './jwt.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createListener, type Listener } from './listener.ts';
import { changeProfile, DEFAULT_PROFILE, type Profile } from './profile.ts';
import { createServiceLoop } from './service-loop.ts';
import type { ServerState } from './state.ts';
import { createStats, resetStats, type Stats } from './stats.ts';
import { createUnderWay, type UnderWay } from './under-way.ts';
import { createUsers, type SecurityRule, type Users, type UserTable } from './users.ts';

/** How the web port is reached. */
export const TRANSPORTS = ['http', 'https-selfsigned', 'https-ca', 'https-wronghost', 'https-expired'] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface VovserverOptions {
  /** Default https-ca. */
  readonly transport?: Transport;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  readonly queueName?: string;
  readonly users?: UserTable;
  readonly rules?: readonly SecurityRule[];
  readonly profile?: Partial<Profile>;
  readonly faults?: Partial<Faults>;
  /** For JWTs and the life of jobs. */
  readonly clock?: Clock;
  /** For the delays of faults and service times; default real time. */
  readonly waits?: Clock;
  /** 0 to below 1. */
  readonly random?: () => number;
  /** False for benches. */
  readonly ledger?: boolean;
  /** Signs the certificate of https-ca; default one of its own. */
  readonly authority?: Authority;
  /** Names beside localhost, 127.0.0.1 and ::1 for the certificate. */
  readonly altNames?: readonly string[];
  /** This certificate instead of a new one. */
  readonly leaf?: Leaf;
  /** PEM of authorities; with it, clients must show a certificate of theirs. */
  readonly clientCaPem?: string;
  /** Also open the read-only port (plain HTTP, no login, GET only) here; 0 for a free one. */
  readonly readOnlyPort?: number;
}

export interface RestartOptions {
  /** Another port; 0 for any. Default the same. */
  readonly port?: number;
  /** Milliseconds of silence in between: connections are refused. */
  readonly downMs?: number;
  /** What a crash does to jobs that wait or run; default they stay. */
  readonly jobs?: 'kept' | 'sleeping' | 'vanished';
}

export interface RotateOptions extends LeafOptions {
  /** Old TLS sessions may still be resumed, as by a server that keeps its ticket key. */
  readonly resume?: boolean;
  /** Also restart the listener, which cuts all connections. */
  readonly restart?: boolean;
  /** This certificate instead of a new one. */
  readonly leaf?: Leaf;
}

/** A running stand-in. */
export interface Vovserver extends AsyncDisposable {
  /** For example https://127.0.0.1:41234; changes when a restart changes the port. */
  readonly url: string;
  readonly port: number;
  readonly transport: Transport;
  readonly queueName: string;
  /** PEM of the authority that signs its certificates; null with http or a self-signed one. */
  readonly caPem: string | null;
  /** Null with http. */
  readonly leaf: Leaf | null;
  /** The SPKI pin of `leaf`; empty with http. */
  readonly pin: string;
  /** Empty for ever when it is off. */
  readonly ledger: Ledger;
  readonly stats: Stats;
  /** How many calls of each kind were under way on the web port, over time. */
  readonly underWay: UnderWay;
  /** The read-only port and its own counters; null when it is not open. */
  readonly readOnly: { readonly url: string; readonly stats: Stats } | null;
  readonly jobs: JobStore;
  readonly users: Users;
  readonly profile: Profile;
  readonly faults: Faults;
  setProfile(change: Partial<Profile>): void;
  setFaults(change: Partial<Faults>): void;
  /** Adds a fault below those that there are; dispose to take it away. */
  addFault(rule: FaultRule): Disposable;
  rotate(options?: RotateOptions): Promise<Leaf>;
  stop(how?: 'fin' | 'reset'): Promise<void>;
  /** Starts again after `stop`, or stops first. Without Profile.tokensSurviveRestart all JWTs die. */
  restart(options?: RestartOptions): Promise<void>;
  /** Moves the clock of JWTs and jobs forward, whatever clock it is. */
  advance(ms: number): void;
  /** Profile, faults and users as at the start; no jobs, empty ledger, counters at zero. JWTs stay good. */
  reset(): void;
}

/** A clock that can be moved forward beside its own course. */
function createShiftedClock(base: Clock): Clock & { shift(ms: number): void } {
  let offset = 0;
  return {
    now: () => base.now() + offset,
    elapsed: () => base.elapsed(),
    after: (ms, fn) => base.after(ms, fn),
    every: (ms, fn) => base.every(ms, fn),
    sleep: (ms, signal) => base.sleep(ms, signal),
    shift(ms) {
      offset += ms;
    },
  };
}

function leafOptions(transport: Transport, altNames: readonly string[]): LeafOptions {
  if (transport === 'https-wronghost') return { hosts: ['elsewhere.invalid'] };
  const hosts = [...altNames, 'localhost', '127.0.0.1', '::1'];
  return transport === 'https-expired' ? { hosts, validity: 'expired' } : { hosts };
}

/** Makes certificates for one transport. */
async function createIssuer(options: VovserverOptions, transport: Transport) {
  const signed = transport !== 'http' && transport !== 'https-selfsigned';
  const authority = signed ? (options.authority ?? (await createAuthority())) : null;
  const base = leafOptions(transport, options.altNames ?? []);
  return {
    caPem: authority?.certPem ?? null,
    make: (extra: LeafOptions = {}): Promise<Leaf> =>
      authority === null ? createSelfSigned({ ...base, ...extra }) : authority.leaf({ ...base, ...extra }),
  };
}

type Issuer = Awaited<ReturnType<typeof createIssuer>>;

function createState(options: VovserverOptions, clock: Clock): ServerState {
  const users = createUsers(options.users ?? {}, options.rules);
  const queueName = options.queueName ?? 'vnc';
  const now = (): number => clock.now();
  const state: ServerState = {
    queueName,
    clock,
    users,
    jobs: createJobStore(now, () => state.profile),
    jobClass: createJobClass(now),
    ledger: options.ledger === false ? null : createLedger(),
    profile: changeProfile(DEFAULT_PROFILE, options.profile ?? {}),
    signer: createSigner(),
    catalog: createCatalog(queueName, users),
    random: options.random ?? Math.random,
  };
  return state;
}

interface Parts {
  readonly options: VovserverOptions;
  readonly transport: Transport;
  readonly state: ServerState;
  readonly stats: Stats;
  readonly underWay: UnderWay;
  readonly picker: FaultPicker;
  readonly listener: Listener;
  readonly guests: { readonly listener: Listener; readonly stats: Stats } | null;
  readonly issuer: Issuer;
  readonly waits: Clock;
  readonly clock: { shift(ms: number): void };
  leaf: Leaf | null;
}

type Shared = Pick<Parts, 'options' | 'state' | 'picker' | 'waits'> & { readonly clock: Clock };

/** Makes one port with its own counters; `guest` for the read-only one. */
function createPort({ options, state, picker, waits, clock }: Shared, leaf: Leaf | null, guest: boolean) {
  const stats = createStats();
  const connections = createConnections(stats);
  const underWay = createUnderWay(waits);
  const loop = createServiceLoop(waits, state.random);
  const handle = createHandler({ state, stats, connections, picker, waits, guest, loop, underWay });
  const { clientCaPem } = options;
  const listener = createListener({
    tls: leaf === null ? null : { leaf, ...(clientCaPem === undefined ? {} : { clientCaPem }) },
    host: options.host ?? '127.0.0.1',
    profile: () => state.profile,
    maxConnections: () => picker.faults.maxConnections,
    stats,
    connections,
    handle,
    malformed(socket: Socket, code: string) {
      stats.malformed += 1;
      state.ledger?.broken({ at: clock.now(), connection: connections.idOf(socket), code });
    },
  });
  return { listener, stats, underWay };
}

function createParts(options: VovserverOptions, transport: Transport, issuer: Issuer, leaf: Leaf | null): Parts {
  const clock = createShiftedClock(options.clock ?? systemClock);
  const waits = options.waits ?? systemClock;
  const state = createState(options, clock);
  const picker = createFaultPicker(state.random);
  picker.set(changeFaults(NO_FAULTS, options.faults ?? {}));
  const shared = { options, state, picker, waits, clock };
  const web = createPort(shared, leaf, false);
  const guests = options.readOnlyPort === undefined ? null : createPort(shared, null, true);
  return { ...shared, ...web, guests, transport, issuer, leaf };
}

function setProfile({ state, listener }: Parts, profile: Profile): void {
  state.jobs.settle();
  state.profile = profile;
  listener.refresh();
  state.jobs.wake();
}

async function restart(parts: Parts, { port, downMs = 0, jobs = 'kept' }: RestartOptions): Promise<void> {
  const { state, listener, transport } = parts;
  await close(parts, 'reset');
  if (downMs > 0) await parts.waits.sleep(downMs);
  state.jobs.settle();
  if (jobs !== 'kept') state.jobs.crash(jobs);
  if (!state.profile.tokensSurviveRestart) state.signer = createSigner();
  if (transport === 'https-selfsigned' && state.profile.newCertificateAtRestart) await rotate(parts, {});
  await open(parts, port ?? listener.port);
}

async function rotate(parts: Parts, options: RotateOptions): Promise<Leaf> {
  if (parts.transport === 'http') throw new RangeError('a stand-in on plain HTTP has no certificate');
  const { resume = false, restart: cut = false, leaf: given, ...wanted } = options;
  const leaf = given ?? (await parts.issuer.make(wanted));
  parts.leaf = leaf;
  parts.listener.show(leaf, resume);
  if (cut) {
    const { port } = parts.listener;
    await parts.listener.close('reset');
    await parts.listener.listen(port);
  }
  return leaf;
}

function reset({ options, state, stats, picker, listener }: Parts): void {
  state.profile = changeProfile(DEFAULT_PROFILE, options.profile ?? {});
  picker.set(changeFaults(NO_FAULTS, options.faults ?? {}));
  state.users.set(options.users ?? {}, options.rules ?? []);
  state.jobs.clear();
  state.ledger?.clear();
  resetStats(stats);
  listener.refresh();
}

function addFault({ picker }: Parts, rule: FaultRule): Disposable {
  picker.set(changeFaults(picker.faults, { rules: [...picker.faults.rules, rule] }));
  const remove = (): void => {
    picker.set({ ...picker.faults, rules: picker.faults.rules.filter((one) => one !== rule) });
  };
  return { [Symbol.dispose]: remove };
}

function urlOf(scheme: string, { options }: Parts, { port }: Listener): string {
  const host = options.host === undefined || options.host === '0.0.0.0' ? '127.0.0.1' : options.host;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Ends all ports. */
async function close({ listener, guests }: Parts, how: 'fin' | 'reset'): Promise<void> {
  await Promise.all([listener.close(how), guests?.listener.close(how)]);
}

async function open({ listener, guests, options }: Parts, port: number): Promise<void> {
  await listener.listen(port);
  if (guests !== null) await guests.listener.listen(guests.listener.port || (options.readOnlyPort ?? 0));
}

function present(parts: Parts): Vovserver {
  const { state, stats, underWay, picker, listener, transport, issuer } = parts;
  const ledger = state.ledger ?? createLedger();
  return {
    get url() {
      return urlOf(transport === 'http' ? 'http' : 'https', parts, listener);
    },
    get port() {
      return listener.port;
    },
    get leaf() {
      return parts.leaf;
    },
    get readOnly() {
      const { guests } = parts;
      return guests === null ? null : { url: urlOf('http', parts, guests.listener), stats: guests.stats };
    },
    get pin() {
      return parts.leaf?.spkiPin ?? '';
    },
    get profile() {
      return state.profile;
    },
    get faults() {
      return picker.faults;
    },
    transport,
    queueName: state.queueName,
    caPem: issuer.caPem,
    ledger,
    stats,
    underWay,
    jobs: state.jobs,
    users: state.users,
    setProfile: (change) => setProfile(parts, changeProfile(state.profile, change)),
    setFaults: (change) => picker.set(changeFaults(picker.faults, change)),
    addFault: (rule) => addFault(parts, rule),
    rotate: (options = {}) => rotate(parts, options),
    stop: (how = 'reset') => close(parts, how),
    restart: (options = {}) => restart(parts, options),
    advance: (ms) => parts.clock.shift(ms),
    reset: () => reset(parts),
    [Symbol.asyncDispose]: () => close(parts, 'fin'),
  };
}

/** Starts a stand-in vovserver and resolves once it listens. Throws RangeError for a bad profile, faults or users. */
export async function createVovserver(options: VovserverOptions = {}): Promise<Vovserver> {
  const transport = options.transport ?? 'https-ca';
  const issuer = await createIssuer(options, transport);
  const leaf = transport === 'http' ? null : (options.leaf ?? (await issuer.make()));
  const parts = createParts(options, transport, issuer, leaf);
  await open(parts, options.port ?? 0);
  return present(parts);
}
