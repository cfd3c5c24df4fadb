import type { z } from 'zod';
import { writtenKeys } from './env.ts';
import { nearest } from './nearest.ts';
import { pathText, rawAt, resolved, type Shape, shapeAt } from './shape.ts';

type Issue = z.core.$ZodIssue;

/** A fault before it is known where its value came from. */
export interface Finding {
  readonly path: string;
  readonly reason: string;
  readonly mend: string;
}

const KIND_WORDS: Readonly<Record<Shape['kind'], string>> = {
  section: 'a section with keys of its own',
  tagged: 'a section with keys of its own',
  list: 'a list',
  map: 'a mapping of names',
  text: 'text',
  number: 'a number',
  boolean: 'true or false',
};

const formMend = (shape: Shape | null): string => {
  if (shape === null) return 'See docs/configuration.md.';
  if (shape.hint !== null) return shape.hint;
  if (shape.unit === 'duration') return 'Write a number and a unit: 500ms, 20s, 15m, 4h, 90d.';
  if (shape.unit === 'size') return 'Write a whole number and a unit: 512B, 64KiB, 1MiB.';
  if (shape.words.length > 0) return `Write one of: ${shape.words.join(', ')}.`;
  if (shape.kind === 'boolean') return 'Write true or false, without quotes.';
  if (shape.kind === 'number') return 'Write a plain number, without quotes and unit.';
  if (shape.kind === 'list') return 'Write entries that each begin with “- ”, or [a, b].';
  return shape.description === '' ? 'See docs/configuration.md.' : `Meaning: ${shape.description}`;
};

const wordFor = (value: unknown): string => {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? 'text' : typeof value === 'number' ? 'a number' : 'true or false';
};

const wrongType = (shape: Shape | null, value: unknown): Pick<Finding, 'reason' | 'mend'> => {
  const due = shape === null ? 'something else' : KIND_WORDS[shape.kind];
  if (value === undefined) return { reason: 'is missing', mend: `Add it. ${formMend(shape)}` };
  if (value === null) return { reason: 'is empty', mend: `Give it a value (${due}) or remove the line.` };
  const quotes = shape?.kind === 'text' && shape.unit === null && typeof value !== 'object';
  return {
    reason: `must be ${due}, but is ${wordFor(value)}`,
    mend: quotes ? 'Put it in quotes.' : formMend(shape),
  };
};

const wrongWord = (shape: Shape | null, value: unknown, words: readonly string[]): Pick<Finding, 'reason' | 'mend'> => {
  if (value === undefined) return { reason: 'is missing', mend: `Write one of: ${words.join(', ')}.` };
  const near = typeof value === 'string' && shape?.secret !== true ? nearest(value, words) : null;
  const mend = words.length === 1 ? `Write ${words[0]} or remove the line.` : `Write one of: ${words.join(', ')}.`;
  const hint = shape?.hint ?? null;
  const all = hint === null ? mend : `${mend} ${hint}`;
  return { reason: 'has a value that is not known', mend: near === null ? all : `Did you mean ${near}? ${all}` };
};

const bound = (issue: Issue & { code: 'too_small' | 'too_big' }): string => {
  const [limit, word] = issue.code === 'too_small' ? [issue.minimum, 'at least'] : [issue.maximum, 'at most'];
  return issue.origin === 'array' ? `needs ${word} ${limit} entry` : `must be ${word} ${limit}`;
};

const unknownKeys = (root: Shape, raw: unknown, issue: Issue & { code: 'unrecognized_keys' }): Finding[] => {
  const section = shapeAt(root, raw, issue.path);
  const here = section === null ? null : resolved(section, rawAt(raw, issue.path));
  const known = here === null ? [] : [...writtenKeys(here)].map(([key]) => key);
  return issue.keys.map((key) => {
    const near = nearest(key, known);
    return {
      path: pathText([...issue.path, key]),
      reason: 'is no known key',
      mend: near === null ? `Known keys here: ${known.join(', ')}.` : `Did you mean ${near}?`,
    };
  });
};

/** The reason and mend of one issue that concerns a single path. */
const explain = (shape: Shape | null, value: unknown, issue: Issue): Pick<Finding, 'reason' | 'mend'> => {
  switch (issue.code) {
    case 'invalid_type':
      return shape?.kind === 'number' && typeof value === 'number'
        ? { reason: 'must be a whole number', mend: formMend(shape) }
        : wrongType(shape, value);
    case 'invalid_value':
      return wrongWord(shape, value, issue.values.map(String));
    case 'invalid_union':
      return shape !== null && shape.choices.size > 0
        ? wrongWord(shape, value, [...shape.choices.keys()])
        : { reason: issue.message, mend: formMend(shape) };
    case 'too_small':
    case 'too_big':
      return issue.origin === 'string'
        ? { reason: issue.message, mend: formMend(shape) }
        : { reason: bound(issue), mend: formMend(shape) };
    case 'invalid_key':
      return { reason: `is no name: ${issue.issues[0]?.message ?? issue.message}`, mend: 'Choose another name.' };
    default:
      return { reason: issue.message, mend: formMend(shape) };
  }
};

const tagIssue = (root: Shape, raw: unknown, issue: Issue): { shape: Shape | null; value: unknown } => {
  const direct = shapeAt(root, raw, issue.path);
  if (issue.code !== 'invalid_union' || direct !== null) return { shape: direct, value: rawAt(raw, issue.path) };
  return { shape: shapeAt(root, raw, issue.path.slice(0, -1)), value: rawAt(raw, issue.path) };
};

/** Turns what zod found into plain words; never quotes a value. */
export function toFindings(root: Shape, raw: unknown, issue: Issue): Finding[] {
  if (issue.code === 'unrecognized_keys') return unknownKeys(root, raw, issue);
  const { shape, value } = tagIssue(root, raw, issue);
  return [{ path: pathText(issue.path), ...explain(shape, value, issue) }];
}
