import { html, type Markup } from './markup.ts';

/** What is wrong with a form, by field; `form` for what concerns no single one. */
export type Faults = Readonly<Record<string, string>>;

interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly faults: Faults;
}

const hintOf = ({ name, hint }: Field): Markup | false =>
  hint !== undefined && html`<span class="hint" id="${name}-hint">${hint}</span>`;

const faultOf = ({ name, faults }: Field): Markup | false =>
  faults[name] !== undefined && html`<span class="wrong" id="${name}-wrong">${faults[name]}</span>`;

/** Ties a field to its hint and its fault for those who do not see the page. */
function described(field: Field): Markup {
  const { name, hint, faults } = field;
  const ids = [hint !== undefined && `${name}-hint`, faults[name] !== undefined && `${name}-wrong`].filter(Boolean);
  return html`${ids.length > 0 && html` aria-describedby="${ids.join(' ')}"`}${faults[name] !== undefined && html` aria-invalid="true"`}`;
}

/** A line of text with its label, hint and fault. `autocomplete` is off. */
export function textField(
  field: Field & {
    readonly type?: 'text' | 'password';
    readonly value: string;
    readonly maxLength: number;
    readonly look?: string;
  },
): Markup {
  const { name, label, type = 'text', value, maxLength, look } = field;
  return html`<div class="field"><label for="${name}">${label}</label>${hintOf(field)}
<input type="${type}" id="${name}" name="${name}" value="${value}" maxlength="${maxLength}" required autocomplete="off" autocapitalize="off" spellcheck="false"${
    look !== undefined && html` class="${look}"`
  }${described(field)}>${faultOf(field)}</div>`;
}

interface Choice {
  readonly value: string;
  readonly text: string;
  readonly hint?: string;
}

/** A list to choose one of. */
export function choiceField(field: Field & { readonly choices: readonly Choice[]; readonly value: string }): Markup {
  const { name, label, choices, value } = field;
  const option = (choice: Choice): Markup =>
    html`<option value="${choice.value}"${choice.value === value && html` selected`}>${choice.text}</option>`;
  return html`<div class="field"><label for="${name}">${label}</label>${hintOf(field)}
<select id="${name}" name="${name}"${described(field)}>${choices.map(option)}</select>${faultOf(field)}</div>`;
}

/** Boxes to tick, any number of them. */
export function checkField(
  field: Field & { readonly choices: readonly Choice[]; readonly values: readonly string[] },
): Markup {
  const { name, label, choices, values } = field;
  const box = ({ value, text, hint }: Choice): Markup => html`<div class="check">
<input type="checkbox" id="${name}-${value}" name="${name}" value="${value}"${values.includes(value) && html` checked`}${
    hint !== undefined && html` aria-describedby="${name}-${value}-hint"`
  }><label for="${name}-${value}">${text}</label>${
    hint !== undefined && html`<span class="hint" id="${name}-${value}-hint">${hint}</span>`
  }</div>`;
  return html`<fieldset${described(field)}><legend>${label}</legend>${hintOf(field)}${choices.map(box)}${faultOf(field)}</fieldset>`;
}

/** What is wrong with a form as a whole. */
export const formFault = (faults: Faults): Markup | false =>
  faults.form !== undefined && html`<p class="note bad" role="alert">${faults.form}</p>`;
