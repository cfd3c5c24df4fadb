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
 * Refuses every redirect: a program would take its token elsewhere (CWE-601), and a script of vovserver's own page would be
 * led out of what its policy lets it call, since browsers compare only the host after a redirect (CSP3, 6.7.2.8).
 */
export function refuseRedirect({ received, status }: AnswerDraft): void {
  if (status < 300 || status > 399 || status === 304) return;
  const { location } = received;
  refuse(typeof location === 'string' ? `a redirect (status ${status})` : `status ${status}`);
}

/** What a browser would run or render; under /api/ nothing is a page. */
const ACTIVE = /^\s*(?:text\/html|application\/xhtml\+xml|image\/svg\+xml|(?:text|application)\/xml)\b/i;

/** An HTML page of vovserver (some errors are one) goes to the caller as the text that it is; the body stays unchanged. */
export function neutralType({ headers }: AnswerDraft): void {
  for (let at = 0; at < headers.length; at += 2) {
    const value = headers[at + 1] ?? '';
    if (headers[at] !== 'content-type' || !ACTIVE.test(value)) continue;
    const charset = /;\s*charset=[\w"-]+/i.exec(value)?.[0] ?? '';
    headers[at + 1] = `text/plain${charset}`;
  }
}

/** The passes in their order. */
export const responsePasses: readonly ResponsePass[] = [
  refuseOddStatus,
  refuseAmbiguousLength,
  keepAllowed,
  keepLength,
  refuseRedirect,
  neutralType,
];

/** Runs all passes and gives the header list for the caller. Throws UpstreamFailure. */
export function passResponse(draft: AnswerDraft): string[] {
  for (const pass of responsePasses) pass(draft);
  return draft.headers;
}
