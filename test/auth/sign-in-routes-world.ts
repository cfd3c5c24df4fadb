import {
  createFlows,
  createProviders,
  createSignInRoutes,
  FLOW_COOKIE,
  type Flows,
  type Provider,
  type Providers,
  type SignedIn,
  type SignInPages,
  type SignInRoutesOptions,
  type Visitor,
} from '../../src/auth/index.ts';
import type { ProviderConfig } from '../../src/config/index.ts';
import { GatewayError, type Identity, type WebAnswer, type WebRequest } from '../../src/kernel/index.ts';
import {
  ALICE,
  createSessionsWorld,
  type SessionsWorld,
  sessionsConfig,
  signedIn,
  webRequest,
} from './sessions-world.ts';

type SignInRecord = Parameters<SignInRoutesOptions['report']['signIn']>[0];

/** An identity provider in memory that vouches for whoever the test says. */
export interface FakeProvider extends Provider {
  /** Who signs in next; an error is thrown instead. */
  next: SignedIn | Error;
  binding: 'redirect' | 'post';
  onLogout: Provider['logout'];
  onLogoutMessage: Provider['takeLogout'];
  disposed: boolean;
}

/** Makes a provider that keeps its sign-ins in `flows`, as the real ones do. */
export function fakeProvider({ name, type, label }: ProviderConfig, flows: Flows): FakeProvider {
  const away = `https://idp.example/${name}`;
  const provider: FakeProvider = {
    name,
    type,
    label: label ?? name,
    next: signedIn(ALICE),
    binding: 'redirect',
    disposed: false,
    onLogout: async () => ({ kind: 'redirect', location: `${away}/logout` }),
    onLogoutMessage: async (request, endSessions) => {
      const ended = request.form.getAll('key').concat(request.query.getAll('key'));
      await endSessions(ended);
      const done = { kind: 'redirect', location: `${away}/logout-done` } as const;
      return { ended, answer: type === 'saml' ? done : { kind: 'empty', status: 200 } };
    },
    async begin(request, returnTo) {
      const flow = await flows.start(request, { provider: name, returnTo, facts: {} });
      if (provider.binding === 'post') return { kind: 'post', action: away, fields: { RelayState: flow.state }, flow };
      return { kind: 'redirect', location: `${away}?state=${flow.state}`, flow };
    },
    async finish(request) {
      const state = request.query.get('state') ?? request.form.get('RelayState') ?? '';
      const flow = await flows.take(request, state, name);
      if (flow === null) throw new GatewayError('GW_SIGN_IN_FAILED', 'some text', { internal: 'no such flow' });
      if (provider.next instanceof Error) throw provider.next;
      const before = flow.session === undefined ? {} : { before: flow.session };
      return { ...provider.next, returnTo: flow.returnTo, ...before };
    },
    logout: (session) => provider.onLogout(session),
    takeLogout: (request, endSessions) => provider.onLogoutMessage(request, endSessions),
    metadata: () => (type === 'saml' ? Promise.resolve(`<md:EntityDescriptor entityID="${name}"/>`) : null),
    state: () => ({ ready: true, reason: null }),
    async [Symbol.asyncDispose]() {
      provider.disposed = true;
    },
  };
  return provider;
}

/** An entry of the configuration with what these tests look at. */
export function entryOf(type: 'saml' | 'oidc', name: string): ProviderConfig {
  const mapping = {
    subject: 'sub',
    user: { attribute: 'sub', pattern: '(.+)', template: '$1' },
    groups: { pattern: '(.+)', template: '$1' },
    allowGroups: [],
    clockSkew: 60_000,
  };
  if (type === 'oidc') {
    const rest = { clientAuth: 'none', scopes: ['openid'], userinfo: false, algorithms: ['RS256'] } as const;
    const client = { issuer: 'https://idp.example', clientId: 'gw' };
    return { type, name, ...mapping, ...client, ...rest, scopes: [...rest.scopes], algorithms: [...rest.algorithms] };
  }
  const flags = { forceAuthn: false, allowIdpInitiated: false, requireEncryption: false, authnContext: [] };
  const files = { keyFile: 'sp.key', certFile: 'sp.crt', metadataFile: 'idp.xml', metadataRefresh: 3_600_000 };
  return { type, name, binding: 'redirect', ...mapping, ...flags, ...files };
}

/** Pages that show what they were given. */
const pages: SignInPages = {
  signIn: ({ providers, returnTo }) => ({
    kind: 'page',
    html: `sign in: ${providers.map(({ name }) => name).join(' ')}; return ${returnTo}`,
  }),
  sendAway: ({ action, fields }) => ({ kind: 'page', html: `post ${action} ${JSON.stringify(fields)}` }),
  signedOut: (onward) => ({ kind: 'page', html: `signed out ${JSON.stringify(onward)}` }),
};

