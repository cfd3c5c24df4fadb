import type { Admission } from './ports.ts';

/**
 * The response headers of an admission: `RateLimit-Policy` and `RateLimit` with one list member for each policy
 * (draft-ietf-httpapi-ratelimit-headers-10), `Retry-After` in seconds when denied. Empty when nothing was measured.
 */
export function rateLimitHeaders(admission: Admission): Record<string, string> {
  const headers: Record<string, string> = {};
  let policy = '';
  let state = '';
  for (const { name, quota, windowSeconds, remaining, resetSeconds } of admission.policies) {
    const comma = policy === '' ? '' : ', ';
    policy += `${comma}"${name}";q=${quota};w=${windowSeconds}`;
    state += `${comma}"${name}";r=${remaining};t=${resetSeconds}`;
  }
  if (policy !== '') {
    headers['RateLimit-Policy'] = policy;
    headers.RateLimit = state;
  }
  if (!admission.allowed) headers['Retry-After'] = String(admission.retryAfter);
  return headers;
}
