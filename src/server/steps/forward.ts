import type { Broker } from '../../tokens/index.ts';
import type { Carrier } from '../../upstream/index.ts';
import type { Step } from '../scope.ts';
import { upstreamCall } from '../upstream-call.ts';

/** Carries the call to vovserver as its account and streams the answer. The last step: nothing touches headers after it. */
export function createForward(carrier: Carrier, broker: Broker): Step {
  return (scope) => {
    const call = upstreamCall(scope);
    if (call === null || scope.account === null || scope.result !== null) return;
    return carrier.forward(call, broker.credentialFor(scope.account), scope.res).then((result) => {
      scope.result = result;
    });
  };
}
