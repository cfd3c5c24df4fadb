import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request to one of the identity provider's own pages. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** Without the question mark, as it was received. */
  readonly rawQuery: string;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
}

const BODY_BYTES = 1_048_576;

/** Reads what a request says; a body above 1 MiB is an Error. */
export async function readExchange(request: IncomingMessage, response: ServerResponse): Promise<Exchange> {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const rawQuery = mark === -1 ? '' : target.slice(mark + 1);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > BODY_BYTES) throw new Error('the body is too large');
    chunks.push(chunk as Buffer);
  }
  return {
    request,
    response,
    path: mark === -1 ? target : target.slice(0, mark),
    rawQuery,
    query: new URLSearchParams(rawQuery),
    form: new URLSearchParams(Buffer.concat(chunks).toString()),
  };
}

/** Answers a page. */
export function sendPage(response: ServerResponse, html: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(html);
}

/** Sends the browser on by GET. */
export function sendOn(response: ServerResponse, location: string): void {
  response.writeHead(303, { location, 'cache-control': 'no-store' }).end();
}
