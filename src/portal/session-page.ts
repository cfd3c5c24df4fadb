import type { Session, SessionInfo, WebRoute } from '../auth/index.ts';
import { printable } from '../identity/index.ts';
import { GatewayError } from '../kernel/index.ts';
import { csrfField, type Frame } from './frame.ts';
import { html, type Markup } from './markup.ts';
import { moment } from './moment.ts';
import { doneAt, doneNote, pageRoute } from './page-route.ts';
import type { PortalParts } from './ports.ts';

const PATH = '/ui/sessions';

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\//, 'Firefox'],
  [/\b(?:Chrome|HeadlessChrome|CriOS|Chromium)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bLinux\b|\bX11\b/, 'Linux'],
];

const firstOf = (table: readonly (readonly [RegExp, string])[], text: string): string | undefined =>
  table.find(([pattern]) => pattern.test(text))?.[1];

/** A browser in words as far as it says what it is, else its own text, shortened. */
export function deviceText(userAgent: string): string {
  const [browser, system] = [firstOf(BROWSERS, userAgent), firstOf(SYSTEMS, userAgent)];
  if (browser !== undefined) return system === undefined ? browser : `${browser} on ${system}`;
  return userAgent === '' ? 'unknown' : printable(userAgent);
}

const DONE = {
  ended: 'The session has ended. That browser has to sign in again.',
  'ended-others': 'All other sessions have ended.',
};

function row(session: Session, info: SessionInfo, now: number): Markup {
  const own = info.id === session.id;
  const end = html`<form class="inline" method="post" action="${PATH}/${info.id}/end">${csrfField(session)}
<button class="small danger">End<span class="hidden"> the session of ${deviceText(info.userAgent)}, ${info.address}</span></button></form>`;
  return html`<tr><td data-label="Browser"><span>${deviceText(info.userAgent)}${own && html` <span class="state ok">this one</span>`}</span></td>
<td data-label="Address"><span class="mono">${info.address}</span></td>
<td data-label="Signed in"><span>${moment(info.createdAt)}</span></td>
<td data-label="Last use"><span>${moment(info.lastUsedAt, now)}</span></td>
<td data-label="Ends"><span>${moment(info.expiresAt, now)}</span></td>
<td class="act">${own ? html`<span class="quiet">sign out above</span>` : end}</td></tr>`;
}

/** Creates the page of a person's sessions: list them, end one, end all others. */
export function createSessionRoutes(parts: PortalParts, frame: Frame): readonly WebRoute[] {
  const { sessions, clock } = parts;
  return [
    pageRoute('GET', PATH, async (request, session) => {
      const list = await sessions.list(session.identity.subject);
      const latestFirst = [...list].sort((a, b) => b.lastUsedAt - a.lastUsedAt);
      const others = list.some(({ id }) => id !== session.id);
      const body = html`<div class="head"><h1>Sessions</h1><p class="quiet">Browsers in which you are signed in.</p></div>
${doneNote(request, DONE)}
<section class="card" aria-label="Your sessions"><table><thead><tr><th scope="col">Browser</th><th scope="col">Address</th><th scope="col">Signed in</th><th scope="col">Last use</th><th scope="col">Ends</th><th scope="col"><span class="hidden">Action</span></th></tr></thead>
<tbody>${latestFirst.map((info) => row(session, info, clock.now()))}</tbody></table>
${
  others &&
  html`<form method="post" action="${PATH}/end-others">${csrfField(session)}<button class="danger">End all other sessions</button></form>`
}</section>`;
      return frame({ title: 'Sessions', session, current: PATH, body });
    }),
    pageRoute('POST', `${PATH}/:id/end`, async (request, session) => {
      const { id = '' } = request.params;
      const own = await sessions.list(session.identity.subject);
      if (!own.some((info) => info.id === id)) throw new GatewayError('GW_NOT_FOUND', 'You have no such session.');
      await sessions.end(id);
      return doneAt(PATH, 'ended');
    }),
    pageRoute('POST', `${PATH}/end-others`, async (_request, session) => {
      await sessions.endOthers(session.identity.subject, session.id);
      return doneAt(PATH, 'ended-others');
    }),
  ];
}
