/**
 * Why a pattern must not be used: it does not compile, or some name could make it run for a very long time because of
 * nested repetition, repeated alternatives, backreferences or too many repetitions in a row.
 */
export type PatternFault = 'syntax' | 'nested' | 'alternatives' | 'backreference' | 'many';

interface Group {
  varies: boolean;
  alternates: boolean;
}

interface Quantifier {
  readonly least: number;
  readonly most: number;
  readonly length: number;
}

/** Longest user name that is ever matched; longer ones are refused before. */
const NAME_LENGTH = 64;

/** Longest value of an attribute that is ever matched. */
export const LONGEST_VALUE = 256;

/** Steps that a match may take at worst: four open repetitions in a row. */
const STEPS = (NAME_LENGTH + 1) ** 4;

const OPEN: Readonly<Record<string, readonly [least: number, most: number]>> = {
  '*': [0, Number.POSITIVE_INFINITY],
  '+': [1, Number.POSITIVE_INFINITY],
  '?': [0, 1],
};

const ONCE: Quantifier = { least: 1, most: 1, length: 0 };

/** The quantifier at `at`: how often its atom occurs. */
const quantifierAt = (pattern: string, at: number): Quantifier => {
  const [text, sign, least, comma, most] = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(pattern.slice(at)) ?? [];
  if (text === undefined) return ONCE;
  const open = sign === undefined ? undefined : OPEN[sign];
  if (open !== undefined) return { least: open[0], most: open[1], length: text.length };
  const end = comma === '' ? Number(least) : most === '' ? Number.POSITIVE_INFINITY : Number(most);
  return { least: Number(least), most: end, length: text.length };
};

/** Position of the last character of the atom at `at`: an escape, a character class or one character. */
const atomEnd = (pattern: string, at: number): number => {
  if (pattern[at] === '\\') return at + 1;
  if (pattern[at] !== '[') return at;
  let end = at + 1;
  while (end < pattern.length && pattern[end] !== ']') end += pattern[end] === '\\' ? 2 : 1;
  return end;
};

const compiles = (pattern: string): boolean => {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
};

const headLength = (pattern: string, at: number): number =>
  /^\((?:\?(?:[:=!]|<[=!]|<[^>]*>))?/.exec(pattern.slice(at))?.[0].length ?? 1;

/** Walks a pattern that compiles, atom by atom; gives the steps that a match may take at worst. */
function walk(pattern: string, longest: number, budget: number): PatternFault | number {
  const open: Group[] = [{ varies: false, alternates: false }];
  let steps = 1;
  for (let at = 0; at < pattern.length; at++) {
    const here = open.at(-1);
    if (here === undefined) return 'syntax';
    if (pattern[at] === '(') {
      open.push({ varies: false, alternates: false });
      at += headLength(pattern, at) - 1;
      continue;
    }
    if (pattern[at] === '|') {
      here.alternates = true;
      continue;
    }
    if (/^\\(?:[1-9]|k<)/.test(pattern.slice(at))) return 'backreference';
    const closed = pattern[at] === ')' ? open.pop() : undefined;
    at = closed === undefined ? atomEnd(pattern, at) : at;
    const { least, most, length } = quantifierAt(pattern, at + 1);
    at += length;
    if (most > 1 && closed?.varies) return 'nested';
    if (most > 1 && closed?.alternates) return 'alternatives';
    steps *= Math.min(most - least, longest) + 1;
    if (steps > budget) return 'many';
    const outer = open.at(-1);
    if (outer === undefined) return 'syntax';
    outer.varies ||= most !== least || (closed?.varies ?? false);
    outer.alternates ||= closed?.alternates ?? false;
  }
  return steps;
}

/**
 * Whether a regular expression may run on texts of at most `longest` characters that others choose (CWE-1333), taking at
 * most `steps` steps; null when it may. Errs on the safe side: some harmless patterns are refused.
 */
export const patternFault = (pattern: string, longest = NAME_LENGTH, steps = STEPS): PatternFault | null => {
  const walked = compiles(pattern) ? walk(pattern, longest, steps) : 'syntax';
  return typeof walked === 'number' ? null : walked;
};

/** Steps that a match with a text of at most `longest` characters may take at worst; null for a pattern with a fault. */
export const patternSteps = (pattern: string, longest: number): number | null => {
  const walked = compiles(pattern) ? walk(pattern, longest, Number.POSITIVE_INFINITY) : 'syntax';
  return typeof walked === 'number' ? walked : null;
};

/** Number of capturing groups of a pattern that compiles. */
export const groupCount = (pattern: string): number => (new RegExp(`${pattern}|`).exec('')?.length ?? 1) - 1;
