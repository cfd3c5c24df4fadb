import { GatewayError } from '../kernel/index.ts';

/** A request target that passed: the path decoded once, and the query exactly as it was received (without `?`). */
export interface CheckedTarget {
  readonly path: string;
  readonly query: string;
}

const PLAIN = 0;
const DOT = 1;
const PERCENT = 2;
const REFUSED = 3;

const PATH_KIND = new Uint8Array(128);
PATH_KIND.fill(REFUSED, 0, 0x21);
PATH_KIND[0x7f] = REFUSED;
for (const character of '\\;#') PATH_KIND[character.charCodeAt(0)] = REFUSED;
PATH_KIND['.'.charCodeAt(0)] = DOT;
PATH_KIND['%'.charCodeAt(0)] = PERCENT;

const SLASH = 0x2f;
const QUESTION = 0x3f;

// A segment that is only dots, also with spaces that a lenient reader would trim.
const DOT_SEGMENT = /\/([. ]*\.[. ]*)(?=\/|$)/;
const ESCAPE = /%([0-9a-fA-F]{2})?/g;
// Printable ASCII without the characters that change what a path means: / \ . ; ? # and the percent sign itself.
const HARMLESS_ESCAPE = /^[\x20-\x7e]$/;
const MEANINGFUL = '/\\.;?#%';
const QUERY_REFUSED = /[^\x21-\x7e]|#/;

/**
 * Checks a request target in origin-form (RFC 9112, section 3.2.1) and decodes its path once. Whatever two programs
 * could read differently is refused: GW_BAD_PATH names the sequence, GW_URI_TOO_LONG the limit. What passes holds no
 * percent sign after decoding, so a further decoding changes nothing.
 */
export function checkTarget(target: string, limits: { readonly urlBytes: number }): CheckedTarget {
  if (target.length > limits.urlBytes) {
    throw new GatewayError('GW_URI_TOO_LONG', `The request target exceeds ${limits.urlBytes} bytes.`);
  }
  if (target.charCodeAt(0) !== SLASH) throw notOriginForm(target);
  const { end, dots, escapes } = scanPath(target);
  const raw = end === target.length ? target : target.slice(0, end);
  const path = escapes ? decodeOnce(raw) : raw;
  if (dots) refuseDotSegments(path);
  return { path, query: end === target.length ? '' : checkQuery(target, end + 1) };
}

function scanPath(target: string): { end: number; dots: boolean; escapes: boolean } {
  let dots = false;
  let escapes = false;
  let previous = 0;
  let at = 0;
  for (; at < target.length; at++) {
    const code = target.charCodeAt(at);
    if (code === QUESTION) break;
    if (code === SLASH && previous === SLASH) throw badPath('//', at - 1);
    const kind = code < 128 ? PATH_KIND[code] : REFUSED;
    if (kind !== PLAIN) {
      if (kind === DOT) dots = true;
      else if (kind === PERCENT) escapes = true;
      else throw badPath(nameOf(code), at);
    }
    previous = code;
  }
  return { end: at, dots, escapes };
}

function decodeOnce(raw: string): string {
  return raw.replace(ESCAPE, (sequence, hex: string | undefined, at: number) => {
    if (hex === undefined) throw badPath(raw.slice(at, at + 3), at);
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    if (!HARMLESS_ESCAPE.test(character) || MEANINGFUL.includes(character)) throw badPath(sequence, at);
    return character;
  });
}

function refuseDotSegments(path: string): void {
  const found = DOT_SEGMENT.exec(path);
  if (found !== null) throw badPath(found[1] ?? '.', found.index + 1);
}

function checkQuery(target: string, start: number): string {
  const query = target.slice(start);
  const found = QUERY_REFUSED.exec(query);
  if (found === null) return query;
  const sequence = nameOf(query.charCodeAt(found.index));
  throw new GatewayError(
    'GW_BAD_PATH',
    `The query holds ${quoted(sequence)} at position ${start + found.index}; write it percent-encoded.`,
  );
}

function notOriginForm(target: string): GatewayError {
  const form =
    target === '' ? 'empty' : target === '*' ? 'in asterisk-form' : target.includes('://') ? 'in absolute-form' : null;
  const what = form ?? (target.includes('/') ? 'without a leading /' : 'in authority-form');
  return new GatewayError(
    'GW_BAD_PATH',
    `The request target ${quoted(cut(target))} is ${what}; it must begin with "/".`,
  );
}

function badPath(sequence: string, at: number): GatewayError {
  return new GatewayError('GW_BAD_PATH', `The path holds ${quoted(sequence)} at position ${at}, which is refused.`);
}

function nameOf(code: number): string {
  if (code > 0x20 && code < 0x7f) return String.fromCharCode(code);
  return `\\x${code.toString(16).padStart(2, '0')}`;
}

function quoted(sequence: string): string {
  return `"${sequence}"`;
}

function cut(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > 60 ? `${plain.slice(0, 60)}…` : plain;
}
