import type { AccessTokenInfo } from '../auth/index.ts';
import type { Secret } from '../kernel/index.ts';
import { html, type Markup } from './markup.ts';
import { moment } from './moment.ts';
import type { Lines, QueueUrl } from './token-lines.ts';

const copyButton = (id: string, what: string): Markup =>
  html`<button type="button" class="small" data-copy="${id}" data-what="${what}" hidden>Copy<span class="hidden"> ${what}</span></button>`;

const block = ({ id, title, text, note }: Lines): Markup => html`<div class="copied">
<div class="row"><h3>${title}</h3>${copyButton(id, title)}</div>
<pre id="${id}" tabindex="0" role="region" aria-label="${title}">${text}</pre>
${note !== null && html`<p class="hint">${note}</p>`}</div>`;

function queueList(queues: readonly QueueUrl[]): Markup | false {
  const item = ({ queue, url }: QueueUrl): Markup => html`<dt>${queue}</dt><dd><code>${url}</code></dd>`;
  return (
    queues.length > 1 &&
    html`<section class="card" aria-labelledby="queues"><h2 id="queues">NC_URL of each queue</h2>
<dl class="facts">${queues.map(item)}</dl></section>`
  );
}

/** The one time that a token is shown: itself, and the lines to paste. */
export function shownToken(
  { label, scopes, expiresAt }: AccessTokenInfo,
  token: Secret,
  lines: readonly Lines[],
  queues: readonly QueueUrl[],
): Markup {
  return html`<div class="head"><h1>Your new token</h1>
<p class="quiet">“${label}” may ${scopes.join(', ')}; it ends ${moment(expiresAt)}.</p></div>
<section class="card" aria-labelledby="token-title"><h2 id="token-title">The token</h2>
<p class="note warn">This is the only time that it is shown. Keep it like a password.</p>
<code class="secret" id="token">${token.reveal()}</code>
<div class="row">${copyButton('token', 'the token')}<a class="button small" href="/ui/tokens">Done</a></div>
<p class="hidden" id="copy-status" role="status"></p></section>
<section class="card" aria-labelledby="lines"><h2 id="lines">Lines to paste</h2>${lines.map(block)}</section>
${queueList(queues)}`;
}
