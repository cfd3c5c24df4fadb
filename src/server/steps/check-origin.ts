import { GatewayError } from '../../kernel/index.ts';
import type { Scope, Step } from '../scope.ts';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What a request says of where it came from (Fetch Metadata, RFC 6454): the gateway's own pages, elsewhere, or nothing. */
export function originOf({ req }: Scope, secure: boolean): 'own' | 'other' | 'unknown' {
  const { origin, host, 'sec-fetch-site': site } = req.headers;
  // `none`: the person typed the address or took a bookmark.
  if (typeof site === 'string' && site !== 'none') return site === 'same-origin' ? 'own' : 'other';
  if (origin === undefined) return 'unknown';
  if (!URL.canParse(origin)) return 'other';
  const url = new URL(origin);
  const scheme = secure ? url.protocol === 'https:' : true;
  return scheme && url.host === host?.toLowerCase() ? 'own' : 'other';
}

/** True when a call with the session cookie may be believed to be meant by its owner. */
export function isOwnCall(scope: Scope, secure: boolean): boolean {
  const from = originOf(scope, secure);
  // A safe call that says nothing is a typed address or an old program; one from another site must not read with this cookie.
  return from === 'own' || (from === 'unknown' && SAFE.has(scope.meta.method));
}

/** Refuses state-changing calls to pages that do not come from the gateway's own pages (cross-site request forgery). */
export function createCheckOrigin(secure: boolean): Step {
  return (scope) => {
    const needs = scope.web?.route.needs;
    if (SAFE.has(scope.meta.method) || (needs !== 'session' && needs !== 'maybe')) return;
    if (originOf(scope, secure) === 'own') return;
    throw new GatewayError('GW_CROSS_SITE', 'This call must come from a page of the gateway itself.', {
      internal: `origin ${scope.req.headers.origin ?? 'none'}, site ${String(scope.req.headers['sec-fetch-site'] ?? 'unknown')}`,
    });
  };
}
