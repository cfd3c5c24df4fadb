import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express from 'express';
import type { WebRoute } from '../auth/index.ts';
import type { Clock, GatewayError } from '../kernel/index.ts';
import type { Door } from '../observe/index.ts';
import type { CallerGone } from '../upstream/index.ts';
import type { CallerAddress } from './caller-address.ts';
import { type Correlation, createCorrelation } from './correlation.ts';
import { columnOf, type ErrorPage, type Steps, walk } from './pipeline.ts';
import type { Scope, Step, WebScope } from './scope.ts';

const TOKEN_PATH = '/api/v3/token';
const DOORS: readonly Door[] = ['api', 'token', 'login', 'callback', 'portal', 'oauth', 'vendor', 'other'];
const NEVER: CallerGone = new AbortController().signal;

/** The door of a raw target. Only exact spellings open one; every other spelling meets `check message` at the last door. */
export function doorOf(target: string): Door {
  if (!target.startsWith('/api/v3/')) return 'other';
  const end = target.indexOf('?');
  return (end === -1 ? target : target.slice(0, end)) === TOKEN_PATH ? 'token' : 'api';
}

function openScope(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
  addresses: CallerAddress,
  correlation: Correlation,
  web: WebScope | null,
): Scope {
  const target = req.url ?? '/';
  const forwardedFor = req.headers['x-forwarded-for'];
  return {
    req,
    res,
    door: web === null ? doorOf(target) : web.allow === null ? web.route.door : 'other',
    meta: {
      requestId: correlation.requestId(req.headers['x-request-id']),
      traceparent: correlation.traceparent(req.headers.traceparent),
      startedAt: clock.now(),
      address: addresses.of(
        req.socket.remoteAddress,
        typeof forwardedFor === 'string' ? forwardedFor : forwardedFor?.join(','),
      ),
      method: req.method ?? 'GET',
      target,
    },
    // Any other expectation is refused by `check message`; HTTP/1.0 knows none.
    expectsContinue: req.headers.expect !== undefined && req.httpVersion === '1.1',
    signal: NEVER,
    head: [],
    queue: null,
    path: '',
    web,
    caller: null,
    route: null,
    body: { kind: 'none' },
    account: null,
    result: null,
    bytesOut: 0,
    error: null,
  };
}

/** What the app needs beside its steps. */
export interface AppParts {
  readonly steps: Steps;
  readonly clock: Clock;
  readonly addresses: () => CallerAddress;
  /** Told of faults of the gateway itself; the caller only sees GW_INTERNAL. */
  readonly onInternal: (error: GatewayError, requestId: string) => void;
  /** The gateway's own pages and endpoints. */
  readonly routes: readonly WebRoute[];
  readonly errorPage: ErrorPage;
}

type Carry = (req: IncomingMessage, res: ServerResponse, web: WebScope | null) => void;

/** Mounts each route under its exact path; another method there is refused, and says which one is right. */
function mount(app: express.Express, routes: readonly WebRoute[], carry: Carry): void {
  for (const route of routes) {
    const handler: express.RequestHandler = (req, res) => {
      if (route.isOpen?.() === false) return carry(req, res, null);
      const params = Object.entries(req.params).map(([name, value]) => [name, String(value)]);
      const found = Object.fromEntries(params);
      carry(req, res, { route, params: found, allow: null, session: null, mustSignIn: false, request: null });
    };
    if (route.method === 'GET') app.get(route.path, handler);
    else app.post(route.path, handler);
  }
  for (const [at, route] of routes.entries()) {
    const same = routes.filter(({ path }) => path === route.path);
    if (routes.findIndex(({ path }) => path === route.path) !== at) continue;
    const methods = same.map(({ method }) => method);
    app.all(route.path, (req, res) => {
      carry(req, res, route.isOpen?.() === false ? null : wrongMethod(route, methods));
    });
  }
}

/** Nothing of such a request is read: the step that refuses says which methods there are. */
function wrongMethod(route: WebRoute, methods: readonly string[]): WebScope {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return { route, params: {}, allow, session: null, mustSignIn: false, request: null };
}

/**
 * Answers every request: it opens a scope and walks the column of its door. The proxied API goes straight to its column;
 * all else goes through Express, whose routing would only cost time there (docs/decisions, “Express and the hot road”).
 */
export function createApp(parts: AppParts): RequestListener {
  const columns = new Map<Door, readonly Step[]>();
  for (const door of DOORS) columns.set(door, columnOf(parts.steps, door));
  const correlation = createCorrelation();
  const carry: Carry = (req, res, web) => {
    const scope = openScope(req, res, parts.clock, parts.addresses(), correlation, web);
    const onInternal = (error: GatewayError): void => parts.onInternal(error, scope.meta.requestId);
    void walk(columns.get(scope.door) ?? [], scope, onInternal, parts.errorPage);
  };
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.set('trust proxy', false);
  app.set('case sensitive routing', true);
  app.set('strict routing', true);
  mount(app, parts.routes, carry);
  app.use((req, res) => carry(req, res, null));
  // Express could not decode a segment of the path: `check message` says so in the shape of every other error.
  const undecodable: express.ErrorRequestHandler = (_error, req, res, _next) => carry(req, res, null);
  app.use(undecodable);
  return (req, res) => (doorOf(req.url ?? '/') === 'api' ? carry(req, res, null) : app(req, res));
}
