import { type Clock, GatewayError, messageOf, type WebAnswer, type WebRequest } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import { namedProvider, toAnswer } from './named-provider.ts';
import type { Providers } from './providers.ts';
import {
  type Provider,
  SESSION_COOKIE,
  type SendAway,
  type Session,
  type Sessions,
  type SignInPages,
  type WebRoute,
} from './sign-in.ts';
import { toRefusal } from './sign-in-refusal.ts';

/** What the logout routes need. */
export interface LogoutRoutesOptions {
  readonly providers: Providers;
  readonly sessions: Sessions;
  readonly pages: SignInPages;
  readonly report: Pick<Report, 'log'>;
  readonly clock: Clock;
}

const NONE_HERE =
  'no session here carries the name or session index of the message; it has ended, or names somebody else';
/** Milliseconds that a provider may take to say where its logout is: the session here has ended already. */
const PATIENCE = 3000;

/** Logout by the person, and by the provider's messages (SAML single logout, OpenID Connect Back-Channel Logout 1.0). */
export function createLogoutRoutes(options: LogoutRoutesOptions): WebRoute[] {
  const { pages } = options;
  return [
    {
      method: 'POST',
      path: '/logout',
      door: 'login',
      needs: 'session',
      handle: (_, { session }) => logout(session, options),
    },
    { method: 'GET', path: '/signed-out', door: 'login', needs: 'nothing', handle: () => pages.signedOut(null) },
    messageRoute('GET', options),
    messageRoute('POST', options),
    backchannelRoute(options),
  ];
}

/** A page and no redirect: browsers hold the redirect after a form against the page's form-action policy. */
async function logout(session: Session | null, options: LogoutRoutesOptions): Promise<WebAnswer> {
  if (session !== null) await options.sessions.end(session.id);
  const onward = session === null ? null : await onwardOf(session, options);
  const removed = { name: SESSION_COOKIE, value: '', sameSite: 'lax', maxAge: 0 } as const;
  return { ...options.pages.signedOut(onward), cookies: [removed] };
}

/** Where the session ends at the provider too; null when it cannot be told in time. */
async function onwardOf(session: Session, { providers, report, clock }: LogoutRoutesOptions): Promise<SendAway | null> {
  const provider = providers.get(session.provider);
  if (provider === null) return null;
  const patience = new AbortController();
  try {
    const asked = provider.logout(session);
    const late = clock.sleep(PATIENCE, patience.signal).then(() => {
      throw new Error('the provider took too long');
    });
    return await Promise.race([asked, late]);
  } catch (error) {
    const fields = { event: 'provider_logout_failed', provider: provider.name, session_id: session.id };
    report.log.warn({ ...fields, reason: reasonOf(error) }, 'a session ended here, but not at its identity provider');
    return null;
  } finally {
    patience.abort();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof GatewayError ? (error.internal ?? error.detail) : messageOf(error);
}

async function takeLogout(
  provider: Provider,
  request: WebRequest,
  { sessions, report }: LogoutRoutesOptions,
): Promise<SendAway | WebAnswer> {
  // The sessions that the message names, whichever cookie comes with it.
  const endSessions = async (keys: readonly string[]): Promise<void> => {
    const count = await sessions.endByProvider(provider.name, keys);
    const fields = { event: 'provider_logout', provider: provider.name, count, request_id: request.requestId };
    // A success all the same: what the provider asked for is so. Why there was none, only the log can tell.
    if (count === 0) report.log.info({ ...fields, reason: NONE_HERE }, 'an identity provider ended no session here');
    else report.log.info(fields, 'an identity provider ended sessions');
  };
  try {
    return (await provider.takeLogout(request, endSessions)).answer;
  } catch (error) {
    const { name } = provider;
    const fields = { event: 'logout_refused', provider: name, address: request.address, request_id: request.requestId };
    report.log.warn({ ...fields, reason: reasonOf(error) }, 'a logout message was not accepted');
    throw toRefusal(error);
  }
}

function messageRoute(method: WebRoute['method'], options: LogoutRoutesOptions): WebRoute {
  return {
    method,
    path: '/saml/:name/slo',
    door: 'callback',
    needs: 'nothing',
    async handle(request) {
      const provider = namedProvider(options.providers, 'saml', request);
      return toAnswer(await takeLogout(provider, request, options), options.pages);
    },
  };
}

/** Answers 200 or 400 as OpenID Connect Back-Channel Logout 1.0, 2.8 wants: whoever asks is a program. */
function backchannelRoute(options: LogoutRoutesOptions): WebRoute {
  return {
    method: 'POST',
    path: '/oidc/:name/backchannel-logout',
    door: 'callback',
    needs: 'nothing',
    async handle(request) {
      const provider = namedProvider(options.providers, 'oidc', request);
      try {
        // The provider's own answer: it may be a refusal.
        return toAnswer(await takeLogout(provider, request, options), options.pages);
      } catch {
        const body = { error: 'invalid_request', error_description: 'The logout token was not accepted.' };
        return { kind: 'json', status: 400, body };
      }
    },
  };
}
