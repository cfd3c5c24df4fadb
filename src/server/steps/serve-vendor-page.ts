import type { WebRoute } from '../../auth/index.ts';
import { GatewayError } from '../../kernel/index.ts';
import type { CookieJar } from '../cookies.ts';
import type { Step } from '../scope.ts';
import type { CarryPage } from '../vendor-pages.ts';
import { writeWebAnswer } from '../web-answer.ts';
import { signInFirst } from './serve-page.ts';

/** Where vovserver's own documentation lies; answered by the step of its door, not by a handler. */
export const vendorRoute = (isOpen: () => boolean): WebRoute => ({
  isOpen,
  method: 'GET',
  path: '/html/*page',
  door: 'vendor',
  needs: 'session',
  handle() {
    throw new GatewayError('GW_INTERNAL', 'The vendor’s pages have no handler.');
  },
});

/** Serves the vendor's pages to signed-in people; others are sent to sign in. The last step of its door. */
export function createServeVendorPage(pages: CarryPage, jar: CookieJar): Step {
  return async (scope) => {
    const { web, queue, req, res, head, meta } = scope;
    if (web === null || queue === null) return;
    if (web.mustSignIn) {
      scope.bytesOut = writeWebAnswer(res, head, signInFirst(meta.target), jar, meta.method === 'HEAD');
      return;
    }
    await pages(req, res, { queue, head });
  };
}
