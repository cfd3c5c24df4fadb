import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type {
  AccessTokenInfo,
  Caller,
  DeviceRequest,
  NewAccessToken,
  Provider,
  Session,
  SessionInfo,
  Visitor,
  WebRoute,
} from '../../src/auth/index.ts';
import { type Config, parseConfig } from '../../src/config/index.ts';
import {
  type Account,
  GatewayError,
  type Identity,
  Secret,
  type WebAnswer,
  type WebRequest,
} from '../../src/kernel/index.ts';
import type { PolicyState } from '../../src/limits/index.ts';
import {
  type ApiRoute,
  createPortal,
  type Portal,
  type PortalParts,
  type QueueAccount,
} from '../../src/portal/index.ts';
import type { EnrolmentActor, Enrolments } from '../../src/tokens/index.ts';
import { createManualClock } from '../world/manual-clock.ts';

export const DAY = 86_400_000;
export const NOW = Date.UTC(2026, 10, 25, 9, 30);

export const ALICE: Identity = {
  subject: 'corp:7f3a9c12-0e51-4c1b-9b2e-6f0d5b7a1c44',
  user: 'alice',
  groups: ['cad-users', 'chip7-verification'],
  roles: ['user'],
  provider: 'corp',
  attributes: {},
  bound: { nightly: 'alice' },
};

export const sessionOf = (identity: Identity, id = 'ses-1'): Session => ({
  id,
  identity,
  provider: 'corp',
  createdAt: NOW - 3_600_000,
  expiresAt: NOW + DAY,
  csrf: 'csrf-of-the-session',
  providerSession: { keys: [], hint: '' },
});

export const API_ROUTES: readonly ApiRoute[] = [
  { method: 'POST', template: '/api/v3/token', class: 'login', summary: 'Exchange an access token for a derived one' },
  { method: 'POST', template: '/api/v3/jobs', class: 'submit', summary: 'Submit a job' },
  { method: 'GET', template: '/api/v3/jobs', class: 'list', summary: 'List jobs' },
  { method: 'GET', template: '/api/v3/jobs/{id}', class: 'read', summary: 'All fields of a job' },
  { method: 'PUT', template: '/api/v3/jobs/{id}', class: 'control', summary: 'Control a job' },
  { method: 'PATCH', template: '/api/v3/jobs/{id}', class: 'control', summary: 'Change a job' },
  { method: 'DELETE', template: '/api/v3/jobs/{id}', class: 'control', summary: 'Forget a job' },
  { method: 'GET', template: '/api/v3/jobs/{id}/*', class: 'read', summary: 'All fields of a job' },
  { method: 'GET', template: '/api/v3/jobs/{id}/{field}', class: 'read', summary: 'One field of a job' },
  { method: 'GET', template: '/api/v3/query', class: 'list', summary: 'Query any object' },
];

export function portalConfig(change: Record<string, unknown> = {}): Config {
  const tree = {
    mode: 'development',
    server: { publicUrl: 'https://gateway.example.com:8443', host: '127.0.0.1' },
    queues: [
      { name: 'nightly', urls: ['https://vov1.example.com:6330'] },
      { name: 'regress', urls: ['https://vov2.example.com:6330'], hosts: ['regress.example.com'] },
    ],
    ...change,
  };
  const result = parseConfig(tree);
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.config;
}

export const tokenInfo = (change: Partial<AccessTokenInfo> = {}): AccessTokenInfo => ({
  id: 'k3v9x2m4p7qa',
  subject: ALICE.subject,
  user: 'alice',
  label: 'regression dashboard',
  scopes: ['read', 'submit'],
  createdAt: NOW - 3 * DAY,
  expiresAt: NOW + 27 * DAY,
  lastUsedAt: NOW - 120_000,
  parent: null,
  ...change,
});

export const queueAccount = (change: Partial<QueueAccount> = {}): QueueAccount => ({
  queue: 'nightly',
  account: 'alice',
  shared: false,
  reason: null,
  state: { kind: 'signed-in', until: NOW + 2 * 3_600_000 },
  enrolledAt: null,
  mayEnrol: false,
  ...change,
});

export const LIMITS: readonly PolicyState[] = [
  { name: 'identity', quota: 600, windowSeconds: 60, remaining: 512, resetSeconds: 9 },
  { name: 'identity-submit', quota: 100, windowSeconds: 3600, remaining: 12, resetSeconds: 3000 },
];

export const DEVICE: DeviceRequest = {
  userCode: 'WDJB-MJHT',
  scopes: ['read', 'submit', 'control'],
  host: 'submit07.example.com',
  address: '10.20.30.40',
  askedAt: NOW - 30_000,
  expiresAt: NOW + 570_000,
};

