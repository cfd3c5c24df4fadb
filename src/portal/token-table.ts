import type { AccessTokenInfo } from '../auth/index.ts';
import { html, type Markup } from './markup.ts';
import { moment } from './moment.ts';

/** How a list of tokens is shown. */
export interface TokenTable {
  readonly now: number;
  /** Path of the form that revokes a token; null: nothing can be revoked here. */
  readonly revokeAt: ((id: string) => string) | null;
  readonly csrf: Markup;
  /** Whether whose they are is shown. */
  readonly owners: boolean;
}

/** Tokens with those that were derived from them below, else in the order given. */
function withDerived(tokens: readonly AccessTokenInfo[]): readonly AccessTokenInfo[] {
  const known = new Set(tokens.map(({ id }) => id));
  const isRoot = ({ parent }: AccessTokenInfo): boolean => parent === null || !known.has(parent);
  return tokens.filter(isRoot).flatMap((token) => [token, ...tokens.filter(({ parent }) => parent === token.id)]);
}

function revoke(token: AccessTokenInfo, { revokeAt, csrf }: TokenTable): Markup | false {
  return (
    revokeAt !== null &&
    html`<details class="ask"><summary class="button small danger">Revoke<span class="hidden"> ${token.label}</span></summary><div>
<p>Programs with this token${token.parent === null && ', and what was derived from it,'} are refused at once.</p>
<form method="post" action="${revokeAt(token.id)}">${csrf}<button class="small danger">Revoke it now</button></form></div></details>`
  );
}

function row(token: AccessTokenInfo, table: TokenTable): Markup {
  const { id, user, subject, label, scopes, createdAt, expiresAt, lastUsedAt, parent } = token;
  const { now, owners } = table;
  return html`<tr><td data-label="Label"><span>${parent === null ? html`<b>${label}</b>` : html`↳ ${label} <span class="tag">derived</span>`}<br><code class="quiet">${id}</code></span></td>
${owners && html`<td data-label="Owner"><span>${user}<br><code class="quiet">${subject}</code></span></td>`}
<td data-label="May">${scopes.join(', ')}</td>
<td data-label="Created"><span>${moment(createdAt)}</span></td>
<td data-label="Ends"><span>${moment(expiresAt, now)}</span></td>
<td data-label="Last use"><span>${lastUsedAt === null ? html`<span class="quiet">never</span>` : moment(lastUsedAt, now)}</span></td>
<td class="act">${revoke(token, table)}</td></tr>`;
}

/** A list of tokens. */
export function tokenTable(tokens: readonly AccessTokenInfo[], table: TokenTable): Markup {
  return html`<table><thead><tr><th scope="col">Label</th>${table.owners && html`<th scope="col">Owner</th>`}<th scope="col">May</th><th scope="col">Created</th><th scope="col">Ends</th><th scope="col">Last use</th><th scope="col"><span class="hidden">Action</span></th></tr></thead>
<tbody>${withDerived(tokens).map((token) => row(token, table))}</tbody></table>`;
}
