/** A comparison of H-OPER: equality and order, then regular expression `~`, substring `^` and glob `:`. */
export const OPERATORS = [
  '!~~',
  '!^^',
  '!::',
  '==',
  '!=',
  '>=',
  '<=',
  '~~',
  '!~',
  '^^',
  '!^',
  '::',
  '!:',
  '=',
  '>',
  '<',
  '~',
  '^',
  ':',
] as const;
export type Operator = (typeof OPERATORS)[number];

export type Token =
  | { readonly kind: '(' | ')' | '&' | '|' | '!'; readonly at: number }
  | { readonly kind: 'predicate'; readonly at: number; readonly field: string; readonly test: Test | null };

/** What a field is compared with; several values mean any of them. */
export interface Test {
  readonly operator: Operator;
  readonly values: readonly string[];
}

/** A rule that is no selection rule. `at` is the index of the character. */
export class SelectionError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(`${message} at character ${at + 1}`);
    this.at = at;
  }
}

const FIELD = /[A-Za-z_@][A-Za-z0-9_.@]*/y;
const SPACE = /\s*/y;
const VALUE_END = /[\s&|(),]/;

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

const skip = (text: string, at: number): number => at + match(SPACE, text, at).length;

const operatorAt = (text: string, at: number): Operator | undefined =>
  OPERATORS.find((operator) => text.startsWith(operator, at));

function readQuoted(text: string, at: number): { value: string; end: number } {
  let value = '';
  for (let i = at + 1; i < text.length; i += 1) {
    if (text[i] === '"') return { value, end: i + 1 };
    if (text[i] === '\\' && i + 1 < text.length) i += 1;
    value += text[i];
  }
  throw new SelectionError('unclosed quote', at);
}

function readValue(text: string, at: number): { value: string; end: number } {
  let value = '';
  let end = at;
  while (end < text.length && !VALUE_END.test(text[end] ?? ' ')) {
    if (text[end] === '"') {
      const quoted = readQuoted(text, end);
      value += quoted.value;
      end = quoted.end;
    } else {
      if (text[end] === '\\' && end + 1 < text.length) end += 1;
      value += text[end];
      end += 1;
    }
  }
  if (end === at) throw new SelectionError('a value is missing', at);
  return { value, end };
}

function readValues(text: string, at: number): { values: string[]; end: number } {
  const values: string[] = [];
  let end = at - 1;
  do {
    const one = readValue(text, end + 1);
    values.push(one.value);
    end = one.end;
  } while (text[end] === ',');
  return { values, end };
}

function readPredicate(text: string, at: number): { token: Token; end: number } {
  const field = match(FIELD, text, at);
  if (field === '') throw new SelectionError(`unexpected ${JSON.stringify(text[at])}`, at);
  const afterField = at + field.length;
  const operatorStart = skip(text, afterField);
  const operator = operatorAt(text, operatorStart);
  if (operator === undefined) return { token: { kind: 'predicate', at, field, test: null }, end: afterField };
  const { values, end } = readValues(text, skip(text, operatorStart + operator.length));
  return { token: { kind: 'predicate', at, field, test: { operator, values } }, end };
}

const WORDS: Readonly<Record<string, '&' | '|' | '!'>> = { AND: '&', OR: '|', NOT: '!' };

/** Cuts a selection rule (H-SEL) into tokens. Spaces that part two terms stay unwritten; the parser reads them as AND. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = skip(text, 0);
  while (at < text.length) {
    const char = text[at];
    if (char === '(' || char === ')' || char === '&' || char === '|' || char === '!') {
      tokens.push({ kind: char, at });
      at += text.startsWith('&&', at) || text.startsWith('||', at) ? 2 : 1;
    } else {
      const { token, end } = readPredicate(text, at);
      const word = token.kind === 'predicate' && token.test === null ? WORDS[token.field] : undefined;
      tokens.push(word === undefined ? token : { kind: word, at });
      at = end;
    }
    at = skip(text, at);
  }
  return tokens;
}
