import type { UpstreamCall, WholeAnswer } from './ports.ts';

/** What a caller says about stored answers (RFC 9111 §5.2.1) and about what it has itself (RFC 9110 §13.1.2). */
export interface ReadWish {
  /** No stored answer may be used. */
  readonly fresh: boolean;
  /** Nothing of it may be stored. */
  readonly noStore: boolean;
  /** Greatest age and least rest of life of an answer, seconds. */
  readonly maxAge: number;
  readonly minFresh: number;
  /** The value of If-None-Match; null without it. */
  readonly condition: string | null;
}

const NO_WISH: ReadWish = {
  fresh: false,
  noStore: false,
  maxAge: Number.POSITIVE_INFINITY,
  minFresh: 0,
  condition: null,
};

/** All lines of a field of raw headers as one list, or null. */
function fieldOf(headers: readonly string[], name: string): string | null {
  let joined: string | null = null;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const field = headers[at] ?? '';
    if (field.length !== name.length || field.toLowerCase() !== name) continue;
    joined = joined === null ? (headers[at + 1] ?? '') : `${joined}, ${headers[at + 1]}`;
  }
  return joined;
}

/** A directive with its argument, bare or quoted; quoted commas are no separators. */
const DIRECTIVE = /([\w!#$%&'*+.^`|~-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/g;

/** The directives of a Cache-Control field by lower-case name; the argument is an empty string where there is none. */
function directivesOf(value: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', quoted, bare] of value.matchAll(DIRECTIVE)) {
    const key = name.toLowerCase();
    // The first of equal ones counts (RFC 9111 §4.2.1).
    if (!found.has(key)) found.set(key, quoted ?? bare ?? '');
  }
  return found;
}

/** Delta-seconds (RFC 9111 §1.2.2); NaN when it is none. */
const secondsOf = (text: string | undefined): number => (/^\d+$/.test(text ?? '') ? Number(text) : Number.NaN);

/** Reads what the caller wishes. A number that is none is read in the most careful way. */
export function readWish(rawHeaders: readonly string[]): ReadWish {
  const control = fieldOf(rawHeaders, 'cache-control');
  const condition = fieldOf(rawHeaders, 'if-none-match');
  if (control === null) {
    const pragma = fieldOf(rawHeaders, 'pragma');
    const fresh = pragma !== null && /\bno-cache\b/i.test(pragma);
    return condition === null && !fresh ? NO_WISH : { ...NO_WISH, fresh, condition };
  }
  const directives = directivesOf(control);
  const maxAge = secondsOf(directives.get('max-age') ?? '0');
  const minFresh = secondsOf(directives.get('min-fresh') ?? '0');
  return {
    fresh: directives.has('no-cache') || (directives.has('max-age') && !(maxAge > 0)),
    noStore: directives.has('no-store'),
    maxAge: directives.has('max-age') ? maxAge : Number.POSITIVE_INFINITY,
    minFresh: Number.isNaN(minFresh) ? Number.POSITIVE_INFINITY : minFresh,
    condition,
  };
}

const CONDITION = /^if-(?:none-match|modified-since)$/i;

/** The call without what the gateway compares itself; If-None-Match makes If-Modified-Since void (RFC 9110 §13.1.3). */
export function withoutCondition(call: UpstreamCall): UpstreamCall {
  const rawHeaders = call.rawHeaders.filter((_, at, all) => !CONDITION.test(all[at - (at % 2)] ?? ''));
  return { ...call, rawHeaders };
}

const OPAQUE = /"[^"]*"/g;

/** Whether If-None-Match names the tag, by weak comparison (RFC 9110 §8.8.3.2, §13.1.2); `*` names every tag. */
export function namesTag(condition: string, etag: string): boolean {
  if (condition.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return condition.match(OPAQUE)?.includes(opaque) ?? false;
}

/** A field of an answer, whose names are in lower case. */
export function answerField(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at + 1 < headers.length; at += 2) if (headers[at] === name) return headers[at + 1];
  return undefined;
}

/**
 * Milliseconds for which an answer may be used again, at most `life`: what vovserver itself says goes first (RFC 9111 §3,
 * §4.2.1). 0: not at all. `common` is true when it would be used for other accounts, too.
 */
export function storableLife({ status, headers }: WholeAnswer, life: number, common: boolean): number {
  if (status !== 200) return 0;
  const control = directivesOf(answerField(headers, 'cache-control') ?? '');
  if (control.has('no-store') || control.has('no-cache') || (common && control.has('private'))) return 0;
  const named = (common ? control.get('s-maxage') : undefined) ?? control.get('max-age');
  if (named !== undefined) return Math.min(life, (secondsOf(named) || 0) * 1000);
  const expires = answerField(headers, 'expires');
  if (expires === undefined) return life;
  // An odd date is one in the past (RFC 9111 §5.3).
  const left = Date.parse(expires) - Date.parse(answerField(headers, 'date') ?? '');
  return Number.isNaN(left) ? 0 : Math.max(0, Math.min(life, left));
}