/** The sign-in routes over a SAML provider `corp` and an OIDC provider `cloud`. */
export interface SignInWorld extends AsyncDisposable {
  readonly sessions: SessionsWorld;
  readonly providers: Providers;
  readonly corp: FakeProvider;
  readonly cloud: FakeProvider;
  readonly records: SignInRecord[];
  readonly logged: string[];
  /** Who is let in, or why not. */
  admit: (user: string) => Identity | Error;
  /** Calls the one route that has this method and path. */
  call(line: string, request?: Parameters<typeof webRequest>[0], visitor?: Partial<Visitor>): Promise<WebAnswer>;
  routes: ReturnType<typeof createSignInRoutes>;
}

export async function createSignInWorld(changes: Partial<SignInRoutesOptions> = {}): Promise<SignInWorld> {
  const sessions = createSessionsWorld();
  const { clock, store, sealer } = sessions;
  const base = sessionsConfig();
  const config = {
    ...base,
    signIn: { ...base.signIn, providers: [entryOf('saml', 'corp'), entryOf('oidc', 'cloud')] },
  };
  const flows = createFlows({ kv: store, sealer, config: () => config, clock });
  const made = new Map<string, FakeProvider>();
  const records: SignInRecord[] = [];
  const logged: string[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const report = { log, signIn: (record: SignInRecord) => void records.push(record), providerReady: () => undefined };
  const create = (entry: ProviderConfig): Provider => {
    const provider = fakeProvider(entry, flows);
    made.set(entry.name, provider);
    return provider;
  };
  const providers = createProviders({ config: () => config, create, report, clock });
  const [corp, cloud] = [made.get('corp'), made.get('cloud')];
  if (corp === undefined || cloud === undefined) throw new Error('the providers were not made');
  const people: SignInRoutesOptions['people'] = {
    async admit({ attributes }) {
      const decision = world.admit(attributes.sub?.[0] ?? '');
      if (decision instanceof Error) throw decision;
      return decision;
    },
  };
  const options = { providers, people, sessions: sessions.first, pages, config: () => config, report, clock };
  const routes = createSignInRoutes({ ...options, ...changes });
  const world: SignInWorld = {
    sessions,
    providers,
    corp,
    cloud,
    records,
    logged,
    routes,
    admit: () => ALICE,
    async call(line, request = {}, visitor = {}) {
      const [method = '', target = ''] = line.split(' ');
      const { pathname, searchParams } = new URL(target, 'https://gateway.example');
      for (const route of routes) {
        const params = route.method === method ? match(route.path, pathname) : null;
        if (params === null) continue;
        const message: WebRequest = webRequest({ method, path: pathname, params, query: searchParams, ...request });
        return route.handle(message, { session: null, caller: null, ...visitor });
      }
      throw new Error(`no route for ${line}`);
    },
    async [Symbol.asyncDispose]() {
      await providers[Symbol.asyncDispose]();
      await sessions[Symbol.asyncDispose]();
    },
  };
  return world;
}

function match(template: string, path: string): Record<string, string> | null {
  const [names, values] = [template.split('/'), path.split('/')];
  if (names.length !== values.length) return null;
  const params: Record<string, string> = {};
  for (const [at, name] of names.entries()) {
    const value = values[at] ?? '';
    if (name.startsWith(':')) params[name.slice(1)] = value;
    else if (name !== value) return null;
  }
  return params;
}

/** The value that an answer gives to a cookie. */
export function cookieIn(answer: WebAnswer, name: string): string | undefined {
  return answer.cookies?.find((cookie) => cookie.name === name)?.value;
}

/** Where an answer sends the browser. */
export function locationOf(answer: WebAnswer): string {
  if (answer.kind !== 'redirect') throw new Error(`the answer is a ${answer.kind}`);
  return answer.location;
}

/** Begins a sign-in; gives what the browser brings back. */
export async function begin(world: SignInWorld, line: string, request: Parameters<typeof webRequest>[0] = {}) {
  const answer = await world.call(line, request);
  const state = new URL(locationOf(answer)).searchParams.get('state') ?? '';
  return { answer, state, flow: cookieIn(answer, FLOW_COOKIE) ?? '' };
}

/** A whole sign-in by OIDC. */
export async function signInAt(world: SignInWorld, request: Parameters<typeof webRequest>[0] = {}): Promise<WebAnswer> {
  const { state, flow } = await begin(world, 'GET /oidc/cloud/login?return=/ui/tokens');
  return world.call(`GET /oidc/cloud/callback?state=${state}&code=c`, { ...request, flow });
}
