import type { Config } from '../config/index.ts';
import { SCOPES, type TokenScope } from '../kernel/index.ts';
import { checkField, choiceField, type Faults, formFault, textField } from './fields.ts';
import { html, type Markup } from './markup.ts';
import { exactLength } from './moment.ts';

const DAY = 86_400_000;
const USUAL_LIVES = [1, 7, 30, 90, 180, 365].map((days) => days * DAY);
/** As access tokens want it: printable, no control, format or separator characters. */
const LABEL = /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u;
const ONCE = /^[A-Za-z0-9_-]{22}$/;

type Lives = Config['accessTokens'];

/** What the form of a new token held. */
export interface TokenFields {
  readonly label: string;
  readonly scopes: readonly string[];
  /** Milliseconds as text. */
  readonly life: string;
  /** Names this form, so that it works once. */
  readonly once: string;
}

/** A form that passed. */
export interface WantedToken {
  readonly label: string;
  readonly scopes: readonly TokenScope[];
  readonly lifeMs: number;
}

/** The lives to choose from: the usual ones, the default and the longest, none above the maximum. */
export function livesOf({ maxLife, defaultLife }: Lives): readonly number[] {
  const all = [...USUAL_LIVES, defaultLife, maxLife].filter((life) => life <= maxLife);
  return [...new Set(all)].sort((a, b) => a - b);
}

/** An empty form. */
export function freshFields({ maxLife, defaultLife }: Lives, once: string): TokenFields {
  return { label: '', scopes: ['read'], life: String(Math.min(defaultLife, maxLife)), once };
}

/** What was posted, whatever it is. */
export function fieldsOf(form: URLSearchParams): TokenFields {
  return {
    label: (form.get('label') ?? '').trim(),
    scopes: form.getAll('scopes'),
    life: form.get('life') ?? '',
    once: form.get('once') ?? '',
  };
}

/** Checks a form; the faults name the fields. */
export function checkToken(fields: TokenFields, lives: Lives): WantedToken | Faults {
  const faults: Record<string, string> = {};
  const scopes = SCOPES.filter((scope) => fields.scopes.includes(scope));
  const lifeMs = livesOf(lives).find((life) => String(life) === fields.life);
  if (!LABEL.test(fields.label))
    faults.label = 'Give 1 to 64 printable characters, for example the name of the program.';
  if (scopes.length === 0) faults.scopes = 'Choose at least one.';
  if (scopes.length < new Set(fields.scopes).size) faults.scopes = 'Choose from this list only.';
  if (lifeMs === undefined) faults.life = 'Choose one of the list.';
  if (!ONCE.test(fields.once)) faults.form = 'The form was not complete. Send it again.';
  if (lifeMs === undefined || Object.keys(faults).length > 0) return faults;
  return { label: fields.label, scopes, lifeMs };
}

/** Tells a form that passed from its faults. */
export const isWanted = (checked: WantedToken | Faults): checked is WantedToken => 'lifeMs' in checked;

const SCOPE_TEXTS: Readonly<Record<TokenScope, string>> = {
  read: 'See jobs and queues.',
  submit: 'Submit jobs.',
  control: 'Stop, change and forget jobs.',
};

/** The form of a new token; `csrf` is the hidden field of the session. */
export function tokenForm(action: string, csrf: Markup, fields: TokenFields, faults: Faults, lives: Lives): Markup {
  const scopes = SCOPES.map((value) => ({ value, text: value, hint: SCOPE_TEXTS[value] }));
  const choices = livesOf(lives).map((life) => ({ value: String(life), text: exactLength(life) }));
  return html`<form method="post" action="${action}">${csrf}<input type="hidden" name="once" value="${fields.once}">
${formFault(faults)}
${textField({ name: 'label', label: 'Label', hint: 'What uses it, for example “regression dashboard”.', value: fields.label, maxLength: 64, faults })}
${checkField({ name: 'scopes', label: 'It may', choices: scopes, values: fields.scopes, faults })}
${choiceField({ name: 'life', label: 'It ends after', choices, value: fields.life, faults })}
<button class="primary">Create token</button></form>`;
}
