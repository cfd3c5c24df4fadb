import type { ServerResponse } from 'node:http';
import type { WebAnswer, WebStream } from '../kernel/index.ts';
import type { CookieJar } from './cookies.ts';

/** For what is no page: nothing may run, load or frame it. */
const NO_PAGE_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const pageCsp = (formActions: readonly string[]): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    `form-action ${["'self'", ...formActions].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');

interface Content {
  readonly type: string | null;
  readonly bytes: Buffer;
  readonly csp: string;
  readonly cache: string;
  readonly location?: string;
}

const NO_STORE = 'no-store';
const EMPTY = Buffer.alloc(0);

function contentOf(answer: WebAnswer): Content {
  switch (answer.kind) {
    case 'page': {
      const csp = pageCsp(answer.formActions ?? []);
      return { type: 'text/html; charset=utf-8', bytes: Buffer.from(answer.html), csp, cache: NO_STORE };
    }
    case 'redirect':
      return { type: null, bytes: EMPTY, csp: NO_PAGE_CSP, cache: NO_STORE, location: answer.location };
    case 'json': {
      const bytes = Buffer.from(`${JSON.stringify(answer.body)}\n`);
      return { type: 'application/json', bytes, csp: NO_PAGE_CSP, cache: NO_STORE };
    }
    case 'bytes': {
      const cache = answer.immutable === true ? 'public, max-age=31536000, immutable' : NO_STORE;
      return { type: answer.contentType, bytes: answer.bytes, csp: NO_PAGE_CSP, cache };
    }
    case 'stream':
      // A proxy that kept or gathered it would undo it; nginx is told by a field of its own.
      return { type: answer.contentType, bytes: EMPTY, csp: NO_PAGE_CSP, cache: 'no-store, no-transform' };
    case 'empty':
      return { type: null, bytes: EMPTY, csp: NO_PAGE_CSP, cache: NO_STORE };
  }
}

/** The policy of an API door does not suit an error page. */
function withoutCsp(head: readonly string[]): string[] {
  const at = head.indexOf('Content-Security-Policy');
  return at === -1 ? [...head] : head.toSpliced(at, 2);
}

/** Milliseconds that a caller gets to take the end of a stream. */
const LAST_CHANCE = 3000;

/** Lets a streamed answer be written, and ends it with the connection. */
function openStream(res: ServerResponse, answer: Extract<WebAnswer, { kind: 'stream' }>): void {
  const stream: WebStream = {
    write: (bytes) => void (res.writable && res.write(bytes)),
    get waiting() {
      return res.writableLength;
    },
    end() {
      res.end();
      const cut = setTimeout(() => res.destroy(), LAST_CHANCE);
      res.once('close', () => clearTimeout(cut));
    },
  };
  const opened = answer.open(stream);
  if (res.destroyed) opened[Symbol.dispose]();
  else res.once('close', () => opened[Symbol.dispose]());
}

/** Writes the answer of a page or endpoint with `head` (name, value, …) before its own headers. Gives the bytes of the body. */
export function writeWebAnswer(
  res: ServerResponse,
  head: readonly string[],
  answer: WebAnswer,
  jar: CookieJar,
  headOnly: boolean,
): number {
  const { type, bytes, csp, cache, location } = contentOf(answer);
  const own = answer.headers ?? {};
  const fields = withoutCsp(head);
  if (own['Content-Security-Policy'] === undefined) fields.push('Content-Security-Policy', csp);
  if (own['Cache-Control'] === undefined) fields.push('Cache-Control', cache);
  fields.push(...Object.entries(own).flat());
  for (const cookie of answer.cookies ?? []) fields.push('Set-Cookie', jar.write(cookie));
  if (type !== null) fields.push('Content-Type', type);
  if (location !== undefined) fields.push('Location', location);
  if (answer.kind === 'stream') {
    res.writeHead(answer.status ?? 200, [...fields, 'X-Accel-Buffering', 'no']);
    if (headOnly) res.end();
    else {
      res.flushHeaders();
      openStream(res, answer);
    }
    return 0;
  }
  res.writeHead(answer.status ?? (location === undefined ? 200 : 303), [
    ...fields,
    'Content-Length',
    String(bytes.length),
  ]);
  res.end(headOnly ? undefined : bytes);
  return headOnly ? 0 : bytes.length;
}
