import { createHash } from 'node:crypto';

type Source = { readonly source?: string };

/** A number as it was written: two numbers that only a double cannot tell apart are two. */
class Written {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function canonical(value: unknown): string {
  if (value instanceof Written) return value.text;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

/** So long and so full a body is read as JSON, which takes some milliseconds; the loop must not wait longer for anyone. */
const LONGEST = 65_536;
const MOST_VALUES = 2048;
/** What stands before every value but the first: , [ { in ASCII. */
const OPENERS = new Set([0x2c, 0x5b, 0x7b]);

/** Whether a body is too long, or may hold too many values, to be looked through. */
function isTooMuch(body: Buffer): boolean {
  if (body.length > LONGEST) return true;
  let values = 1;
  for (const byte of body) if (OPENERS.has(byte)) values += 1;
  return values > MOST_VALUES;
}

function canonicalJson(body: Buffer): string | null {
  if (isTooMuch(body)) return null;
  try {
    const keepNumbers = (_: string, value: unknown, context?: Source): unknown => {
      const source = context?.source;
      return typeof value === 'number' && source !== undefined ? new Written(source) : value;
    };
    return canonical(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body), keepNumbers));
  } catch {
    // No JSON, or nested deeper than the stack.
    return null;
  }
}

/**
 * SHA-256 of a submission: its query and its body, where white space and the order of members of JSON do not count. They do
 * in a body beyond 64 KiB or some thousand values: there the bytes themselves count, as in one that is no JSON.
 */
export function fingerprintOf(query: string, body: Buffer): string {
  const json = canonicalJson(body);
  const hash = createHash('sha256').update(JSON.stringify([query, json === null ? 'bytes' : 'json']));
  return hash.update(json ?? body).digest('base64url');
}
