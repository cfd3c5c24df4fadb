import { UpstreamFailure } from './failure.ts';

/** An answer on its way down: what vovserver sent, and the header list (name, value, …) that the caller will get. */
export interface AnswerDraft {
  readonly method: string;
  /** Path and query of the request. */
  readonly target: string;
  /** Scheme, host and port of the server that answered. */
  readonly origin: string;
  readonly status: number;
  /** As received, names in lower case; a list when a name came more than once. */
  readonly received: Readonly<Record<string, string | string[] | undefined>>;
  readonly headers: string[];
}

/** One step that every answer passes; throws UpstreamFailure of kind `invalid` to refuse it. */
export type ResponsePass = (draft: AnswerDraft) => void;

const ALLOWED: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'content-language',
  'cache-control',
  'etag',
  'last-modified',
  'expires',
  'vary',
  'date',
  'retry-after',
  'allow',
]);

const refuse = (reason: string): never => {
  throw new UpstreamFailure('invalid', reason);
};

/** Refuses a status that is no final status of HTTP: RFC 9110 §15; 099 kills http-proxy-middleware. */
export function refuseOddStatus({ status }: AnswerDraft): void {
  if (status < 200 || status > 599) refuse(`status ${status} is no final status`);
}

/** Refuses several or odd lengths, and a length beside a transfer coding (RFC 9112 §6.3; CVE-2026-1525). */
export function refuseAmbiguousLength({ received }: AnswerDraft): void {
  const length = received['content-length'];
  if (length === undefined) return;
  if (typeof length !== 'string' || !/^\d{1,15}$/.test(length)) refuse('more than one or no numeric Content-Length');
  if (received['transfer-encoding'] !== undefined) refuse('Content-Length beside Transfer-Encoding');
}

/**
 * Keeps what describes the answer and nothing else. An allow-list: Set-Cookie, Server, X-Powered-By,
 * WWW-Authenticate, CORS and hop-by-hop fields (RFC 9110 §7.6.1) stay behind without being named.
 */
export function keepAllowed({ received, headers }: AnswerDraft): void {
  for (const name in received) {
    if (!ALLOWED.has(name)) continue;
    const value = received[name];
    if (value !== undefined) headers.push(name, typeof value === 'string' ? value : value.join(', '));
  }
}

/** Passes the length on where a body, or a HEAD answer, has one; 204 and 304 have none (RFC 9110 §8.6). */
export function keepLength({ received, status, headers }: AnswerDraft): void {
  const length = received['content-length'];
  if (typeof length === 'string' && status !== 204 && status !== 304) headers.push('content-length', length);
}

/**
 * Lets a redirect pass only when it stays on the server, as a path; a redirect to another host is refused, because the
 * caller would take his token there (CWE-601). `//host` in a path would leave the host again.
 */
export function keepRedirectHere({ received, status, origin, target, headers }: AnswerDraft): void {
  const location = received.location;
  if (location === undefined || status < 300 || status === 304 || status > 399) return;
  if (typeof location !== 'string') {
    refuse('more than one Location');
    return;
  }
  if (!URL.canParse(location, origin + target)) {
    refuse('Location is no URL');
    return;
  }
  const url = new URL(location, origin + target);
  if (url.origin !== origin || url.username !== '' || url.password !== '' || url.pathname.startsWith('//')) {
    refuse('redirect to another host');
  }
  headers.push('location', url.pathname + url.search + url.hash);
}

/** The passes in their order. */
export const responsePasses: readonly ResponsePass[] = [
  refuseOddStatus,
  refuseAmbiguousLength,
  keepAllowed,
  keepLength,
  keepRedirectHere,
];

/** Runs all passes and gives the header list for the caller. Throws UpstreamFailure. */
export function passResponse(draft: AnswerDraft): string[] {
  for (const pass of responsePasses) pass(draft);
  return draft.headers;
}
