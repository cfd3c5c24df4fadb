import type { Config } from '../config/index.ts';
import { type ErrorCode, GatewayError, type WebAnswer, type WebRequest } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { createLogoutRoutes, type LogoutRoutesOptions } from './logout-routes.ts';
import { namedProvider, toAnswer } from './named-provider.ts';
import type { Providers } from './providers.ts';
import { HOME, toReturnTarget } from './sessions/return-target.ts';
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

/**
 * Whether another site sent the browser here (Fetch Metadata): with the person's session at the provider it could sign her
 * in unasked, so that she is shown the sign-in page instead. What the person typed or kept as a bookmark is `none`.
 */
function isForeign({ raw }: WebRequest): boolean {
  const site = raw.headers['sec-fetch-site'];
  return site === 'cross-site' || site === 'same-site';
}

function beginRoute(type: Provider['type'], { providers, pages, config }: SignInRoutesOptions): WebRoute {
  return {
    method: 'GET',
    path: `/${type}/:name/login`,
    door: 'login',
    needs: 'nothing',
    async handle(request) {
      const provider = namedProvider(providers, type, request);
      const returnTo = toReturnTarget(request.query.get('return'));
      if (isForeign(request)) return { kind: 'redirect', location: `/login?return=${encodeURIComponent(returnTo)}` };
      const { flow, ...to } = await provider.begin(request, returnTo);
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
  const { cookie, replacedOther } = await sessions.open(request, signedIn, identity);
  const { user, subject } = identity;
  report.signIn({ ...whereOf(provider, request), result: 'ok', user, subject });
  return {
    kind: 'redirect',
    // What somebody else was about to do is not gone on with.
    location: replacedOther === true ? HOME : toReturnTarget(signedIn.returnTo),
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
