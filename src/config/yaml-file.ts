import { type Document, type ErrorCode, isMap, LineCounter, parseDocument, visit } from 'yaml';
import type { Fault } from './fault.ts';
import type { Segment } from './shape.ts';

/** Our own words for the parser's codes: its messages quote the file, and the file may hold secrets. */
const SYNTAX: Partial<Record<ErrorCode, readonly [reason: string, mend: string]>> = {
  DUPLICATE_KEY: ['this key stands here a second time', 'Keep one of the two.'],
  BAD_INDENT: [
    'the indentation does not fit, or a bracket before it is not closed',
    'Indent keys of one section equally, two spaces deeper than the section.',
  ],
  TAB_AS_INDENT: ['a tab is used as indentation', 'Use spaces.'],
  MISSING_CHAR: [
    'a quote, bracket or separator is missing',
    'Look for an unclosed quote or bracket, or a missing ": ".',
  ],
  BLOCK_AS_IMPLICIT_KEY: ['a nested mapping stands on one line', 'Put text that holds ": " in quotes.'],
  MULTILINE_IMPLICIT_KEY: ['a key spans several lines', 'Look for a missing colon in the line before.'],
  UNEXPECTED_TOKEN: ['something unexpected stands here', 'Put text with special characters in quotes.'],
  BAD_ALIAS: ['an alias (*name) is malformed or has no anchor', 'Put text that starts with * in quotes.'],
  BAD_SCALAR_START: ['text may not start with this character', 'Put it in quotes.'],
  BAD_DQ_ESCAPE: ['an escape in double quotes is unknown', "Use single quotes: '…'."],
  MULTIPLE_DOCS: ['a second document begins here', 'Remove the line ---.'],
  TAG_RESOLVE_FAILED: ['a tag (!name) is unknown', 'Put text that starts with ! in quotes.'],
  RESOURCE_EXHAUSTION: ['the nesting is too deep', 'Flatten the file.'],
};

/** A parsed file: its content, or null when it cannot be read at all, and where each path stands. */
export interface YamlFile {
  readonly content: unknown;
  readonly faults: Fault[];
  lineOf(at: readonly Segment[]): number | undefined;
}

const syntaxFault = (file: string, code: ErrorCode, offset: number, lines: LineCounter): Fault => {
  const { line, col } = lines.linePos(offset);
  const [reason, mend] = SYNTAX[code] ?? ['this is no valid YAML', 'Correct the line.'];
  return { path: `${file}:${line}:${col}`, reason, mend, source: 'file', line };
};

/** Offsets of aliases without an anchor before them; the parser itself leaves them to the conversion. */
const looseAliases = (document: Document.Parsed): number[] => {
  const offsets: number[] = [];
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) offsets.push(alias.range?.[0] ?? 0);
    },
  });
  return offsets;
};

/** Reads the text of a configuration file; faults carry line and column and never quote the text. */
export function parseYaml(file: string, text: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  const loose = looseAliases(document);
  // A tag of another program (`!vault x`) is only a warning to the parser, which then takes the text as it stands.
  const problems = [...document.errors, ...document.warnings];
  const faults = [
    ...problems.map((error) => syntaxFault(file, error.code, error.pos[0], lines)),
    ...loose.map((offset) => syntaxFault(file, 'BAD_ALIAS', offset, lines)),
  ];
  const broken = loose.length > 0 || problems.some((error) => error.code !== 'DUPLICATE_KEY');
  const lineOf = (at: readonly Segment[]): number | undefined => {
    for (let depth = at.length; depth > 0; depth--) {
      const holder: unknown = document.getIn(at.slice(0, depth - 1), true) ?? document.contents;
      const key = at[depth - 1];
      const pair = isMap(holder) ? holder.items.find((item) => String(item.key) === String(key)) : undefined;
      const node: unknown = pair?.key ?? document.getIn(at.slice(0, depth), true);
      const start = (node as { range?: readonly number[] | null } | undefined)?.range?.[0];
      if (start !== undefined) return lines.linePos(start).line;
    }
    return undefined;
  };
  if (broken) return { content: null, faults, lineOf };
  if (document.contents === null) return { content: {}, faults, lineOf };
  if (!isMap(document.contents)) {
    const mend = 'Write sections such as `queues:` at the start of a line.';
    return { content: null, faults: [{ path: file, reason: 'is no mapping of keys', mend, source: 'file' }], lineOf };
  }
  return { content: contentOf(document, file, faults), faults, lineOf };
}

const contentOf = (
  document: { toJS(options: { maxAliasCount: number }): unknown },
  file: string,
  faults: Fault[],
): unknown => {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    // The only thing left that throws is the limit on aliases.
    faults.push({ path: file, reason: 'uses too many aliases', mend: 'Write the values out.', source: 'file' });
    return null;
  }
};
