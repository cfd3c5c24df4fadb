import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { answerField, namesTag } from './micro-cache-rules.ts';
import type { ForwardResult, UpstreamCall, WholeAnswer } from './ports.ts';
import { writeAnswer } from './write-answer.ts';

/** An answer with the entity tag that it goes out with; `etag` is empty for what has none. */
export interface Tagged {
  readonly answer: WholeAnswer;
  readonly etag: string;
}

/** What makes a representation beside its bytes. */
const REPRESENTATION = ['content-type', 'content-encoding', 'content-language'] as const;

/** What a 304 repeats of the 200 (RFC 9110 §15.4.5). */
const IN_304: ReadonlySet<string> = new Set(['cache-control', 'date', 'etag', 'expires', 'vary']);

/**
 * Gives a good answer a strong entity tag (RFC 9110 §8.8.3) unless vovserver gave one, and the date at which it came
 * unless it has one (§6.6.1). `now` in milliseconds since the epoch.
 */
export function tagAnswer(answer: WholeAnswer, now: number): Tagged {
  if (answer.status !== 200) return { answer, etag: '' };
  const { body } = answer;
  const headers = [...answer.headers];
  let etag = answerField(headers, 'etag');
  if (etag === undefined) {
    const hash = createHash('sha256');
    for (const name of REPRESENTATION) hash.update(`${answerField(headers, name) ?? ''}\n`);
    etag = `"${hash.update(body).digest('base64url').slice(0, 27)}"`;
    headers.push('etag', etag);
  }
  if (answerField(headers, 'date') === undefined) headers.push('date', new Date(now).toUTCString());
  return { answer: { ...answer, headers }, etag };
}

/**
 * Writes an answer with how it came (Cache-Status, RFC 9211) and its age (RFC 9111 §5.1; null for one from vovserver), or 304
 * when the caller has it already. Throws as `writeAnswer`.
 */
export function writeTagged(
  call: UpstreamCall,
  { answer, etag }: Tagged,
  response: ServerResponse,
  how: { readonly status: string; readonly age: number | null; readonly condition: string | null },
): ForwardResult {
  const own = ['cache-status', `vovgw; ${how.status}`];
  if (how.age !== null) own.push('age', String(how.age));
  const head = (call.head ?? []).concat(own);
  const has = etag !== '' && how.condition !== null && namesTag(how.condition, etag);
  if (!has) return writeAnswer({ ...call, head }, answer, response);
  const headers = answer.headers.filter((_, at, all) => IN_304.has(all[at - (at % 2)] ?? ''));
  return writeAnswer({ ...call, head }, { ...answer, status: 304, headers }, response);
}
