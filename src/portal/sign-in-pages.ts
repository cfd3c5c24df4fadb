import type { SignInPages } from '../auth/index.ts';
import type { Frame } from './frame.ts';
import { html, type Markup } from './markup.ts';
import type { PortalConfig } from './ports.ts';

type Provider = Parameters<SignInPages['signIn']>[0]['providers'][number];
type Named = Pick<Provider, 'name' | 'label' | 'type'>;

/** The default provider first, the others as they are configured. */
function inOrder<T extends Named>(providers: readonly T[], first: string | undefined): readonly T[] {
  const chosen = providers.find(({ name }) => name === first);
  return chosen === undefined ? providers : [chosen, ...providers.filter((other) => other !== chosen)];
}

function providerList(providers: readonly Named[], returnTo: string): Markup {
  const link = ({ type, name, label }: Named, at: number): Markup => {
    const url = `/${type}/${encodeURIComponent(name)}/login?return=${encodeURIComponent(returnTo)}`;
    return html`<li><a class="button full${at === 0 && ' primary'}" href="${url}">${at === 0 && 'Sign in with '}${label}</a></li>`;
  };
  return html`<ul class="providers">${providers.map(link)}</ul>`;
}

/** An http or https address as it may stand in a link, a form or a header; throws for anything else. */
function webAddress(text: string): URL {
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new TypeError('the address is no web address');
  return url;
}

function postForm(action: URL, fields: Readonly<Record<string, string>>, button: string): Markup {
  const hidden = ([name, value]: [string, string]): Markup =>
    html`<input type="hidden" name="${name}" value="${value}">`;
  return html`<form method="post" action="${action.href}" id="send-away">${Object.entries(fields).map(hidden)}
<button class="primary">${button}</button></form>`;
}

/** Creates the pages that the sign-in shows; none of them needs a session. */
export function createSignInPages(frame: Frame, config: () => PortalConfig): SignInPages {
  return {
    signIn({ providers, returnTo }) {
      const list = inOrder(providers, config().signIn.default);
      const body = html`<div class="card"><div class="head"><h1>Sign in</h1>
<p class="quiet">Your company’s sign-in opens; you come back here afterwards.</p></div>
${
  list.length === 0
    ? html`<p class="note warn">No sign-in is set up. Programs can use access tokens; the administrator adds a provider under <code>signIn.providers</code>.</p>`
    : providerList(list, returnTo)
}
</div>
<p class="quiet">On a submit host, <code>vovgw login</code> gets a token without a browser there.</p>`;
      return frame({ title: 'Sign in', session: null, width: 'narrow', body });
    },
    sendAway({ action, fields }) {
      const url = webAddress(action);
      const body = html`<div class="card"><h1>One moment</h1>
<p>You are being sent to <b>${url.host}</b>. If nothing happens, use the button.</p>
${postForm(url, fields, 'Continue')}</div>`;
      const scripts = ['send-away.js'];
      return frame({ title: 'One moment', session: null, width: 'narrow', scripts, formActions: [url.origin], body });
    },
    signedOut(onward) {
      const done = html`<h1>Signed out</h1><p>Your session at this gateway has ended.</p>`;
      const again = html`<p><a href="/ui/">Sign in again</a></p>`;
      const view = { title: 'Signed out', session: null, width: 'narrow' } as const;
      if (onward === null) return frame({ ...view, body: html`<div class="card">${done}${again}</div>` });
      const url = webAddress(onward.kind === 'post' ? onward.action : onward.location);
      const there = html`<p>Now it also ends at <b>${url.host}</b>. If nothing happens, use the button.</p>`;
      if (onward.kind === 'post') {
        const body = html`<div class="card">${done}${there}${postForm(url, onward.fields, 'Sign out there')}${again}</div>`;
        return frame({ ...view, scripts: ['send-away.js'], formActions: [url.origin], body });
      }
      // A redirect would end here: Chromium holds form-action against what a posted form is redirected to.
      const link = html`<p><a class="button primary" href="${url.href}">Sign out there</a></p>`;
      const headers = { Refresh: `0;url=${url.href}` };
      return frame({ ...view, headers, body: html`<div class="card">${done}${there}${link}${again}</div>` });
    },
  };
}
