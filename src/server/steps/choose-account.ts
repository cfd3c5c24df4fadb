import type { Caller } from '../../auth/index.ts';
import type { AccountRules } from '../../identity/index.ts';
import { type Account, GatewayError } from '../../kernel/index.ts';
import type { Step } from '../scope.ts';

/** The vovserver account of a caller on a queue. Throws GW_NO_ACCOUNT. */
export function accountOf(rules: AccountRules, caller: Caller, queue: string): Account {
  if (caller.queue !== null && caller.queue !== queue) {
    throw new GatewayError(
      'GW_NO_ACCOUNT',
      `This token was given for a password of the queue ${caller.queue} and holds only there; sign in on the queue ${queue}.`,
    );
  }
  const decision = rules.accountFor(caller.identity, queue);
  if (decision.kind === 'none') {
    throw new GatewayError('GW_NO_ACCOUNT', `You have no vovserver account on the queue ${queue}.`, {
      internal: decision.reason,
    });
  }
  return decision.account;
}

/** Maps the caller to its vovserver account on this queue. */
export function createChooseAccount(rules: () => AccountRules): Step {
  return (scope) => {
    if (scope.caller === null || scope.queue === null) return;
    scope.account = accountOf(rules(), scope.caller, scope.queue);
  };
}
