import { describeRoutes } from '../access/index.ts';
import {
  type AccessTokens,
  createDevices,
  createOAuthRoutes,
  createSignInRoutes,
  type WebRoute,
} from '../auth/index.ts';
import type { Config } from '../config/index.ts';
import type { JobWatch, Origins } from '../jobs/index.ts';
import type { WebRequest } from '../kernel/index.ts';
import type { Limiter } from '../limits/index.ts';
import { createPortal } from '../portal/index.ts';
import type { Broker, Enrolments } from '../tokens/index.ts';
import { createAccountStates } from './account-states.ts';
import { retryAfterOf } from './answer.ts';
import type { CookieJar } from './cookies.ts';
import { createJobRoutes } from './job-routes.ts';
import { createJobWatchRoutes } from './job-watch-routes.ts';
import type { ErrorPage } from './pipeline.ts';
import { vendorRoute } from './steps/serve-vendor-page.ts';
import { writeWebAnswer } from './web-answer.ts';
import type { SignIn, SignInOptions } from './wire-sign-in.ts';

/** What the gateway's own pages need. */
export interface PagesOptions extends Omit<SignInOptions, 'onNewAccounts'>, SignIn {
  readonly version: string;
  readonly tokens: AccessTokens;
  readonly limiter: Limiter;
  readonly broker: Broker;
  readonly enrolments: Enrolments;
  readonly origins: Origins;
  readonly jobWatch: JobWatch;
  readonly jar: CookieJar;
  readonly secure: boolean;
}

/** The gateway's own pages and endpoints. */
export interface Pages {
  readonly routes: readonly WebRoute[];
  readonly errorPage: ErrorPage;
}

/** The URL of the gateway as its callers see it: the configured one, else the one that this request came to. */
function publicUrlOf(config: Config, secure: boolean, request: WebRequest): string {
  const { publicUrl } = config.server;
  const url = publicUrl ?? `${secure ? 'https' : 'http'}://${request.raw.headers.host ?? 'localhost'}`;
  return url.replace(/\/$/, '');
}

/** Puts the portal, the sign-in and the OAuth endpoints together. */
export function wirePages(options: PagesOptions): Pages {
  const { decided, kv, sealer, clock, report, tokens, sessions, providers, jar } = options;
  const config = (): Config => decided().config;
  const devices = createDevices({ kv, sealer, tokens, config, clock, report });
  const portal = createPortal({
    ...options,
    config,
    devices,
    providers: () => providers.list(),
    accountFor: (identity, queue) => decided().rules.accountFor(identity, queue),
    accountStates: createAccountStates({ ...options, config, rules: () => decided().rules }),
    limitsOf: (identity) => options.limiter.peek(identity),
    apiRoutes: describeRoutes(config().access.extraRoutes),
  });
  const publicUrl = (request: WebRequest): string => publicUrlOf(config(), options.secure, request);
  const routes = [
    ...createSignInRoutes({ ...options, sessions, providers, config, pages: portal.signInPages }),
    ...portal.routes,
    ...createOAuthRoutes({ config, clock, devices, tokens, publicUrl }),
    ...createJobRoutes(options.origins),
    ...createJobWatchRoutes({
      watch: options.jobWatch,
      rules: () => decided().rules,
      limiter: options.limiter,
      maxWait: () => config().jobs.watch.maxWait,
      clock,
    }),
    vendorRoute(() => config().docs.vendorPages),
  ];
  return {
    routes,
    errorPage: (scope, error) => {
      const answer = portal.errorPage(error, scope.meta.requestId);
      const retryAfter = retryAfterOf(error);
      const own = retryAfter === undefined ? {} : { 'Retry-After': retryAfter };
      const headers = { ...answer.headers, ...error.headers, ...own };
      const page = { ...answer, status: error.status, headers };
      return writeWebAnswer(scope.res, scope.head, page, jar, scope.meta.method === 'HEAD');
    },
  };
}
