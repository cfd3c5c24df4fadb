import { isIP } from 'node:net';
import { UsageError } from './verb.ts';

function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname === '[::1]') return true;
  return isIP(hostname) === 4 && hostname.startsWith('127.');
}

/** Scheme, host and port of a gateway's URL; throws UsageError for what cannot be one. `source` says where it came from. */
export function readGatewayUrl(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new UsageError(`${source} is no URL; write https://host:port`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(`${source} holds a user name or password; leave it out, the browser asks for it`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new UsageError(`${source} would send the token in clear; write https://${url.host}`);
  }
  return url.origin;
}
