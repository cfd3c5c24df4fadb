import type { Rule } from './selection-parser.ts';
import { type Operator, SelectionError, type Test } from './selection-tokens.ts';

export type Cell = string | number;

/** Gives the reader of a field, or undefined when there is no such field. */
export type FieldReader<T> = (field: string) => ((item: T) => Cell) | undefined;

type Compare = (cell: Cell) => boolean;

const NUMBER = /^-?\d+(?:\.\d+)?$/;

/** Numbers compare as numbers when both sides are, all else as text. */
function order(cell: Cell, value: string): number {
  if (NUMBER.test(value) && (typeof cell === 'number' || NUMBER.test(cell))) return Number(cell) - Number(value);
  const text = String(cell);
  return text === value ? 0 : text < value ? -1 : 1;
}

const escapeRegex = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const globSource = (glob: string): string =>
  `^${glob.replace(/[^*?]+|[*?]/g, (part) => (part === '*' ? '[^]*' : part === '?' ? '[^]' : escapeRegex(part)))}$`;

function regex(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch {
    throw new SelectionError(`bad regular expression ${JSON.stringify(source)}`, 0);
  }
}

/** Doubled operators do not look at the case of letters. */
function compareWith(operator: string, value: string): Compare {
  const flags = operator.length === 2 ? 'i' : '';
  if (operator === '~' || operator === '~~') {
    const pattern = regex(value, flags);
    return (cell) => pattern.test(String(cell));
  }
  if (operator === ':' || operator === '::') {
    const pattern = regex(globSource(value), flags);
    return (cell) => pattern.test(String(cell));
  }
  if (operator === '^') return (cell) => String(cell).includes(value);
  if (operator === '^^') return (cell) => String(cell).toLowerCase().includes(value.toLowerCase());
  if (operator === '>') return (cell) => order(cell, value) > 0;
  if (operator === '>=') return (cell) => order(cell, value) >= 0;
  if (operator === '<') return (cell) => order(cell, value) < 0;
  if (operator === '<=') return (cell) => order(cell, value) <= 0;
  return (cell) => order(cell, value) === 0;
}

const isNegative = (operator: Operator): boolean => operator.startsWith('!');

function compileTest(test: Test | null): Compare {
  if (test === null) return (cell) => cell !== '' && Number(cell) !== 0;
  const positive = isNegative(test.operator) ? test.operator.slice(1) : test.operator;
  const compares = test.values.map((value) => compareWith(positive, value));
  const any: Compare = (cell) => compares.some((compare) => compare(cell));
  return isNegative(test.operator) ? (cell) => !any(cell) : any;
}

/** Makes a predicate of a rule. Throws SelectionError for an unknown field or a bad regular expression. */
export function compileSelection<T>(rule: Rule, reader: FieldReader<T>): (item: T) => boolean {
  if (rule.kind === 'not') {
    const inner = compileSelection(rule.rule, reader);
    return (item) => !inner(item);
  }
  if (rule.kind === 'predicate') {
    const read = reader(rule.field);
    if (read === undefined) throw new SelectionError(`no such field ${JSON.stringify(rule.field)}`, 0);
    const compare = compileTest(rule.test);
    return (item) => compare(read(item));
  }
  const inner = rule.rules.map((one) => compileSelection(one, reader));
  return rule.kind === 'and'
    ? (item) => inner.every((holds) => holds(item))
    : (item) => inner.some((holds) => holds(item));
}