/** What the fakes hold and what was done to them. */
export interface PortalState {
  config: Config;
  tokens: AccessTokenInfo[];
  /** Derived tokens that a page does not show. */
  more: number;
  readonly created: NewAccessToken[];
  sessions: SessionInfo[];
  accounts: QueueAccount[];
  limits: readonly PolicyState[];
  device: DeviceRequest | null;
  readonly decisions: string[];
  enrol: (account: Account, password: Secret) => ReturnType<Enrolments['enrol']>;
  enrolled: { readonly account: Account; readonly password: string; readonly by: EnrolmentActor | undefined }[];
  removed: Account[];
  readonly log: { readonly fields: object; readonly message: string }[];
  /** What the making of a token throws. */
  refused: GatewayError | null;
}

export const TOKEN_TEXT = 'vgw_k3v9x2m4p7qa_Zr8wQ1nB5tY7uI0oP3aS6dF9gH2jK4lXcVbNm';

function fakeTokens(state: PortalState): PortalParts['tokens'] {
  return {
    async create(wanted) {
      if (state.refused !== null) throw state.refused;
      state.created.push(wanted);
      const { user, subject = `local:${wanted.user}`, label, scopes, lifeMs = DAY } = wanted;
      const id = `new${state.created.length}`;
      const info = tokenInfo({ id, user, subject, label, scopes, createdAt: NOW, expiresAt: NOW + lifeMs });
      state.tokens.push({ ...info, lastUsedAt: null });
      return { token: new Secret(TOKEN_TEXT), info };
    },
    async page(at, size, owner) {
      const all = state.tokens.filter(
        ({ user, subject }) => owner === undefined || user === owner || subject === owner,
      );
      const made = [...all]
        .reverse()
        .filter(({ parent }) => parent === null)
        .sort((a, b) => b.createdAt - a.createdAt);
      const shown = made.slice(at * size, (at + 1) * size);
      const derived = all.filter(({ parent }) => shown.some(({ id }) => id === parent));
      return { tokens: [...shown, ...derived], pages: Math.max(1, Math.ceil(made.length / size)), more: state.more };
    },
    find: async (id) => state.tokens.find((token) => token.id === id) ?? null,
    async revoke(id) {
      const before = state.tokens.length;
      state.tokens = state.tokens.filter((token) => token.id !== id && token.parent !== id);
      return state.tokens.length < before;
    },
  };
}

function fakeSessions(state: PortalState): PortalParts['sessions'] {
  return {
    list: async () => state.sessions,
    async end(id) {
      state.sessions = state.sessions.filter((session) => session.id !== id);
      return true;
    },
    async endOthers(_subject, keep) {
      const before = state.sessions.length;
      state.sessions = state.sessions.filter(({ id }) => id === keep);
      return before - state.sessions.length;
    },
  };
}

function fakeDevices(state: PortalState): PortalParts['devices'] {
  const find = (code: string): DeviceRequest | null =>
    code.toUpperCase().replace('-', '') === state.device?.userCode.replace('-', '') ? state.device : null;
  return {
    find: async (code) => find(code),
    async decide(code, decision, identity) {
      if (find(code) === null) return false;
      state.device = null;
      state.decisions.push(`${decision} by ${identity.user}`);
      return true;
    },
  };
}

function fakeEnrolments(state: PortalState): Enrolments {
  return {
    isOpen: (queue) => state.accounts.some((account) => account.queue === queue && account.mayEnrol),
    async enrol(account, password, by) {
      const result = await state.enrol(account, password);
      if (result.kind === 'accepted') state.enrolled.push({ account, password: password.reveal(), by });
      return result;
    },
    async remove(account) {
      state.removed.push(account);
      return state.accounts.some(({ queue, enrolledAt }) => queue === account.queue && enrolledAt !== null);
    },
    enrolledAt: async () => null,
  };
}

/** The portal over fakes. */
export interface PortalWorld {
  readonly state: PortalState;
  readonly portal: Portal;
  readonly clock: ReturnType<typeof createManualClock>;
}

export const PROVIDERS = [
  { name: 'adfs', label: 'AD FS', type: 'saml' },
  { name: 'corp', label: 'Corporate sign-in', type: 'oidc' },
] as const satisfies readonly Pick<Provider, 'name' | 'label' | 'type'>[];

const SESSIONS: readonly SessionInfo[] = [
  {
    id: 'ses-1',
    provider: 'corp',
    createdAt: NOW - 3_600_000,
    lastUsedAt: NOW - 1000,
    expiresAt: NOW + DAY,
    address: '10.20.30.41',
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  },
  {
    id: 'ses-2',
    provider: 'corp',
    createdAt: NOW - 8 * 3_600_000,
    lastUsedAt: NOW - 2 * 3_600_000,
    expiresAt: NOW + 16 * 3_600_000,
    address: '2001:db8::2f:41',
    userAgent:
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  },
];

