import type { Session, WebRoute } from '../auth/index.ts';
import type { PolicyState } from '../limits/index.ts';
import { stateLabel, stateText } from './account-state.ts';
import type { Frame } from './frame.ts';
import { html, type Insert, type Markup } from './markup.ts';
import { exactLength, lengthOf } from './moment.ts';
import { pageRoute } from './page-route.ts';
import type { PortalParts, QueueAccount } from './ports.ts';

const tags = (values: readonly string[]): Insert =>
  values.length === 0
    ? html`<span class="quiet">none</span>`
    : html`<ul class="tags">${values.map((value) => html`<li class="tag">${value}</li>`)}</ul>`;

function identityCard({ identity, provider }: Session, labelOf: (provider: string) => string): Markup {
  const { user, subject, groups, roles } = identity;
  return html`<section class="card" aria-labelledby="you"><h2 id="you">You</h2>
<dl class="facts"><dt>User name</dt><dd>${user}</dd>
<dt>Subject</dt><dd class="mono">${subject}</dd>
<dt>Signed in with</dt><dd>${labelOf(provider)}</dd>
<dt>Groups</dt><dd>${tags(groups)}</dd>
<dt>Roles</dt><dd>${tags(roles)}</dd></dl></section>`;
}

function accountsCard(accounts: readonly QueueAccount[], now: number): Markup {
  const row = (account: QueueAccount): Markup => html`<tr><td data-label="Queue">${account.queue}</td>
<td data-label="Account"><span>${account.account ?? '–'}${account.shared && html` <span class="tag">shared</span>`}</span></td>
<td data-label="State"><span>${stateLabel(account)}</span></td>
<td data-label="Meaning"><span>${stateText(account, { now, formBelow: false })}</span></td></tr>`;
  return html`<section class="card" aria-labelledby="accounts"><h2 id="accounts">vovserver account</h2>
<table><thead><tr><th scope="col">Queue</th><th scope="col">Account</th><th scope="col">State</th><th scope="col">Meaning</th></tr></thead>
<tbody>${accounts.map(row)}</tbody></table></section>`;
}

const CLASSES: ReadonlyMap<string, string> = new Map([
  ['read', 'Reads'],
  ['list', 'Lists and queries'],
  ['submit', 'Submissions'],
  ['control', 'Job control'],
]);

/** The words of a policy: its name ends with the class that it counts, or counts all calls. */
const limitName = (policy: string): string => CLASSES.get(policy.slice(policy.lastIndexOf('-') + 1)) ?? 'All calls';

function limitsCard(limits: readonly PolicyState[]): Markup {
  const row = ({ name, quota, windowSeconds, remaining, resetSeconds }: PolicyState): Markup => {
    const words = limitName(name);
    return html`<tr><td data-label="Limit">${words}</td>
<td data-label="Allowed">${quota} per ${exactLength(windowSeconds * 1000).replace(/^1 /, '')}</td>
<td data-label="Left">${remaining}</td>
<td data-label="Share"><meter min="0" max="${quota}" low="${quota / 5}" value="${remaining}" aria-label="${words}: ${remaining} of ${quota} left"></meter></td>
<td data-label="Whole again">${remaining >= quota ? 'now' : `in ${lengthOf(resetSeconds * 1000)}`}</td></tr>`;
  };
  return html`<section class="card" aria-labelledby="limits"><h2 id="limits">Rate limits</h2>
${
  limits.length === 0
    ? html`<p>No rate limit concerns you.</p>`
    : html`<p class="quiet">They count your calls over all tokens and sessions.</p>
<table><thead><tr><th scope="col">Limit</th><th scope="col">Allowed</th><th scope="col">Left</th><th scope="col">Share left</th><th scope="col">Whole again</th></tr></thead>
<tbody>${limits.map(row)}</tbody></table>`
}</section>`;
}

/** Creates the account page: who am I, my vovserver accounts, my limits. */
export function createAccountRoutes(parts: PortalParts, frame: Frame): readonly WebRoute[] {
  const { accountStates, limitsOf, providers, clock } = parts;
  const labelOf = (name: string): string => providers().find((provider) => provider.name === name)?.label ?? name;
  return [
    {
      method: 'GET',
      path: '/',
      door: 'portal',
      needs: 'nothing',
      handle: () => ({ kind: 'redirect', location: '/ui/' }),
    },
    pageRoute('GET', '/ui/', async (_request, session) => {
      const [accounts, limits] = await Promise.all([accountStates(session.identity), limitsOf(session.identity)]);
      const body = html`<div class="head"><h1>Your account</h1>
<p class="quiet">Programs call vovserver through this gateway with an <a href="/ui/tokens">access token</a> of yours.
To let <code>vovgw login</code> in on a submit host, <a href="/ui/device">enter its code</a>.</p></div>
${identityCard(session, labelOf)}${accountsCard(accounts, clock.now())}${limitsCard(limits)}`;
      return frame({ title: 'Your account', session, current: '/ui/', body });
    }),
  ];
}
