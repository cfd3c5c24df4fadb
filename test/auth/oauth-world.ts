import { randomBytes } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import {
  type AccessTokens,
  type Caller,
  createAccessTokens,
  createDevices,
  createOAuthRoutes,
  type Devices,
  type WebRoute,
} from '../../src/auth/index.ts';
import type { Config } from '../../src/config/index.ts';
import { type Clock, type Identity, Secret, type WebAnswer, type WebRequest } from '../../src/kernel/index.ts';
import type { Report } from '../../src/observe/index.ts';
import { createMemoryKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { localIdentity } from '../world/identities.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { config as tokenConfig, type WatchedStore, watch } from './auth-world.ts';

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
export const PUBLIC_URL = 'https://vovgw.example.com';

/** A person who signed in at a provider. */
export const person = (user: string, roles: Identity['roles'] = ['user']): Identity => ({
  ...localIdentity(user),
  subject: `corp:${user}-1`,
  provider: 'corp',
  bound: {},
  roles,
});

type Device = Config['signIn']['device'];
const PROVIDER = { name: 'corp' } as Config['signIn']['providers'][number];

/** One replica: its parts, and calls to its routes. */
export interface OAuthReplica {
  readonly tokens: AccessTokens;
  readonly devices: Devices;
  readonly routes: readonly WebRoute[];
  /** Posts fields; a list of pairs where a name must come twice. */
  post(
    path: string,
    fields: Readonly<Record<string, string>> | [string, string][],
    more?: CallOptions,
  ): Promise<Answer>;
  get(path: string): Promise<Answer>;
}

export interface CallOptions {
  readonly caller?: Caller | null;
  readonly address?: string;
  readonly authorization?: string;
}

/** What a JSON endpoint answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Record<string, unknown>;
}

export interface OAuthOptions {
  readonly replicas?: number;
  readonly kv?: KeyValue;
  readonly clock?: Clock & { advance(ms: number): Promise<void> };
  readonly device?: Partial<Device>;
  readonly providers?: boolean;
}

export interface OAuthWorld extends AsyncDisposable {
  readonly clock: Clock & { advance(ms: number): Promise<void> };
  readonly store: WatchedStore;
  readonly replicas: readonly OAuthReplica[];
  readonly people: Map<string, Identity>;
  readonly credentials: Parameters<Report['credential']>[0][];
  readonly signIns: Parameters<Report['signIn']>[0][];
}

/** A request as the server makes it of a form post. */
export function webRequest(method: string, path: string, form: URLSearchParams, more: CallOptions = {}): WebRequest {
  const raw = new IncomingMessage(new Socket());
  if (more.authorization !== undefined) raw.headers.authorization = more.authorization;
  return {
    method,
    path,
    params: {},
    query: new URLSearchParams(),
    form,
    body: Buffer.alloc(0),
    contentType: method === 'POST' ? 'application/x-www-form-urlencoded' : '',
    cookies: new Map(),
    queue: 'main',
    address: more.address ?? '192.0.2.1',
    requestId: 'req-00000001',
    userAgent: 'test',
    raw,
  };
}

function jsonOf(answer: WebAnswer): Answer {
  if (answer.kind !== 'json') throw new Error(`not JSON but ${answer.kind}`);
  const body = JSON.parse(JSON.stringify(answer.body));
  return { status: answer.status ?? 200, headers: answer.headers ?? {}, body };
}

/** Some replicas of the OAuth endpoints on one store and one clock. */
export function createOAuthWorld(options: OAuthOptions = {}): OAuthWorld {
  const clock = options.clock ?? createManualClock();
  const store = watch(options.kv ?? createMemoryKeyValue({ clock }));
  const sealer = createSealer({ current: new Secret(randomBytes(32).toString('base64')) });
  const people = new Map<string, Identity>();
  const [credentials, signIns]: [OAuthWorld['credentials'], OAuthWorld['signIns']] = [[], []];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const report: Pick<Report, 'log' | 'credential' | 'signIn'> = {
    log,
    credential: (event) => void credentials.push(event),
    signIn: (record) => void signIns.push(record),
  };
  const device: Device = {
    life: 600_000,
    interval: 5000,
    scopes: ['read', 'submit', 'control'],
    tokenLife: 7 * 86_400_000,
    ...options.device,
  };
  const signIn = { providers: options.providers === false ? [] : [PROVIDER], device } as unknown as Config['signIn'];
  const config = () => ({ ...tokenConfig, signIn });
  const join = (): OAuthReplica => {
    const find = async (subject: string) => people.get(subject) ?? null;
    const base = { kv: store, clock, sealer, config, report };
    const tokens = createAccessTokens({ ...base, identityOf: (user) => localIdentity(user), people: { find } });
    const devices = createDevices({ ...base, tokens });
    const routes = createOAuthRoutes({ config, clock, devices, tokens, publicUrl: () => PUBLIC_URL });
    const call = async (method: string, path: string, form: URLSearchParams, more: CallOptions = {}) => {
      const route = routes.find((known) => known.method === method && known.path === path);
      if (route === undefined) throw new Error(`no route ${method} ${path}`);
      const visitor = { session: null, caller: more.caller ?? null };
      return jsonOf(await route.handle(webRequest(method, path, form, more), visitor));
    };
    return {
      tokens,
      devices,
      routes,
      post: (path, fields, more) => call('POST', path, new URLSearchParams(fields), more),
      get: (path) => call('GET', path, new URLSearchParams()),
    };
  };
  const replicas = Array.from({ length: options.replicas ?? 1 }, join);
  return {
    clock,
    store,
    replicas,
    people,
    credentials,
    signIns,
    async [Symbol.asyncDispose]() {
      store.away = false;
      for (const { tokens } of replicas) await tokens[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** The first replica of a world. */
export function firstOf({ replicas }: OAuthWorld): OAuthReplica {
  const [first] = replicas;
  if (first === undefined) throw new Error('a world without a replica');
  return first;
}

/** Begins a login and gives its codes. */
export async function begin(replica: OAuthReplica, fields: Readonly<Record<string, string>> = {}) {
  const { body } = await replica.post('/oauth/device_authorization', { client_id: 'vovgw', host: 'hpc1', ...fields });
  return { deviceCode: String(body.device_code), userCode: String(body.user_code), body };
}

/** Polls for the token. */
export function poll(replica: OAuthReplica, deviceCode: string): Promise<Answer> {
  return replica.post('/oauth/token', { grant_type: DEVICE_GRANT, client_id: 'vovgw', device_code: deviceCode });
}
