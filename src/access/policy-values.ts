import type { Config } from '../config/index.ts';
import { isBelow } from '../kernel/index.ts';
import { OddNumber } from './policy-body.ts';

export type FieldRule = Config['jobs']['policy'][number]['fields'][string];

/** What is wrong with a value of a field that has a rule, in words behind the field's name; null: nothing. */
export type ValueCheck = (value: unknown) => string | null;

/** Longest text that a pattern is run on; the configuration lets only patterns through that are quick on it. */
const LONGEST_MATCHED = 4096;
const DECIMAL = /^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,9})?$/;
/** Nothing that a shell, Tcl or a reader of C strings gives a meaning. */
const PLAIN_PATH = /^\/[\p{L}\p{M}\p{N}/._+=,@:# -]*$/u;
const PATH_SEGMENT_REFUSED = /\/(?:\.{0,2})(?:\/|$)/;

const isPlainPath = (path: string): boolean =>
  path === '/' ||
  (PLAIN_PATH.test(path) && path.trim() === path && !PATH_SEGMENT_REFUSED.test(path.replace(/\/$/, '')));

function patternCheck(pattern: string): (text: string) => string | null {
  // Alone first: otherwise `a)|(b` would close the anchored group and escape from it.
  new RegExp(pattern);
  const whole = new RegExp(`^(?:${pattern})$`);
  return (text) => {
    if (text.length > LONGEST_MATCHED) return `must have at most ${LONGEST_MATCHED} characters`;
    return whole.test(text) ? null : `must match ${pattern}`;
  };
}

const underCheck =
  (folders: readonly string[]) =>
  (text: string): string | null => {
    if (!isPlainPath(text)) return 'must be an absolute path, without . and .. and without special characters';
    return folders.some((folder) => isBelow(text, folder)) ? null : `must be below ${folders.join(' or ')}`;
  };

const oneOfCheck =
  (values: readonly string[]) =>
  (text: string): string | null =>
    values.includes(text) ? null : `must be ${values.map((value) => JSON.stringify(value)).join(' or ')}`;

const mostCheck =
  (most: number) =>
  (text: string): string | null => {
    if (!DECIMAL.test(text)) return 'must be a plain decimal number';
    return Number(text) <= most ? null : `must be at most ${most}`;
  };

/** Text of a value that has a rule; null for what must not be there at all. */
function textOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : null;
}

/** Compiles the rule of one field. Throws SyntaxError for a pattern that is none. */
export function createValueCheck(rule: FieldRule): ValueCheck {
  const checks = [
    ...(rule.oneOf === undefined ? [] : [oneOfCheck(rule.oneOf)]),
    ...(rule.pattern === undefined ? [] : [patternCheck(rule.pattern)]),
    ...(rule.under === undefined ? [] : [underCheck(rule.under)]),
    ...(rule.most === undefined ? [] : [mostCheck(rule.most)]),
  ];
  return (value) => {
    if (value instanceof OddNumber) return 'must be a number written the plain way, for example 4';
    const text = textOf(value);
    if (text === null) return 'must be a text or a number';
    if (text.includes('\0') || !text.isWellFormed()) return 'holds a character that is not allowed';
    return checks.map((check) => check(text)).find((fault) => fault !== null) ?? null;
  };
}
