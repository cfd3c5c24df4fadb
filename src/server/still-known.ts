import { checkScope } from '../access/index.ts';
import type { AccountRules } from '../identity/index.ts';
import { GatewayError } from '../kernel/index.ts';
import type { Scope, Step } from './scope.ts';
import { accountOf } from './steps/choose-account.ts';

/** Asks again who a caller is that had to wait. Rejects when it may no longer do what it came for. */
export type StillKnown = (scope: Scope) => Promise<void>;

/** A revoked credential must not act an hour later because its call stood in a line: same person, scope and account, or 401. */
export function createStillKnown(authenticate: Step, rules: () => AccountRules): StillKnown {
  return async (scope) => {
    const { caller, account, route } = scope;
    if (caller === null || account === null || route === null) return;
    await authenticate(scope);
    const now = scope.caller;
    const same = now !== null && now.identity.subject === caller.identity.subject;
    if (!same || accountOf(rules(), now, account.queue).name !== account.name) {
      throw new GatewayError('GW_UNAUTHENTICATED', 'The credential now is another one’s. Nothing was sent.');
    }
    checkScope(now.scopes, route.scope);
  };
}
