import type { DeviceRequest, Session, WebRoute } from '../auth/index.ts';
import type { WebAnswer } from '../kernel/index.ts';
import { textField } from './fields.ts';
import { csrfField, type Frame } from './frame.ts';
import { html, type Markup } from './markup.ts';
import { moment } from './moment.ts';
import { pageRoute } from './page-route.ts';
import type { PortalParts } from './ports.ts';

const PATH = '/ui/device';

const NO_CODE = 'This code is not valid: it is mistyped, was used already, or has ended. Start vovgw login again.';

const askForm = (
  typed: string,
  wrong: string | null,
): Markup => html`<div class="card"><div class="head"><h1>Let a submit host in</h1>
<p class="quiet"><code>vovgw login</code> printed a code. Enter it here to give that host a token of yours.</p></div>
<form method="get" action="${PATH}">
${textField({ name: 'user_code', label: 'Code', value: typed, maxLength: 64, look: 'code', faults: wrong === null ? {} : { user_code: wrong } })}
<button class="primary">Continue</button></form></div>`;

function decisionForm(
  { userCode, host, address, scopes, askedAt, expiresAt }: DeviceRequest,
  session: Session,
  now: number,
): Markup {
  return html`<div class="card"><div class="head"><h1>Let this host in?</h1>
<p class="quiet">A program asks for an access token of <b>${session.identity.user}</b>.</p></div>
<p class="big" aria-label="Code">${userCode}</p>
<dl class="facts"><dt>Host, as it says</dt><dd>${host === '' ? 'not given' : host}</dd>
<dt>Asked from</dt><dd class="mono">${address}</dd>
<dt>It may</dt><dd>${scopes.join(', ')}</dd>
<dt>Asked</dt><dd>${moment(askedAt, now)}</dd>
<dt>Code ends</dt><dd>${moment(expiresAt, now)}</dd></dl>
<p class="note warn"><b>Approve only what you started yourself</b>, just now, and only when your terminal shows this same code. If somebody sent you this link or code, deny it: they would act as you.</p>
<form method="post" action="${PATH}">${csrfField(session)}<input type="hidden" name="user_code" value="${userCode}">
<div class="row"><button class="primary" name="decision" value="approve">Approve</button><button name="decision" value="deny">Deny</button></div></form></div>`;
}

const RESULTS = {
  approve: {
    title: 'Approved',
    text: 'The program on the submit host has its token in a few seconds. You can close this page.',
  },
  deny: { title: 'Denied', text: 'The program gets no token.' },
};

/** Creates the page that approves or denies `vovgw login` (RFC 8628, section 3.3). */
export function createDeviceRoutes(parts: PortalParts, frame: Frame): readonly WebRoute[] {
  const { devices, clock } = parts;
  const show = (session: Session, body: Markup, status = 200): WebAnswer =>
    frame({ title: 'Device sign-in', session, width: 'narrow', body, ...(status === 200 ? {} : { status }) });
  return [
    pageRoute('GET', PATH, async (request, session) => {
      const typed = (request.query.get('user_code') ?? request.query.get('code') ?? '').trim();
      if (typed === '') return show(session, askForm('', null));
      const found = await devices.find(typed, session.identity);
      if (found === null) return show(session, askForm(typed, NO_CODE), 422);
      return show(session, decisionForm(found, session, clock.now()));
    }),
    pageRoute('POST', PATH, async (request, session) => {
      const code = request.form.get('user_code') ?? '';
      const decision = request.form.get('decision');
      if (decision !== 'approve' && decision !== 'deny') {
        return show(session, askForm(code, 'Choose Approve or Deny.'), 422);
      }
      const done = await devices.decide(code, decision, session.identity);
      if (!done) return show(session, askForm(code, NO_CODE), 422);
      const { title, text } = RESULTS[decision];
      return show(
        session,
        html`<div class="card"><h1>${title}</h1><p>${text}</p>
<p><a href="/ui/tokens">Your access tokens</a></p></div>`,
      );
    }),
  ];
}
