import { decideRoute, type RouteTable } from '../../access/index.ts';
import { GatewayError } from '../../kernel/index.ts';
import type { Step } from '../scope.ts';

/** Looks the call up in the route table and refuses it when the token's scopes do not cover its class. */
export function createDecideRoute(table: () => RouteTable): Step {
  return (scope) => {
    const route = decideRoute(table(), scope.meta.method, scope.path);
    scope.route = route;
    if (scope.caller === null || scope.caller.scopes.has(route.scope)) return;
    throw new GatewayError('GW_SCOPE_MISSING', `This call needs the scope ${route.scope}.`, {
      headers: {
        'WWW-Authenticate': `Bearer realm="vov-gateway", error="insufficient_scope", scope="${route.scope}"`,
      },
    });
  };
}
