import { randomBytes } from 'node:crypto';
import { createServer, IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Socket } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { type Context, Provider as OidcServer } from 'oidc-provider';
import type { Flows, Provider, Session, UsedOnce } from '../../src/auth/index.ts';
import { createFlows, createOidcProvider, createUsedOnce, FLOW_COOKIE } from '../../src/auth/index.ts';
import type { OidcConfig } from '../../src/config/index.ts';
import { type Clock, type Identity, Secret, systemClock, type WebRequest } from '../../src/kernel/index.ts';
import type { LogFields } from '../../src/observe/index.ts';
import { createMemoryKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { configFrom } from './oidc-config.ts';

export const PUBLIC_URL = 'https://gw.example.com';
export const CLIENT_ID = 'vov gateway:1';
/** Of the kind that providers decode differently when it is not form-encoded before base64. */
export const CLIENT_SECRET = 's3cret: %2B+ &=/~!"';
export const SUBJECT = 'p-7f3a91c2';

/** A key pair as a provider publishes it. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
}

type CryptoKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

export async function newKey(kid = randomBytes(6).toString('hex'), alg = 'RS256'): Promise<SigningKey> {
  const pair = await generateKeyPair(alg, { extractable: true });
  const more = { kid, alg, use: 'sig' };
  return {
    kid,
    privateKey: pair.privateKey,
    publicJwk: { ...(await exportJWK(pair.publicKey)), ...more },
    privateJwk: { ...(await exportJWK(pair.privateKey)), ...more },
  };
}

/** What a handler in front of the identity provider may do: answer by itself, or change the JSON of the answer. */
export interface Tampering {
  /** True when it has answered. */
  before?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** By path: the JSON that is answered in place of the genuine one. */
  json: Map<string, (genuine: Record<string, unknown>) => Record<string, unknown> | Promise<Record<string, unknown>>>;
}

/** A real oidc-provider whose people are signed in without a page. */
export interface OidcRig extends AsyncDisposable {
  readonly issuer: string;
  readonly tampering: Tampering;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  readonly server: OidcServer;
  readonly keys: readonly SigningKey[];
  /** Signs with the first and publishes all from now on. */
  useKeys(keys: readonly SigningKey[]): void;
  /** Logout tokens that oidc-provider has sent. */
  readonly logoutTokens: string[];
  count(path: string): number;
}

export interface RigOptions {
  readonly client?: Readonly<Record<string, unknown>>;
  readonly algorithm?: string;
  readonly names?: readonly string[];
}

export async function createOidcRig(options: RigOptions = {}): Promise<OidcRig> {
  const { algorithm = 'RS256', names = ['corp'] } = options;
  let keys: readonly SigningKey[] = [await newKey(undefined, algorithm)];
  const asked: string[] = [];
  const logoutTokens: string[] = [];
  const tampering: Tampering = { json: new Map() };
  let handler: RequestListener = (_request, response) => response.end();
  const http = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    asked.push(path);
    if (tampering.before?.(request, response) === true) return;
    const change = tampering.json.get(path);
    if (change !== undefined) tamper(response, change);
    handler(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const make = (): OidcServer =>
    createServerOf(issuer, keys, logoutTokens, {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: names.map((name) => `${PUBLIC_URL}/oidc/${name}/callback`),
      post_logout_redirect_uris: [`${PUBLIC_URL}/signed-out`],
      backchannel_logout_uri: `${PUBLIC_URL}/oidc/corp/backchannel-logout`,
      backchannel_logout_session_required: true,
      id_token_signed_response_alg: algorithm,
      ...options.client,
    });
  let server = make();
  const serve = (): void => {
    const callback = server.callback();
    handler = (request, response) => {
      if (request.url?.startsWith('/interaction/') !== true) return callback(request, response);
      const login = { login: { accountId: SUBJECT } };
      server.interactionFinished(request, response, login).catch((error: unknown) => response.end(String(error)));
    };
  };
  serve();
  return {
    issuer,
    tampering,
    asked,
    logoutTokens,
    get server() {
      return server;
    },
    get keys() {
      return keys;
    },
    useKeys(next) {
      keys = next;
      server = make();
      serve();
    },
    count: (path) => asked.filter((one) => one === path).length,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** Holds back what the handler writes and sends what `change` makes of it. */
function tamper(
  response: ServerResponse,
  change: (genuine: Record<string, unknown>) => Record<string, unknown> | Promise<Record<string, unknown>>,
): void {
  const end = response.end.bind(response);
  response.end = ((body: unknown) => {
    const genuine = JSON.parse(String(body)) as Record<string, unknown>;
    Promise.resolve(change(genuine)).then((changed) => {
      response.removeHeader('content-length');
      end(JSON.stringify(changed));
    });
    return response;
  }) as never;
}

function createServerOf(
  issuer: string,
  keys: readonly SigningKey[],
  logoutTokens: string[],
  client: Readonly<Record<string, unknown>>,
): OidcServer {
  return new OidcServer(issuer, {
    clients: [client],
    jwks: { keys: keys.map((key) => key.privateJwk) },
    cookies: { keys: ['cookie key of the rig'] },
    scopes: ['openid', 'profile', 'email'],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups', 'realm_access', 'active'], email: ['email'] },
    conformIdTokenClaims: false,
    interactions: {
      url: (_context: Context, interaction: { readonly uid: string }) => `/interaction/${interaction.uid}`,
    },
    findAccount: (_context: Context, sub: string) => ({
      accountId: sub,
      claims: () => ({
        sub,
        preferred_username: 'alice',
        groups: ['engineers', 'cad'],
        realm_access: { roles: ['submitter'] },
        active: true,
        email: 'alice@example.com',
      }),
    }),
    loadExistingGrant: grantAll,
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      rpInitiatedLogout: { enabled: true },
    },
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      clientAuthSigningAlgValues: ['RS256', 'ES256', 'ES384', 'EdDSA'],
    },
    ttl: { AccessToken: 300, IdToken: 300, Session: 3600, Grant: 3600, Interaction: 300 },
    // Nothing of a test leaves the machine: what would be posted to the gateway is kept.
    fetch: async (_url: unknown, init: { readonly body?: unknown }) => {
      logoutTokens.push(new URLSearchParams(String(init.body)).get('logout_token') ?? '');
      return new Response(null, { status: 200 });
    },
  });
}

async function grantAll(context: Context): Promise<unknown> {
  const { provider, client, session } = context.oidc;
  if (client === undefined || session.accountId === undefined) return undefined;
  const known = session.grantIdFor(client.clientId);
  const kept = known === undefined ? undefined : await provider.Grant.find(known);
  if (kept !== undefined) return kept;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope('openid profile email');
  await grant.save();
  return grant;
}

/** A browser that knows the identity provider: follows redirects there, and stops when it is sent to the gateway. */
export interface Browser {
  /** The URL at the gateway (or the last page) that it ends at. */
  follow(location: string): Promise<URL>;
  /** Cookies for the gateway. */
  readonly cookies: Map<string, string>;
}

export function createBrowser(): Browser {
  const jar = new Map<string, string>();
  return {
    cookies: new Map(),
    async follow(location) {
      let url = new URL(location);
      for (let step = 0; step < 12; step++) {
        if (url.href.startsWith(PUBLIC_URL)) return url;
        const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
        const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
        for (const line of response.headers.getSetCookie()) {
          const [name = '', value = ''] = (line.split(';', 1)[0] ?? '').split(/=(.*)/s);
          if (value === '') jar.delete(name);
          else jar.set(name, value);
        }
        const next = response.headers.get('location');
        if (next === null) throw new Error(`${url.pathname} answered ${response.status}: ${await response.text()}`);
        url = new URL(next, url);
      }
      throw new Error('too many redirects');
    },
  };
}

/** A request as the server hands it to a provider. */
export function webRequest(parts: Partial<WebRequest> = {}): WebRequest {
  return {
    method: 'GET',
    path: '/oidc/corp/callback',
    params: { name: 'corp' },
    query: new URLSearchParams(),
    form: new URLSearchParams(),
    body: Buffer.alloc(0),
    contentType: '',
    cookies: new Map(),
    queue: 'main',
    address: '192.0.2.7',
    requestId: 'request-0001',
    userAgent: 'test',
    raw: new IncomingMessage(new Socket()),
    ...parts,
  };
}

/** One gateway's view of the rig: a provider with everything that it needs. */
export interface Gateway extends AsyncDisposable {
  readonly provider: Provider;
  readonly flows: Flows;
  readonly usedOnce: UsedOnce;
  readonly log: LogFields[];
  readonly ready: boolean[];
  /** Begins a sign-in of a browser. */
  begin(browser: Browser, returnTo?: string): Promise<URL>;
  /** A whole sign-in up to the callback URL. */
  callbackOf(browser: Browser, returnTo?: string): Promise<URL>;
  /** Hands a callback to the provider as this browser. */
  finish(browser: Browser, callback: URL): ReturnType<Provider['finish']>;
}

export interface GatewayOptions {
  readonly clock?: Clock;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly kv?: KeyValue;
  readonly timeoutMs?: number;
}

export function oidcConfig(issuer: string, more: Readonly<Record<string, unknown>> = {}): OidcConfig {
  const entry = { type: 'oidc', name: 'corp', issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, ...more };
  const [made] = configFrom({ providers: [entry] }).signIn.providers;
  if (made?.type !== 'oidc') throw new Error('no OIDC provider in the configuration');
  return made;
}

/** Replicas share their keys; without configured ones each configuration makes its own. */
const SHARED = configFrom({});

export function createGateway(issuer: string, options: GatewayOptions = {}): Gateway {
  const { clock = systemClock } = options;
  const kv = options.kv ?? createMemoryKeyValue({ clock });
  const hashKey = new Secret('k'.repeat(44));
  const sealer = createSealer({ current: new Secret(Buffer.alloc(32, 7).toString('base64')) });
  const flows = createFlows({ kv, sealer, config: () => SHARED, clock });
  const usedOnce = createUsedOnce({ kv, hashKey });
  const log: LogFields[] = [];
  const ready: boolean[] = [];
  const note = (fields: LogFields): void => void log.push(fields);
  const report = {
    log: { debug: note, info: note, warn: note, error: note },
    providerReady: (_name: string, is: boolean): void => void ready.push(is),
  };
  const provider = createOidcProvider({
    config: oidcConfig(issuer, options.config),
    publicUrl: PUBLIC_URL,
    flows,
    usedOnce,
    clock,
    report,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
  const requestOf = (browser: Browser, query = new URLSearchParams()): WebRequest =>
    webRequest({ query, cookies: browser.cookies });
  const gateway: Gateway = {
    provider,
    flows,
    usedOnce,
    log,
    ready,
    async begin(browser, returnTo = '/ui/') {
      const sent = await provider.begin(requestOf(browser), returnTo);
      if (sent.kind !== 'redirect') throw new Error('not a redirect');
      browser.cookies.set(FLOW_COOKIE, sent.flow.cookie);
      return new URL(sent.location);
    },
    async callbackOf(browser, returnTo) {
      return browser.follow((await gateway.begin(browser, returnTo)).href);
    },
    finish: (browser, callback) => provider.finish(requestOf(browser, callback.searchParams)),
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  };
  return gateway;
}

/** A session of the gateway as logout gets it. */
export function sessionWith(providerSession: Session['providerSession'], identity: Identity): Session {
  return {
    id: 'session-1',
    identity,
    provider: 'corp',
    createdAt: 0,
    expiresAt: 0,
    csrf: '',
    providerSession,
  };
}
