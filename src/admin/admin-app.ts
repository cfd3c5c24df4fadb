import { type IncomingMessage, type RequestListener, type ServerResponse, STATUS_CODES } from 'node:http';
import { cleanText, type ReportHandle } from '../observe/index.ts';
import type { Readiness, ReadinessSource } from './ports.ts';

/** What the admin listener shows. */
export interface AdminOptions {
  readonly report: Pick<ReportHandle, 'metrics' | 'contentType' | 'log'>;
  readonly readiness: ReadinessSource;
  readonly version: string;
  /** Revision of the source that was built. */
  readonly revision?: string;
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Handler = (query: URLSearchParams, accept: string) => Reply | Promise<Reply>;

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

const text = (status: number, body: string): Reply => ({ status, type: TEXT, body: `${body}\n` });
const json = (status: number, body: unknown): Reply => ({ status, type: JSON_TYPE, body: `${JSON.stringify(body)}\n` });

/** One word for the whole replica. */
function summary(readiness: Readiness): string {
  if (readiness.life !== 'serving') return readiness.life;
  if (!readiness.ready) return 'failed';
  return readiness.degraded ? 'degraded' : 'ok';
}

function readyz(readiness: Readiness, query: URLSearchParams, accept: string): Reply {
  const status = readiness.ready ? 200 : 503;
  const word = summary(readiness);
  const verbose = query.has('verbose');
  const components = readiness.components.map(({ name, state, detail }) => ({
    name: cleanText(name),
    state,
    detail: cleanText(detail),
  }));
  if (accept.includes('application/json')) return json(status, { status: word, ...(verbose ? { components } : {}) });
  const lines = components.map(({ name, state, detail }) => `${state}\t${name}\t${detail}`);
  return text(status, [word, ...(verbose ? lines : [])].join('\n'));
}

function handlers(options: AdminOptions): ReadonlyMap<string, Handler> {
  const { report, readiness, version, revision = 'unknown' } = options;
  const alive: Handler = () => text(200, 'ok');
  return new Map<string, Handler>([
    ['/healthz', alive],
    ['/livez', alive],
    ['/readyz', (query, accept) => readyz(readiness(), query, accept)],
    [
      '/startupz',
      () => {
        const { life } = readiness();
        return life === 'starting' ? text(503, 'starting') : text(200, 'started');
      },
    ],
    ['/metrics', async () => ({ status: 200, type: report.contentType, body: await report.metrics() })],
    ['/version', () => json(200, { name: 'vov-gateway', version, revision, node: process.version })],
  ]);
}

function send(response: ServerResponse, reply: Reply, head: boolean): void {
  const bytes = Buffer.from(reply.body);
  response.writeHead(reply.status, {
    'Content-Type': reply.type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...reply.headers,
  });
  response.end(head ? undefined : bytes);
}

/** Splits an origin-form target; null for any other form. */
function parse(target: string): { readonly path: string; readonly query: URLSearchParams } | null {
  if (!target.startsWith('/')) return null;
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return { path, query: new URLSearchParams(mark < 0 ? '' : target.slice(mark)) };
}

/**
 * The pages of the admin listener: `/healthz` (`/livez`), `/readyz[?verbose]`, `/startupz`, `/metrics`, `/version`.
 * It changes nothing and shows no secret; other methods than GET and HEAD get 405, other paths 404.
 */
export function createAdminApp(options: AdminOptions): RequestListener {
  const pages = handlers(options);
  const answer = async (request: IncomingMessage): Promise<Reply> => {
    const parsed = parse(request.url ?? '');
    const handler = parsed === null ? undefined : pages.get(parsed.path);
    if (parsed === null || handler === undefined)
      return text(404, `nothing here; pages: ${[...pages.keys()].join(' ')}`);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { ...text(405, STATUS_CODES[405] ?? ''), headers: { Allow: 'GET, HEAD' } };
    }
    return handler(parsed.query, request.headers.accept ?? '');
  };
  return (request, response) => {
    // A body is never read here; it must not wait in the socket for the next request.
    request.resume();
    answer(request)
      .catch((error: unknown) => {
        options.report.log.error({ event: 'admin', error }, 'a page of the admin listener failed');
        return text(500, 'the page failed; see the log');
      })
      .then((reply) => send(response, reply, request.method === 'HEAD'));
  };
}
