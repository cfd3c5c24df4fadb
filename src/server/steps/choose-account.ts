import type { AccountRules } from '../../identity/index.ts';
import { GatewayError } from '../../kernel/index.ts';
import type { Step } from '../scope.ts';

/** Maps the caller to its vovserver account on this queue. */
export function createChooseAccount(rules: () => AccountRules): Step {
  return (scope) => {
    if (scope.caller === null || scope.queue === null) return;
    const { queue } = scope.caller;
    if (queue !== null && queue !== scope.queue) {
      throw new GatewayError(
        'GW_NO_ACCOUNT',
        `This token was given for a password of the queue ${queue} and holds only there; sign in on the queue ${scope.queue}.`,
      );
    }
    const decision = rules().accountFor(scope.caller.identity, scope.queue);
    if (decision.kind === 'none') {
      throw new GatewayError('GW_NO_ACCOUNT', `You have no vovserver account on the queue ${scope.queue}.`, {
        internal: decision.reason,
      });
    }
    scope.account = decision.account;
  };
}
