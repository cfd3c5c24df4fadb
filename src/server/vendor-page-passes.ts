import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../kernel/index.ts';

/** The largest page or asset of the documentation; a bundle of Swagger UI has 2 MiB. */
export const LARGEST_BYTES = 16 * 1024 * 1024;

/** What documentation is made of: by extension, the type for an answer that names none. */
const TYPE_OF: Readonly<Record<string, string>> = {
  html: 'text/html',
  htm: 'text/html',
  css: 'text/css',
  js: 'text/javascript',
  mjs: 'text/javascript',
  json: 'application/json',
  map: 'application/json',
  yaml: 'application/yaml',
  yml: 'application/yaml',
  txt: 'text/plain',
  svg: 'image/svg+xml',
  png: 'image/png',
  gif: 'image/gif',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  ico: 'image/x-icon',
  woff: 'font/woff',
  woff2: 'font/woff2',
};

const TYPES: ReadonlySet<string> = new Set([
  ...Object.values(TYPE_OF),
  'application/javascript',
  'application/x-javascript',
  'application/font-woff',
  'application/x-yaml',
  'image/vnd.microsoft.icon',
]);

// Another character set could turn harmless bytes into markup.
const CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'iso-8859-1', 'us-ascii']);
const CODINGS: ReadonlySet<string> = new Set(['gzip', 'deflate', 'br', 'zstd', 'identity']);

const REQUEST_HEADERS = [
  'accept',
  'accept-encoding',
  'accept-language',
  'if-none-match',
  'if-modified-since',
  'user-agent',
] as const;

const PAGE = /^\/html\/[\w.~@+/-]{1,256}$/;
const QUERY = /^(\?[\w.~@+/=&%,:-]{0,256})?$/;
const HOST = /^([\w.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(:\d{1,5})?$/;

/** For an answer of vovserver that is no documentation. */
export const invalid = (detail: string): GatewayError => new GatewayError('GW_UPSTREAM_INVALID', detail);

/** The target that goes to vovserver: a static file under /html/. Throws GatewayError for anything else. */
export function checkPage(method: string | undefined, target: string): { path: string; extension: string } {
  if (method !== 'GET' && method !== 'HEAD') {
    const headers = { Allow: 'GET, HEAD' };
    throw new GatewayError('GW_METHOD_NOT_ALLOWED', 'The vendor’s pages can only be read.', { headers });
  }
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const extension = /\.([a-z0-9]{1,5})$/.exec(path)?.[1] ?? '';
  const known = PAGE.test(path) && Object.hasOwn(TYPE_OF, extension);
  if (!known || path.includes('//') || /\/\.\.?(\/|$)/.test(path)) {
    throw new GatewayError('GW_NOT_FOUND', 'No page of the vendor’s documentation has this path.');
  }
  if (!QUERY.test(mark === -1 ? '' : target.slice(mark))) {
    throw new GatewayError('GW_BAD_REQUEST', 'The query is longer or odder than a page of documentation needs.');
  }
  return { path, extension };
}

/** What of the caller's headers travels: never a cookie or credential, nothing that speaks of the connection. */
export function pageRequestHeaders(headers: IncomingMessage['headers']): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of REQUEST_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string' && value.length <= 1024) kept[name] = value;
  }
  return kept;
}

/**
 * The content security policy of the vendor's pages. Their scripts are vovserver's, not ours, and run under our origin
 * with the session of whoever opened them: so they may call vovserver's API through the gateway and load more of the
 * documentation, and reach nothing else of the gateway: no page, no form, no frame, no worker. The sandbox forbids them
 * to open windows, since a window of the same origin could be read.
 */
export function pagePolicy(hosts: readonly string[]): string {
  const sources = (path: string): string => hosts.map((host) => `${host}${path}`).join(' ');
  const html = sources('/html/');
  return [
    "default-src 'none'",
    `script-src ${html} 'unsafe-inline'`,
    `style-src ${html} 'unsafe-inline'`,
    `img-src ${html} data:`,
    `font-src ${html} data:`,
    `connect-src ${sources('/api/v3/')} ${html}`,
    "worker-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    'sandbox allow-scripts allow-same-origin allow-forms allow-modals allow-downloads',
  ].join('; ');
}

