import { foldField } from '../kernel/index.ts';
import { isFieldName, shownField } from './policy-names.ts';

/** The fields of a submission by their names as written, or why the body must not be read. */
export type PolicyBody =
  | { readonly fields: ReadonlyMap<string, unknown>; readonly text: string }
  | { readonly field: string | null; readonly fault: string };

/** A number that was not written the plain way; another reader may take it for another one. */
export class OddNumber {}

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;
const MOST_BYTES = 1_048_576;
const MOST_DEPTH = 32;
const MOST_FIELDS = 256;
/** So that a body costs some milliseconds at most. */
const MOST_VALUES = 20_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = /\s*/y;

type Source = { readonly source?: string };

const plainNumbers = (_: string, value: unknown, { source }: Source = {}): unknown =>
  typeof value === 'number' && String(value) !== source ? new OddNumber() : value;

/** Index behind the string that begins at `at`. */
function stringEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return text.length;
}

function afterSpace(text: string, at: number): number {
  SPACE.lastIndex = at;
  SPACE.test(text);
  return SPACE.lastIndex;
}

/** The set of names of the innermost object; null inside an array. */
type Open = Set<string> | null;

function noteName(text: string, start: number, end: number, names: Open | undefined): string | null {
  if (names === null || names === undefined || text[afterSpace(text, end)] !== ':') return null;
  const name = JSON.parse(text.slice(start, end)) as string;
  if (names.has(name)) return `names ${shownField(name)} twice`;
  names.add(name);
  return null;
}

/** What JSON.parse does not tell: names that come twice at any level, and depth. Throws for what is not JSON. */
function structureFault(text: string): string | null {
  const open: Open[] = [];
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') {
      if (open.length === MOST_DEPTH) return `is nested deeper than ${MOST_DEPTH} levels`;
      open.push(char === '{' ? new Set() : null);
    } else if (char === '}' || char === ']') open.pop();
    else if (char === ',') {
      values += 1;
      if (values > MOST_VALUES) return `holds more than ${MOST_VALUES} values`;
    } else if (char === '"') {
      const end = stringEnd(text, at);
      const fault = noteName(text, at, end, open.at(-1));
      if (fault !== null) return fault;
      at = end - 1;
    }
  }
  return null;
}

function namesFault(names: readonly string[]): Exclude<PolicyBody, { text: string }> | null {
  if (names.length > MOST_FIELDS) return { field: null, fault: `holds more than ${MOST_FIELDS} fields` };
  const seen = new Map<string, string>();
  for (const name of names) {
    if (!isFieldName(name)) return { field: null, fault: `holds ${shownField(name)}, which no field is named` };
    const first = seen.get(foldField(name));
    if (first !== undefined) return { field: name, fault: `may be the same field as ${shownField(first)}` };
    seen.set(foldField(name), name);
  }
  return null;
}

function parse(body: Buffer): { value: unknown; text: string } | string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    const fault = structureFault(text);
    return fault ?? { value: JSON.parse(text, plainNumbers) as unknown, text };
  } catch {
    return 'is no JSON in UTF-8 (RFC 8259)';
  }
}

/** Reads a submission so strictly that every other reader finds the same fields in it. Never throws. */
export function readPolicyBody(body: Buffer, contentType: string): PolicyBody {
  const whole = (fault: string): PolicyBody => ({ field: null, fault });
  if (!JSON_TYPE.test(contentType.trim())) return whole('must have the Content-Type application/json');
  if (body.length > MOST_BYTES) return whole(`is longer than ${MOST_BYTES} bytes`);
  const read = parse(body);
  if (typeof read === 'string') return whole(read);
  const { value, text } = read;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof OddNumber) {
    return whole('is no JSON object');
  }
  const fields = new Map(Object.entries(value));
  return namesFault([...fields.keys()]) ?? { fields, text };
}

/** The body with further fields at its end; every byte of the caller's stays as it was written. */
export function withFields(text: string, added: readonly (readonly [name: string, value: string | number])[]): Buffer {
  const end = text.lastIndexOf('}');
  const head = text.slice(0, end).trimEnd();
  const more = added.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',');
  return Buffer.from(`${head}${head.endsWith('{') ? '' : ','}${more}${text.slice(end)}`);
}
