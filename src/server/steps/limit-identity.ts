import type { Limiter } from '../../limits/index.ts';
import type { Step } from '../scope.ts';
import { applyAdmission } from './limit-address.ts';

/** Takes the call from the limits of its identity and class, and shows their state in the RateLimit fields. */
export function createLimitIdentity(limiter: Limiter): Step {
  return (scope) => {
    if (scope.caller === null) return;
    // A page of the vendor counts as a single read.
    const admission = limiter.admitIdentity(scope.caller.identity, scope.route?.class ?? 'read');
    if (admission instanceof Promise) return admission.then((a) => applyAdmission(scope, a, 'identity'));
    return applyAdmission(scope, admission, 'identity');
  };
}
