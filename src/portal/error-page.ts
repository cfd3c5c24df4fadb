import { ERROR_CODES, type GatewayError, type WebAnswer } from '../kernel/index.ts';
import type { Frame } from './frame.ts';
import { html } from './markup.ts';
import { asSentence, withCode } from './sentence.ts';

/** Where a person goes from an error in a browser; `mend` where the common text is for programs. */
interface Onward {
  readonly href: string;
  readonly text: string;
  readonly mend?: string;
}

const ONWARD: Partial<Record<GatewayError['code'], Onward>> = {
  GW_SIGN_IN_FAILED: { href: '/login', text: 'Start the sign-in again' },
  GW_SIGN_IN_DENIED: { href: '/login', text: 'Sign in another way' },
  GW_PROVIDER_UNAVAILABLE: { href: '/login', text: 'Sign in another way' },
  GW_IDENTITY_CONFLICT: { href: '/login', text: 'Sign in another way' },
  GW_UNAUTHENTICATED: { href: '/login', text: 'Sign in', mend: 'Sign in again, then repeat what you did.' },
};

/** What to do, with the seconds to wait in place of the header that only programs see. */
function mendFor(mend: string, retryAfter: number | undefined): string {
  return retryAfter === undefined ? mend : mend.replace('the seconds in Retry-After', `${retryAfter} seconds`);
}

/** The page of an error, with the status and headers of the error. */
export function errorPage(frame: Frame, error: GatewayError, requestId: string): WebAnswer {
  const { title, mend } = ERROR_CODES[error.code];
  // Programs read the detail alone, so that it may hold what stands below.
  const detail = asSentence(error.detail.replace(mend, ''));
  const onward: Onward = ONWARD[error.code] ?? { href: '/ui/', text: 'Go to your account' };
  const body = html`<div class="card"><div class="head"><p class="quiet">Error ${error.status}</p><h1>${title}</h1></div>
${!title.startsWith(detail.replace(/\.$/, '')) && html`<p>${detail}</p>`}
<h2>What to do</h2>
<p>${withCode(mendFor(onward.mend ?? mend, error.retryAfter))}</p>
<dl class="facts"><dt>Code</dt><dd><code>${error.code}</code></dd><dt>Request id</dt><dd><code>${requestId}</code></dd></dl>
<p><a class="button" href="${onward.href}">${onward.text}</a></p></div>`;
  const headers = {
    ...error.headers,
    ...(error.retryAfter === undefined ? {} : { 'Retry-After': String(error.retryAfter) }),
  };
  return frame({ title, session: null, width: 'narrow', status: error.status, headers, body });
}
