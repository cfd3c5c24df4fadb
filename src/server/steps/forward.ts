import type { Broker } from '../../tokens/index.ts';
import type { Upstream } from '../../upstream/index.ts';
import type { Step } from '../scope.ts';

/** Carries the call to vovserver as its account and streams the answer. The last step: nothing touches headers after it. */
export function createForward(upstream: Upstream, broker: Broker): Step {
  return (scope) => {
    const { account, route, meta } = scope;
    if (account === null || route === null) return;
    const credential = broker.credentialFor(account);
    const call = {
      queue: account.queue,
      account: account.name,
      method: meta.method,
      target: meta.target,
      route: route.template,
      class: route.class,
      rawHeaders: scope.req.rawHeaders,
      body: scope.body,
      requestId: meta.requestId,
      traceparent: meta.traceparent,
      head: scope.head,
      signal: scope.signal,
    };
    return upstream.forward(call, credential, scope.res).then((result) => {
      scope.result = result;
    });
  };
}
