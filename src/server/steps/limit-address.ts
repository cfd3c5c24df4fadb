import { GatewayError } from '../../kernel/index.ts';
import { type Admission, type Limiter, rateLimitHeaders } from '../../limits/index.ts';
import type { Scope, Step } from '../scope.ts';

/** Writes the RateLimit fields of an admission, and throws 429 when it was refused. */
export function applyAdmission(scope: Scope, admission: Admission, whose: string): void {
  if (admission.allowed && whose === 'address') return;
  const headers = rateLimitHeaders(admission);
  for (const name in headers) if (name !== 'Retry-After') scope.head.push(name, headers[name] ?? '');
  if (admission.allowed) return;
  throw new GatewayError(
    'GW_RATE_LIMITED',
    `The rate limit of this ${whose} is reached; retry in ${admission.retryAfter} s.`,
    { retryAfter: admission.retryAfter },
  );
}

/** Refuses an address above its limit before anything else is looked at. Its state is shown only on refusal. */
export function createLimitAddress(limiter: Limiter): Step {
  return (scope) => {
    const admission = limiter.admitAddress(scope.meta.address);
    if (admission instanceof Promise) return admission.then((a) => applyAdmission(scope, a, 'address'));
    return applyAdmission(scope, admission, 'address');
  };
}
