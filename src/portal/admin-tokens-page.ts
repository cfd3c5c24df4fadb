import type { Session, WebRoute } from '../auth/index.ts';
import { GatewayError, type Role } from '../kernel/index.ts';
import { csrfField, type Frame } from './frame.ts';
import { html } from './markup.ts';
import { doneNote, pageRoute } from './page-route.ts';
import type { PortalParts } from './ports.ts';
import { pageLinks, pageOf } from './token-pages.ts';
import { tokenTable } from './token-table.ts';

const PATH = '/ui/admin/tokens';
const SIZE = 200;

const has = ({ identity }: Session, role: Role): boolean => identity.roles.includes(role);

/** Creates the page of everybody's tokens: operators see them, admins may revoke them. */
export function createAdminTokenRoutes(parts: PortalParts, frame: Frame): readonly WebRoute[] {
  const { tokens, report, clock } = parts;
  return [
    pageRoute('GET', PATH, async (request, session) => {
      const admin = has(session, 'admin');
      if (!admin && !has(session, 'operator')) throw new GatewayError('GW_ROLE_MISSING', 'This page is for operators.');
      const user = (request.query.get('user') ?? '').trim();
      const at = pageOf(request);
      const list = await (user === '' ? tokens.page(at, SIZE) : tokens.page(at, SIZE, user));
      const table = tokenTable(list.tokens, {
        now: clock.now(),
        csrf: html`${csrfField(session)}<input type="hidden" name="user" value="${user}">`,
        owners: true,
        revokeAt: admin ? (id) => `${PATH}/${id}/revoke` : null,
      });
      const body = html`<div class="head"><h1>All tokens</h1><p class="quiet">Access tokens of everybody.${!admin && ' Revoking them takes the role admin.'}</p></div>
${doneNote(request, { revoked: 'The token is revoked.' })}
<section class="card" aria-label="Tokens"><form method="get" action="${PATH}" role="search" class="find">
<label for="user">User name</label><input type="search" id="user" name="user" value="${user}" maxlength="64" autocomplete="off"><button>Show</button></form>
${list.tokens.length === 0 ? html`<p class="quiet">There are none.</p>` : table}
${pageLinks(PATH, user === '' ? {} : { user }, at, list)}</section>`;
      return frame({ title: 'All tokens', session, current: PATH, width: 'wide', body });
    }),
    pageRoute('POST', `${PATH}/:id/revoke`, async (request, session) => {
      if (!has(session, 'admin'))
        throw new GatewayError('GW_ROLE_MISSING', 'Revoking tokens of others takes the role admin.');
      const { id = '' } = request.params;
      if (!(await tokens.revoke(id))) throw new GatewayError('GW_NOT_FOUND', 'There is no such token.');
      const { user, subject } = session.identity;
      const { address, requestId: request_id } = request;
      // The token's own event names its owner; this one says who did it.
      report.log.info(
        { event: 'token_revoked_by_admin', user, subject, token_id: id, address, request_id },
        'an admin revoked a token',
      );
      const query = new URLSearchParams({ done: 'revoked', user: request.form.get('user') ?? '' });
      return { kind: 'redirect', location: `${PATH}?${query}` };
    }),
  ];
}
