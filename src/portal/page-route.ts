import type { Session, WebRoute } from '../auth/index.ts';
import { GatewayError, type WebAnswer, type WebRequest } from '../kernel/index.ts';
import { html, type Markup } from './markup.ts';

type Handle = (request: WebRequest, session: Session) => WebAnswer | Promise<WebAnswer>;

/** A route of the portal for signed-in people. */
export function pageRoute(method: WebRoute['method'], path: string, handle: Handle): WebRoute {
  return {
    method,
    path,
    door: 'portal',
    needs: 'session',
    handle(request, { session }) {
      if (session === null) throw new GatewayError('GW_UNAUTHENTICATED', 'There is no session; sign in first.');
      return handle(request, session);
    },
  };
}

/** Back to a page after a form did its work, so that a reload does not repeat it; `done` names what to say there. */
export function doneAt(path: string, done: string): WebAnswer {
  return { kind: 'redirect', location: `${path}?done=${done}` };
}

/** What a page says after a form; null for a word that it does not know. */
export function doneNote(request: WebRequest, texts: Readonly<Record<string, string>>): Markup | null {
  const word = request.query.get('done') ?? '';
  return Object.hasOwn(texts, word) ? html`<p class="note ok" role="status">${texts[word]}</p>` : null;
}
