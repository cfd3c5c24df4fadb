import type { WebAnswer } from '../../kernel/index.ts';
import type { CookieJar } from '../cookies.ts';
import type { Step } from '../scope.ts';
import { writeWebAnswer } from '../web-answer.ts';

/** Sends a person to the sign-in page, and back to where they wanted to go. */
export const signInFirst = (target: string): WebAnswer => ({
  kind: 'redirect',
  location: `/login?return=${encodeURIComponent(target)}`,
});

/** Lets the route answer, or sends a person without a session to the sign-in page. The last step of the gateway's own routes. */
export function createServePage(jar: CookieJar): Step {
  return async (scope) => {
    const { web, meta } = scope;
    if (web?.request == null) return;
    const visitor = { session: web.session, caller: scope.caller };
    const answer: WebAnswer = web.mustSignIn ? signInFirst(meta.target) : await web.route.handle(web.request, visitor);
    scope.bytesOut = writeWebAnswer(scope.res, scope.head, answer, jar, meta.method === 'HEAD');
  };
}
