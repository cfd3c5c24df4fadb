/** A form of a page. */
export interface WebForm {
  /** Absolute. */
  readonly action: string;
  readonly method: 'GET' | 'POST';
  /** Hidden and pre-filled fields: what is sent when nothing is touched. */
  readonly fields: Readonly<Record<string, string>>;
  /** Names of fields that are there to be filled in. */
  readonly blanks: readonly string[];
  /** Values of named buttons, by name. */
  readonly choices: Readonly<Record<string, readonly string[]>>;
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Text of HTML with its character references resolved. */
export const unescapeHtml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return NAMED[name] ?? all;
  });

type Attributes = Readonly<Record<string, string>>;

function attributesOf(tag: string): Attributes {
  const found = tag.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g);
  return Object.fromEntries(
    [...found].map(([, name = '', double, single, bare]) => [
      name.toLowerCase(),
      unescapeHtml(double ?? single ?? bare ?? ''),
    ]),
  );
}

const tagsOf = (html: string, name: string): Attributes[] =>
  [...html.matchAll(new RegExp(`<${name}\\b([^>]*)>`, 'gi'))].map(([, tag = '']) => attributesOf(tag));

const UNSENT = new Set(['submit', 'button', 'reset', 'image', 'file']);
const PRESET = new Set(['hidden', 'checkbox', 'radio']);

function sentByDefault(input: Attributes): boolean {
  if (UNSENT.has(input.type ?? '')) return false;
  return (input.type !== 'checkbox' && input.type !== 'radio') || 'checked' in input;
}

function readForm(tag: Attributes, inside: string, page: string): WebForm {
  const inputs = tagsOf(inside, 'input').filter((input) => (input.name ?? '') !== '');
  const choices: Record<string, string[]> = {};
  for (const button of tagsOf(inside, 'button')) {
    if (button.name === undefined) continue;
    choices[button.name] = [...(choices[button.name] ?? []), button.value ?? ''];
  }
  const on = (input: Attributes): string => input.value ?? (PRESET.has(input.type ?? '') ? 'on' : '');
  const blanks = inputs.filter((input) => !PRESET.has(input.type ?? '') && !UNSENT.has(input.type ?? ''));
  return {
    action: String(new URL(tag.action ?? '', page)),
    method: (tag.method ?? 'get').toUpperCase() === 'POST' ? 'POST' : 'GET',
    fields: Object.fromEntries(inputs.filter(sentByDefault).map((input) => [input.name ?? '', on(input)])),
    blanks: blanks.map((input) => input.name ?? ''),
    choices,
  };
}

/** The forms of a page. Enough for the pages of the gateway and of the identity providers of the tests. */
export function readForms(html: string, page: string): WebForm[] {
  const forms = html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi);
  return [...forms].map(([, tag = '', inside = '']) => readForm(attributesOf(tag), inside, page));
}
