import { html, type Markup } from './markup.ts';
import { distance, moment } from './moment.ts';
import type { QueueAccount } from './ports.ts';
import { asSentence } from './sentence.ts';

const label = (kind: 'ok' | 'warn' | 'bad' | 'none', text: string): Markup =>
  html`<span class="state ${kind}">${text}</span>`;

/** How an account stands as one or two words. */
export function stateLabel({ account, state }: QueueAccount): Markup {
  if (account === null) return label('bad', 'No account');
  switch (state?.kind) {
    case 'signed-in':
      return label('ok', 'Signed in');
    case 'ready':
      return label('ok', 'Ready');
    case 'rejected':
      return label('bad', 'Password rejected');
    case 'no-password':
      return label('warn', 'No password');
    default:
      return label('none', 'Unknown');
  }
}

/** How an account stands in a sentence, with what its owner can do. `formBelow`: the form for the password follows. */
export function stateText(
  { account, reason, state, mayEnrol }: QueueAccount,
  { now, formBelow }: { readonly now: number; readonly formBelow: boolean },
): Markup {
  if (account === null)
    return html`${asSentence(reason ?? 'No rule gives you an account.')} The administrator can add a rule.`;
  const give = formBelow
    ? html`give the current one below`
    : html`<a href="/ui/credential">give the gateway the current one</a>`;
  switch (state?.kind) {
    case 'signed-in':
      return html`Signed in at vovserver until ${moment(state.until)}; this is renewed by itself while you use it.`;
    case 'ready':
      return html`The gateway has the password and signs in with your next call.`;
    case 'rejected':
      return html`vovserver rejected the password. It is tried again ${distance(state.until, now)}; ${
        mayEnrol ? html`or ${give}.` : 'the administrator has to correct it.'
      }`;
    case 'no-password':
      return mayEnrol
        ? html`The gateway has no password of this account yet: ${formBelow ? 'give it below' : html`<a href="/ui/credential">give it</a>`}.`
        : html`The gateway has no password of this account. Tell the administrator.`;
    default:
      return html`This cannot be told right now${state && html`: ${state.reason}`}.`;
  }
}
