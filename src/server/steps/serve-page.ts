import type { Caller } from '../../auth/index.ts';
import type { Config } from '../../config/index.ts';
import type { WebAnswer } from '../../kernel/index.ts';
import type { CookieJar } from '../cookies.ts';
import { homeUrl } from '../home-url.ts';
import type { Scope, Step, WebScope } from '../scope.ts';
import { writeWebAnswer } from '../web-answer.ts';
import { isNavigation } from './meet-visitor.ts';

/** Sends a person to the sign-in page, and back to where they wanted to go. */
export const signInFirst = (target: string): WebAnswer => ({
  kind: 'redirect',
  location: `/login?return=${encodeURIComponent(target)}`,
});

/** Whether the answer is for a person's eyes: only these are sent to the host where people sign in. */
const isForPeople = (scope: Scope, { route }: WebScope): boolean =>
  (route.door === 'login' || route.door === 'portal') && route.needs !== 'caller' && isNavigation(scope);

/** Lets the route answer, or sends a person where they can sign in. The last step of the gateway's own routes. */
export function createServePage(jar: CookieJar, config: () => Config, authenticate: Step): Step {
  const again = async (scope: Scope): Promise<Caller | null> => {
    await authenticate(scope);
    return scope.caller;
  };
  const answerTo = (scope: Scope, web: WebScope): WebAnswer | Promise<WebAnswer> => {
    const { req, meta, caller } = scope;
    const home = isForPeople(scope, web) ? homeUrl(config(), req.headers.host, meta.target) : null;
    if (home !== null) return { kind: 'redirect', location: home };
    if (web.mustSignIn || web.request === null) return signInFirst(meta.target);
    return web.route.handle(web.request, { session: web.session, caller, again: () => again(scope) });
  };
  return async (scope) => {
    const { web, meta } = scope;
    if (web === null) return;
    const answer = await answerTo(scope, web);
    scope.bytesOut = writeWebAnswer(scope.res, scope.head, answer, jar, meta.method === 'HEAD');
  };
}
