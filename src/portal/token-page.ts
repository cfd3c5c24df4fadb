import { randomBytes } from 'node:crypto';
import type { Session, WebRoute } from '../auth/index.ts';
import { GatewayError, type WebAnswer, type WebRequest } from '../kernel/index.ts';
import type { Faults } from './fields.ts';
import { csrfField, type Frame } from './frame.ts';
import { html } from './markup.ts';
import { doneAt, doneNote, pageRoute } from './page-route.ts';
import type { PortalParts } from './ports.ts';
import {
  checkToken,
  fieldsOf,
  freshFields,
  isWanted,
  type TokenFields,
  tokenForm,
  type WantedToken,
} from './token-form.ts';
import { gatewayUrl, queueUrls, tokenLines } from './token-lines.ts';
import { pageLinks, pageOf } from './token-pages.ts';
import { shownToken } from './token-shown.ts';
import { tokenTable } from './token-table.ts';

const PATH = '/ui/tokens';
const SIZE = 200;

const DONE = {
  revoked: 'The token is revoked.',
  'made-already':
    'That form was used before: its token was made, and shown, that once. If you did not keep it, revoke it and make another.',
};

const newOnce = (): string => randomBytes(16).toString('base64url');

/** Creates the page of a person's access tokens: create, list, revoke. */
export function createTokenRoutes(parts: PortalParts, frame: Frame): readonly WebRoute[] {
  const { tokens } = parts;
  const page = createPage(parts, frame);
  const create = createCreate(parts, frame, page);
  return [
    pageRoute('GET', PATH, (request, session) =>
      page(request, session, freshFields(parts.config().accessTokens, newOnce()), {}),
    ),
    pageRoute('POST', PATH, async (request, session) => {
      const fields = fieldsOf(request.form);
      const checked = checkToken(fields, parts.config().accessTokens);
      if (!isWanted(checked)) return page(request, session, { ...fields, once: newOnce() }, checked);
      return create(request, session, fields, checked);
    }),
    pageRoute('POST', `${PATH}/:id/revoke`, async (request, session) => {
      const { id = '' } = request.params;
      if ((await tokens.find(id))?.subject !== session.identity.subject)
        throw new GatewayError('GW_NOT_FOUND', 'You have no such token.');
      await tokens.revoke(id);
      return doneAt(PATH, 'revoked');
    }),
  ];
}

type Page = (request: WebRequest, session: Session, fields: TokenFields, faults: Faults) => Promise<WebAnswer>;

function createPage({ config, clock, tokens }: PortalParts, frame: Frame): Page {
  return async (request, session, fields, faults) => {
    const at = pageOf(request);
    const own = await tokens.page(at, SIZE, session.identity.subject);
    const csrf = csrfField(session);
    const wrong = Object.keys(faults).length > 0;
    const list = tokenTable(own.tokens, {
      now: clock.now(),
      csrf,
      owners: false,
      revokeAt: (id) => `${PATH}/${id}/revoke`,
    });
    const body = html`<div class="head"><h1>Access tokens</h1>
<p class="quiet">A program with a token of yours acts as you, within what the token may do.</p></div>
${!wrong && doneNote(request, DONE)}
<section class="card" aria-labelledby="new"><h2 id="new">New token</h2>
${tokenForm(PATH, csrf, fields, faults, config().accessTokens)}</section>
<section class="card" aria-labelledby="own"><h2 id="own">Your tokens</h2>
${own.tokens.length === 0 ? html`<p class="quiet">You have none yet.</p>` : list}
${pageLinks(PATH, {}, at, own)}</section>`;
    return frame({ title: 'Access tokens', session, current: PATH, body, ...(wrong ? { status: 422 } : {}) });
  };
}

function createCreate(parts: PortalParts, frame: Frame, page: Page) {
  const { config, tokens, usedOnce, accountFor } = parts;
  return async (
    request: WebRequest,
    session: Session,
    fields: TokenFields,
    { label, scopes, lifeMs }: WantedToken,
  ): Promise<WebAnswer> => {
    const { user, subject } = session.identity;
    const once = `${session.id}:${fields.once}`;
    if (!(await usedOnce.first('token-form', once, config().signIn.session.life))) return doneAt(PATH, 'made-already');
    try {
      const { token, info } = await tokens.create({ user, subject, label, scopes, lifeMs });
      const decision = accountFor(session.identity, request.queue);
      const account = decision.kind === 'account' ? decision.account.name : null;
      const url = gatewayUrl(config(), request);
      const lines = tokenLines(url, user, account);
      const body = shownToken(info, token, lines, queueUrls(config(), url));
      return frame({ title: 'Your new token', session, current: PATH, scripts: ['copy.js'], body });
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'GW_BAD_REQUEST')) throw error;
      return page(request, session, { ...fields, once: newOnce() }, { form: error.detail });
    }
  };
}
