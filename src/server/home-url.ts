import type { Config } from '../config/index.ts';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const hostName = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();

/**
 * Where a page must be opened instead, or null when it is right here: people sign in under `server.publicUrl` only, since
 * cookies belong to one host. Only names that are known to lead here are sent on: behind a proxy that rewrites Host any
 * other rule could go in circles.
 */
export function homeUrl({ server, queues }: Config, host: string | undefined, target: string): string | null {
  if (server.publicUrl === undefined || host === undefined) return null;
  const home = new URL(server.publicUrl);
  const name = hostName(host);
  if (name === home.hostname) return null;
  const known = queues.some(({ hosts }) => hosts.includes(name));
  const alias = LOOPBACK.test(name) && LOOPBACK.test(home.hostname);
  return known || alias ? `${home.origin}${target}` : null;
}
