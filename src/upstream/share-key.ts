import type { UpstreamCall } from './ports.ts';
import { lowerCase } from './request-passes.ts';

/** Headers that decide what a read gets; two reads that differ in one are not equal. */
const DECISIVE: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'accept-language', 'prefer']);
/** Reads with one of these want an answer that is theirs alone. */
const ALONE: ReadonlySet<string> = new Set(['range', 'if-none-match', 'if-modified-since']);

const counted = (text: string): string => `${text.length}:${text}`;

/** A Connection header that names other headers changes what is sent; the usual two do not. */
const isPlainConnection = (value: string): boolean => /^(?:keep-alive|close)$/i.test(value);

/** The decisive headers in their order, or null when the read goes alone. */
function fieldsOf(raw: readonly string[]): string | null {
  let fields = '';
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = lowerCase(raw[at] ?? '');
    if (DECISIVE.has(name)) fields += counted(name) + counted(raw[at + 1] ?? '');
    else if (ALONE.has(name) || (name === 'connection' && !isPlainConnection(raw[at + 1] ?? ''))) return null;
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
  const who = shared.includes(call.target) ? '*' : counted(call.account);
  return counted(call.queue) + counted(epoch) + who + counted(call.target) + fields;
}
