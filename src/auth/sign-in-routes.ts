import type { Config } from '../config/index.ts';
import { type ErrorCode, GatewayError, type WebAnswer, type WebRequest } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { createLogoutRoutes, type LogoutRoutesOptions } from './logout-routes.ts';
import { namedProvider, toAnswer } from './named-provider.ts';
import type { Providers } from './providers.ts';
import { toReturnTarget } from './sessions/return-target.ts';
import { FLOW_COOKIE, type People, type Provider, SESSION_COOKIE, type WebRoute } from './sign-in.ts';
import { toRefusal } from './sign-in-refusal.ts';

/** What the sign-in routes need. */
export interface SignInRoutesOptions extends LogoutRoutesOptions {
  readonly people: Pick<People, 'admit'>;
  readonly config: () => Pick<Config, 'signIn'>;
  readonly report: Pick<Report, 'log' | 'signIn'>;
}

/** The pages and endpoints of sign-in and logout. No cache may keep any of their answers. */
export function createSignInRoutes(options: SignInRoutesOptions): WebRoute[] {
  const { providers, pages } = options;
  const routes: WebRoute[] = [
    {
      method: 'GET',
      path: '/login',
      door: 'login',
      needs: 'maybe',
      handle(request, { session }) {
        const returnTo = toReturnTarget(request.query.get('return'));
        // The page is shown also for a single provider: who has just signed out would be signed in again at once.
        return session === null
          ? pages.signIn({ providers: providers.list(), returnTo })
          : { kind: 'redirect', location: returnTo };
      },
    },
    beginRoute('saml', options),
    beginRoute('oidc', options),
    finishRoute('saml', 'POST', '/saml/:name/acs', options),
    finishRoute('oidc', 'GET', '/oidc/:name/callback', options),
    metadataRoute(providers),
    ...createLogoutRoutes(options),
  ];
  return routes.map((route) => ({ ...route, handle: async (...args) => uncached(await route.handle(...args)) }));
}

function uncached(answer: WebAnswer): WebAnswer {
  return { ...answer, headers: { ...answer.headers, 'Cache-Control': 'no-store' } };
}

function beginRoute(type: Provider['type'], { providers, pages, config }: SignInRoutesOptions): WebRoute {
  return {
    method: 'GET',
    path: `/${type}/:name/login`,
    door: 'login',
    needs: 'nothing',
    async handle(request) {
      const provider = namedProvider(providers, type, request);
      const { flow, ...to } = await provider.begin(request, toReturnTarget(request.query.get('return')));
      const maxAge = Math.ceil(config().signIn.flowLife / 1000);
      const cookie = { name: FLOW_COOKIE, value: flow.cookie, sameSite: 'none', maxAge } as const;
      return { ...toAnswer(to, pages), cookies: [cookie] };
    },
  };
}

function finishRoute(
  type: Provider['type'],
  method: WebRoute['method'],
  path: string,
  options: SignInRoutesOptions,
): WebRoute {
  return {
    method,
    path,
    door: 'callback',
    needs: 'nothing',
    async handle(request) {
      const provider = namedProvider(options.providers, type, request);
      try {
        return await finish(provider, request, options);
      } catch (error) {
        throw refused(provider, request, options, error);
      }
    },
  };
}

/** Metadata of the service provider, for the administrator of the identity provider (SAML 2.0 Metadata, 4.1.1). */
function metadataRoute(providers: Providers): WebRoute {
  return {
    method: 'GET',
    path: '/saml/:name/metadata',
    door: 'login',
    needs: 'nothing',
    async handle(request) {
      const metadata = await namedProvider(providers, 'saml', request).metadata();
      if (metadata === null) throw new GatewayError('GW_NOT_FOUND', 'This identity provider has no metadata here.');
      return { kind: 'bytes', contentType: 'application/samlmetadata+xml', bytes: Buffer.from(metadata) };
    },
  };
}

async function finish(
  provider: Provider,
  request: WebRequest,
  { people, sessions, report }: SignInRoutesOptions,
): Promise<WebAnswer> {
  const signedIn = await provider.finish(request);
  const identity = await people.admit(signedIn.assertion);
  const { cookie } = await sessions.open(request, signedIn, identity);
  const { user, subject } = identity;
  report.signIn({ ...whereOf(provider, request), result: 'ok', user, subject });
  return {
    kind: 'redirect',
    location: toReturnTarget(signedIn.returnTo),
    cookies: [{ name: SESSION_COOKIE, value: cookie, sameSite: 'lax', maxAge: null }],
  };
}

const whereOf = ({ name, type }: Provider, { address, requestId }: WebRequest) => ({
  provider: name,
  method: type,
  address,
  requestId,
});

/** Reports a sign-in that failed; gives what the caller may see of it: one text for every reason of the protocol. */
function refused(
  provider: Provider,
  request: WebRequest,
  { report }: SignInRoutesOptions,
  error: unknown,
): GatewayError {
  const refusal = toRefusal(error);
  const result = RESULTS.get(refusal.code) ?? 'failed';
  report.signIn({ ...whereOf(provider, request), result, reason: refusal.internal ?? refusal.detail });
  return refusal;
}

const RESULTS = new Map<ErrorCode, 'denied' | 'conflict'>([
  ['GW_SIGN_IN_DENIED', 'denied'],
  ['GW_IDENTITY_CONFLICT', 'conflict'],
]);
