import type { UpstreamCall } from './ports.ts';

/**
 * What a header means for sharing. A letter: it decides what a read gets, so two reads that differ in it are not equal.
 * `alone`: the read wants an answer that is its alone. `connection`: alone when it names other headers. Accept-Encoding
 * decides nothing: whatever the caller says, vovserver is asked for `identity`.
 */
const MEANING: ReadonlyMap<string, string> = new Map([
  ['accept', 'a'],
  ['accept-language', 'l'],
  ['content-type', 't'],
  ['prefer', 'p'],
  ['range', 'alone'],
  ['if-none-match', 'alone'],
  ['if-modified-since', 'alone'],
  ['connection', 'connection'],
]);

/** Bounded: meanings by the spelling that callers use, so that one look is enough. */
const spelling = new Map<string, string>();

function meaningOf(name: string): string {
  let meaning = spelling.get(name);
  if (meaning === undefined) {
    meaning = MEANING.get(name.toLowerCase()) ?? '';
    if (spelling.size < 256) spelling.set(name, meaning);
  }
  return meaning;
}

/** A Connection header that names other headers changes what is sent; the usual two do not. */
const isPlainConnection = (value: string): boolean => value === 'keep-alive' || /^(?:keep-alive|close)$/i.test(value);

/** The decisive headers in their order, or null when the read goes alone. */
function fieldsOf(raw: readonly string[]): string | null {
  let fields = '';
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const meaning = meaningOf(raw[at] ?? '');
    if (meaning === '') continue;
    const value = raw[at + 1] ?? '';
    if (meaning.length === 1) fields += `${meaning}${value.length}:${value}`;
    else if (meaning === 'alone' || !isPlainConnection(value)) return null;
  }
  return fields;
}

/**
 * Names what a read asks for: two calls of one key may get the same answer, and only they. Null for a call that goes alone.
 * Every part carries its length, so that no two calls meet by chance. `shared` are the exact targets that are the same for
 * every account; the sign for all accounts is no digit, with which every account begins.
 */
export function shareKeyOf(call: UpstreamCall, shared: readonly string[], epoch: string): string | null {
  if (call.method !== 'GET' || call.body.kind !== 'none') return null;
  const fields = fieldsOf(call.rawHeaders);
  if (fields === null) return null;
  const { queue, account, target } = call;
  const who = shared.includes(target) ? '*' : `${account.length}:${account}`;
  return `${queue.length}:${queue}${epoch.length}:${epoch}${who}${target.length}:${target}${fields}`;
}

/** What of a request vovserver either never sees, sees the same of every caller, or that is part of the key. */
const HARMLESS: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'content-type',
  'cookie',
  'host',
  'origin',
  'prefer',
]);

/** False when an answer depends on something in which equal reads may differ (Vary, RFC 9110 §12.5.5). */
export function isForEqualReads(headers: readonly string[]): boolean {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at] !== 'vary') continue;
    for (const name of (headers[at + 1] ?? '').split(',')) {
      const field = name.trim().toLowerCase();
      if (field !== '' && !HARMLESS.has(field)) return false;
    }
  }
  return true;
}
