import type { ServerResponse } from 'node:http';
import type { Reply } from './reply.ts';

/** Puts a reply on the wire. `close` ends the connection after it. */
export function send(response: ServerResponse, reply: Reply, close: boolean): void {
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  const headers: Record<string, string | number> = { 'Content-Type': reply.contentType, 'Content-Length': body.length };
  if (close) headers.Connection = 'close';
  response.writeHead(reply.status, reply.headers === undefined ? headers : { ...headers, ...reply.headers });
  response.end(body);
}
