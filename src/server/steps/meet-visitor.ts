import { type Caller, SESSION_COOKIE, type Session, type Sessions } from '../../auth/index.ts';
import { GatewayError, SCOPES } from '../../kernel/index.ts';
import type { CookieJar } from '../cookies.ts';
import type { Scope, Step } from '../scope.ts';

const ALL_SCOPES = new Set(SCOPES);

/** A session as a caller of the API and for the log. */
export const sessionCaller = (session: Session): Caller => ({
  by: 'session',
  identity: session.identity,
  scopes: ALL_SCOPES,
  tokenId: session.id,
  tokenLabel: 'browser session',
  expiresAt: session.expiresAt,
  queue: null,
});

/** Finds the session of a request by its cookie; null without one. */
export type SessionOf = (scope: Scope) => Session | null | Promise<Session | null>;

/** Reads the session cookie; only requests that carry one cost a look-up. */
export function createSessionOf(sessions: Sessions, jar: CookieJar): SessionOf {
  return ({ req }) => {
    const cookie = jar.read(req.headers.cookie).get(SESSION_COOKIE);
    return cookie === undefined || cookie === '' ? null : sessions.find(cookie);
  };
}

/** Whether a person looks at the answer, as opposed to a program or a script that asks for data. */
export function wantsPage({ req }: Scope): boolean {
  const { accept = '', authorization, 'sec-fetch-mode': mode, 'x-requested-with': script } = req.headers;
  if (authorization !== undefined || script !== undefined) return false;
  return accept.includes('text/html') && (mode === undefined || mode === 'navigate');
}

/** Whether a person opens a page. */
export const isNavigation = (scope: Scope): boolean =>
  (scope.meta.method === 'GET' || scope.meta.method === 'HEAD') && wantsPage(scope);

/**
 * Finds out who visits one of the gateway's own routes, as far as the route asks. Without a session a person is sent to the
 * sign-in page by the last step; anything else gets 401.
 */
export function createMeetVisitor(sessionOf: SessionOf, authenticate: Step): Step {
  const settle = (scope: Scope, session: Session | null): void => {
    const { web } = scope;
    if (web === null) return;
    web.session = session;
    if (session !== null) scope.caller = sessionCaller(session);
    if (session !== null || web.route.needs !== 'session') return;
    if (!isNavigation(scope)) throw new GatewayError('GW_UNAUTHENTICATED', 'There is no session; sign in first.');
    web.mustSignIn = true;
  };
  return (scope) => {
    const needs = scope.web?.route.needs ?? 'nothing';
    if (needs === 'nothing') return;
    if (needs === 'caller') return authenticate(scope);
    const session = sessionOf(scope);
    if (session instanceof Promise) return session.then((found) => settle(scope, found));
    return settle(scope, session);
  };
}