/** Hosts that the browser may know this gateway by; without a scheme a source means that of the page. */
export function hostsOf(req: IncomingMessage, publicUrl: string | undefined): string[] {
  const { host = '' } = req.headers;
  const hosts = new Set(HOST.test(host) ? [host.toLowerCase()] : []);
  if (publicUrl !== undefined) hosts.add(new URL(publicUrl).host);
  if (hosts.size === 0) throw new GatewayError('GW_BAD_REQUEST', 'The Host header is no host name.');
  return [...hosts];
}

function contentType(given: string | undefined, extension: string): string {
  const [name = '', ...parameters] = (given ?? TYPE_OF[extension] ?? '').split(';').map((part) => part.trim());
  const type = name.toLowerCase();
  if (!TYPES.has(type)) throw invalid('vovserver sent something else than a page, style, script, image or font.');
  const charset = parameters.map((part) => /^charset="?([\w-]+)"?$/i.exec(part)?.[1]).find((found) => found);
  if (charset !== undefined && !CHARSETS.has(charset.toLowerCase())) {
    throw invalid('vovserver sent a page in a character set that is not accepted.');
  }
  return type.startsWith('text/') ? `${type}; charset=${(charset ?? 'utf-8').toLowerCase()}` : type;
}

/** Only for signed-in people, so no shared cache may keep it; for an hour at most, so that an upgrade shows. */
function cacheControl(given = ''): string {
  if (/\bno-store\b/i.test(given)) return 'private, no-store';
  const seconds = Number(/\bmax-age=(\d{1,9})\b/i.exec(given)?.[1] ?? 0);
  return seconds === 0 ? 'private, no-cache' : `private, max-age=${Math.min(seconds, 3600)}`;
}

/** The same documentation at another path; any other place would take people away from the gateway. */
function redirectTo(location: string | undefined, origin: string, path: string): string {
  const url = location === undefined ? null : URL.parse(location, `${origin}${path}`);
  const target = url === null ? '' : `${url.pathname}${url.search}`;
  if (url?.origin !== origin || url.username !== '' || url.password !== '') {
    throw invalid('vovserver redirects from its documentation to another place.');
  }
  checkPage('GET', target);
  return target;
}

function refuseStatus(status: number): GatewayError {
  if (status === 404 || status === 410) {
    return new GatewayError('GW_NOT_FOUND', 'vovserver has no documentation at this path.');
  }
  if (status === 401 || status === 403) {
    return invalid('vovserver wants a sign-in of its own for this page, and the gateway gives no credential here.');
  }
  if (status >= 500 && status <= 599) {
    const detail = `vovserver answered with status ${status} instead of its documentation.`;
    return new GatewayError('GW_UPSTREAM_DOWN', detail, { retryAfter: 5 });
  }
  return invalid(`vovserver answered with the unexpected status ${status}.`);
}

/** Decides what of vovserver's answer the caller gets. Throws GatewayError for what is no documentation. */
export function judgePage(
  { statusCode: status = 0, headers }: Pick<IncomingMessage, 'statusCode' | 'headers'>,
  at: { readonly origin: string; readonly path: string; readonly extension: string },
): { readonly status: number; readonly fields: readonly string[]; readonly body: boolean } {
  const fields = ['Cache-Control', cacheControl(headers['cache-control']), 'Vary', 'Accept-Encoding, Cookie'];
  if ([301, 302, 303, 307, 308].includes(status)) {
    const location = redirectTo(headers.location, at.origin, at.path);
    return { status: 302, fields: [...fields, 'Location', location, 'Content-Length', '0'], body: false };
  }
  if (status !== 200 && status !== 304) throw refuseStatus(status);
  const { etag = '', 'last-modified': modified = '' } = headers;
  if (/^(W\/)?"[\x21\x23-\x7e]{0,256}"$/.test(etag)) fields.push('ETag', etag);
  if (/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(modified)) {
    fields.push('Last-Modified', modified);
  }
  if (status === 304) return { status, fields, body: false };
  fields.push('Content-Type', contentType(headers['content-type'], at.extension));
  const coding = headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (!CODINGS.has(coding)) throw invalid('vovserver compressed its documentation in a way that is not accepted.');
  if (coding !== 'identity') fields.push('Content-Encoding', coding);
  const length = headers['content-length'];
  if (length === undefined) return { status, fields, body: true };
  if (!/^\d{1,15}$/.test(length) || Number(length) > LARGEST_BYTES) {
    throw invalid(`vovserver sent a page of more than ${LARGEST_BYTES} bytes.`);
  }
  return { status, fields: [...fields, 'Content-Length', length], body: true };
}
