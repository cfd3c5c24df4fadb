import { checkScope, decideRoute, type RouteTable } from '../../access/index.ts';
import type { Step } from '../scope.ts';

/** Looks the call up in the route table and refuses it when the token's scopes do not cover its class. */
export function createDecideRoute(table: () => RouteTable): Step {
  return (scope) => {
    const route = decideRoute(table(), scope.meta.method, scope.path);
    scope.route = route;
    if (scope.caller !== null) checkScope(scope.caller.scopes, route.scope);
  };
}