export function createPortalWorld(change: Partial<PortalState> = {}): PortalWorld {
  const clock = createManualClock(NOW);
  const state: PortalState = {
    config: portalConfig(),
    tokens: [tokenInfo(), tokenInfo({ id: 'derived1', label: 'regression dashboard', parent: 'k3v9x2m4p7qa' })],
    more: 0,
    created: [],
    sessions: [...SESSIONS],
    accounts: [
      queueAccount({ mayEnrol: true, enrolledAt: NOW - 5 * DAY }),
      queueAccount({ queue: 'regress', account: 'svc_regress', shared: true, state: { kind: 'ready' } }),
    ],
    limits: LIMITS,
    device: DEVICE,
    decisions: [],
    enrol: async () => ({ kind: 'accepted' }),
    enrolled: [],
    removed: [],
    log: [],
    refused: null,
    ...change,
  };
  const used = new Set<string>();
  const portal = createPortal({
    config: () => state.config,
    version: '1.2.3',
    sessions: fakeSessions(state),
    tokens: fakeTokens(state),
    devices: fakeDevices(state),
    usedOnce: {
      async first(kind, id) {
        const fresh = !used.has(`${kind} ${id}`);
        used.add(`${kind} ${id}`);
        return fresh;
      },
    },
    providers: () => PROVIDERS,
    accountFor(_identity, queue) {
      const found = state.accounts.find((account) => account.queue === queue);
      if (found?.account == null) return { kind: 'none', reason: 'No rule fits.', rule: null };
      return { kind: 'account', account: { queue, name: found.account, shared: found.shared }, rule: 0 };
    },
    accountStates: async () => state.accounts,
    limitsOf: async () => state.limits,
    enrolments: fakeEnrolments(state),
    apiRoutes: API_ROUTES,
    report: { log: { info: (fields, message) => void state.log.push({ fields, message }) } },
    clock,
  });
  return { state, portal, clock };
}

/** A request as the server hands it over; `target` is path and query. */
export function webRequest(method: string, target: string, form: Record<string, string | string[]> = {}): WebRequest {
  const url = new URL(target, 'https://gateway.example.com:8443');
  const fields = Object.entries(form).flatMap(([name, value]) =>
    [value].flat().map((text): [string, string] => [name, text]),
  );
  const raw = new IncomingMessage(new Socket());
  raw.headers.host = 'gateway.local:9000';
  return {
    method,
    path: url.pathname,
    params: {},
    query: url.searchParams,
    form: new URLSearchParams(fields),
    body: Buffer.alloc(0),
    contentType: method === 'POST' ? 'application/x-www-form-urlencoded' : '',
    cookies: new Map(),
    queue: 'nightly',
    address: '10.20.30.41',
    requestId: 'req-12345678',
    userAgent: 'test',
    raw,
  };
}

const segments = (path: string): string[] => path.split('/');

/** The parameters of a route's path when it fits. */
export function fit(route: WebRoute, method: string, path: string): Record<string, string> | null {
  const [wanted, given] = [segments(route.path), segments(path)];
  if (route.method !== method || wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = given[at] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return null;
  }
  return params;
}

/** Calls the route that fits, as the server would. */
export async function call(
  { portal }: Pick<PortalWorld, 'portal'>,
  request: WebRequest,
  visitor: Partial<Visitor> = { session: sessionOf(ALICE) },
): Promise<WebAnswer> {
  for (const route of portal.routes) {
    const params = fit(route, request.method, request.path);
    if (params !== null) return route.handle({ ...request, params }, { session: null, caller: null, ...visitor });
  }
  throw new Error(`no route for ${request.method} ${request.path}`);
}

export const get = (world: PortalWorld, target: string, visitor?: Partial<Visitor>): Promise<WebAnswer> =>
  call(world, webRequest('GET', target), visitor);

export const post = (
  world: PortalWorld,
  target: string,
  form: Record<string, string | string[]>,
  visitor?: Partial<Visitor>,
): Promise<WebAnswer> => call(world, webRequest('POST', target, form), visitor);

/** The HTML of a page; anything else is a fault of the test. */
export function htmlOf(answer: WebAnswer): string {
  if (answer.kind !== 'page') throw new Error(`a page was expected, not ${JSON.stringify(answer)}`);
  return answer.html;
}

export const callerOf = (identity: Identity): Caller => ({
  by: 'token',
  identity,
  scopes: new Set(['read', 'submit']),
  tokenId: 'k3v9x2m4p7qa',
  tokenLabel: 'regression dashboard',
  expiresAt: NOW + 27 * DAY,
  queue: null,
});

/** The GatewayError that a call ends with; anything else is a fault of the test. */
export async function refusal(run: () => unknown): Promise<GatewayError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('the call was not refused');
}
