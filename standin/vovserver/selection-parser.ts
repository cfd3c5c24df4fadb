import { SelectionError, type Test, type Token, tokenize } from './selection-tokens.ts';

/** A parsed selection rule. An empty `and` is true of everything. */
export type Rule =
  | { readonly kind: 'and' | 'or'; readonly rules: readonly Rule[] }
  | { readonly kind: 'not'; readonly rule: Rule }
  | { readonly kind: 'predicate'; readonly field: string; readonly test: Test | null };

const MAX_DEPTH = 200;

interface Cursor {
  readonly tokens: readonly Token[];
  readonly length: number;
  at: number;
  depth: number;
}

function parseTerm(cursor: Cursor): Rule {
  const token = cursor.tokens[cursor.at];
  if (token === undefined) throw new SelectionError('the rule ends too early', cursor.length);
  cursor.at += 1;
  if (token.kind === 'predicate') return { kind: 'predicate', field: token.field, test: token.test };
  cursor.depth += 1;
  if (cursor.depth > MAX_DEPTH) throw new SelectionError('nested too deep', token.at);
  const rule = parseNested(cursor, token);
  cursor.depth -= 1;
  return rule;
}

function parseNested(cursor: Cursor, token: Token): Rule {
  if (token.kind === '!') return { kind: 'not', rule: parseTerm(cursor) };
  if (token.kind !== '(') throw new SelectionError(`unexpected "${token.kind}"`, token.at);
  const rule = parseOr(cursor);
  if (cursor.tokens[cursor.at]?.kind !== ')') throw new SelectionError('")" is missing', cursor.length);
  cursor.at += 1;
  return rule;
}

/** `a&b`, `a AND b` and `a b` are the same. */
function parseAnd(cursor: Cursor): Rule {
  const rules = [parseTerm(cursor)];
  for (;;) {
    const kind = cursor.tokens[cursor.at]?.kind;
    if (kind === undefined || kind === '|' || kind === ')') break;
    if (kind === '&') cursor.at += 1;
    rules.push(parseTerm(cursor));
  }
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only : { kind: 'and', rules };
}

/** AND binds tighter than OR. */
function parseOr(cursor: Cursor): Rule {
  const rules = [parseAnd(cursor)];
  while (cursor.tokens[cursor.at]?.kind === '|') {
    cursor.at += 1;
    rules.push(parseAnd(cursor));
  }
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only : { kind: 'or', rules };
}

/** Parses a selection rule as H-SEL describes it. Throws SelectionError. */
export function parseSelection(text: string): Rule {
  const cursor: Cursor = { tokens: tokenize(text), length: text.length, at: 0, depth: 0 };
  if (cursor.tokens.length === 0) return { kind: 'and', rules: [] };
  const rule = parseOr(cursor);
  const rest = cursor.tokens[cursor.at];
  if (rest !== undefined) throw new SelectionError(`unexpected "${rest.kind}"`, rest.at);
  return rule;
}
