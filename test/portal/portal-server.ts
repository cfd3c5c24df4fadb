import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Session } from '../../src/auth/index.ts';
import { GatewayError, toGatewayError, type WebAnswer, type WebRequest } from '../../src/kernel/index.ts';
import { ALICE, call, callerOf, type PortalWorld, sessionOf, webRequest } from './portal-world.ts';

/** The policy that the portal promises to get along with. */
const csp = (formActions: readonly string[]): string =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action ${["'self'", ...formActions].join(' ')}; frame-ancestors 'none'; base-uri 'none'`;

/** A tiny server over the portal's routes, with the pages that the sign-in and errors show under /_/. */
export interface PortalServer extends AsyncDisposable {
  readonly url: string;
  /** Who is signed in. */
  session: Session;
  /** Calls to /api/v3/, which is not part of the portal. */
  readonly apiCalls: string[];
}

type Extra = (world: PortalWorld) => WebAnswer;

const PROVIDERS = [
  { name: 'adfs', label: 'AD FS', type: 'saml' },
  { name: 'corp', label: 'Corporate sign-in', type: 'oidc' },
] as const;

/** Pages that other rooms route: by path. */
const EXTRA: Readonly<Record<string, Extra>> = {
  '/_/sign-in': ({ portal }) => portal.signInPages.signIn({ providers: PROVIDERS as never, returnTo: '/ui/tokens' }),
  '/_/signed-out': ({ portal }) => portal.signInPages.signedOut(null),
  '/_/error': ({ portal }) =>
    portal.errorPage(new GatewayError('GW_UPSTREAM_DOWN', 'vovserver is not reachable.', { retryAfter: 5 }), 'req-1'),
};

function write(res: ServerResponse, answer: WebAnswer): void {
  for (const [name, value] of Object.entries(answer.headers ?? {})) res.setHeader(name, value);
  res.setHeader('Content-Security-Policy', csp(answer.kind === 'page' ? (answer.formActions ?? []) : []));
  res.statusCode = answer.status ?? (answer.kind === 'redirect' ? 303 : 200);
  switch (answer.kind) {
    case 'page':
      res.setHeader('Content-Type', 'text/html; charset=utf-8');
      return void res.end(answer.html);
    case 'redirect':
      res.setHeader('Location', answer.location);
      return void res.end();
    case 'json':
      res.setHeader('Content-Type', 'application/json');
      return void res.end(JSON.stringify(answer.body));
    case 'bytes':
      res.setHeader('Content-Type', answer.contentType);
      return void res.end(answer.bytes);
    case 'empty':
      return void res.end();
  }
}

async function toRequest(req: IncomingMessage): Promise<WebRequest> {
  const request = webRequest(req.method ?? 'GET', req.url ?? '/');
  return { ...request, form: new URLSearchParams(await text(req)), raw: req, cookies: new Map() };
}

/** Serves the portal of a world on a free port of loopback. `more` adds pages. */
export async function servePortal(
  world: PortalWorld,
  more: Readonly<Record<string, Extra>> = {},
): Promise<PortalServer> {
  const pages = { ...EXTRA, ...more };
  const apiCalls: string[] = [];
  const answer = async (req: IncomingMessage): Promise<WebAnswer> => {
    const path = (req.url ?? '/').split('?')[0] ?? '/';
    const page = pages[path];
    if (page !== undefined) return page(world);
    if (path.startsWith('/api/v3/')) {
      apiCalls.push(`${req.method} ${req.url}`);
      return { kind: 'json', body: { rows: [[1, 'Running']] } };
    }
    const request = await toRequest(req);
    try {
      return await call(world, request, { session: served.session, caller: callerOf(ALICE) });
    } catch (error) {
      return world.portal.errorPage(toGatewayError(error), request.requestId);
    }
  };
  const server: Server = createServer((req, res) => void answer(req).then((found) => write(res, found)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const served: PortalServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    session: sessionOf({ ...ALICE, roles: ['user', 'admin'] }),
    apiCalls,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return served;
}
