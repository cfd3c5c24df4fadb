const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);

/** Text that is HTML already. Not exported as a value: only {@link html} makes it, so that no string can pose as one. */
class Piece {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  static is(value: object): value is Piece {
    return #text in value;
  }

  static textOf(piece: Piece): string {
    return piece.#text;
  }
}

/** A piece of a page; made by {@link html} only. */
export type Markup = Piece;

/** What a template may hold. Everything but markup is escaped; null, undefined and false leave nothing. */
export type Insert = string | number | Markup | null | undefined | false | readonly Insert[];

function textOf(insert: Insert): string {
  if (insert === null || insert === undefined || insert === false) return '';
  if (typeof insert === 'string') return escaped(insert);
  if (typeof insert === 'number') return String(insert);
  if (Array.isArray(insert)) return insert.map(textOf).join('');
  if (Piece.is(insert as object)) return Piece.textOf(insert as Piece);
  throw new TypeError('a template takes text, numbers and markup only');
}

/**
 * Makes markup of a template. Inserts are escaped for text and for quoted attributes; a template must quote every
 * attribute, and puts no insert into a script, a style or the name of a tag.
 */
export function html(strings: TemplateStringsArray, ...inserts: readonly Insert[]): Markup {
  return new Piece(strings.map((part, at) => part + textOf(inserts[at])).join(''));
}

/** The text of a piece of markup. */
export function render(markup: Markup): string {
  return Piece.textOf(markup);
}
