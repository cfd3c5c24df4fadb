import { GatewayError } from '../../kernel/index.ts';
import type { Scope } from '../scope.ts';

/** Nothing is served outside the proxied API and the gateway's own routes, and these with their methods only. */
export function refuse({ web }: Scope): never {
  if (web?.allow != null) {
    throw new GatewayError('GW_METHOD_NOT_ALLOWED', `This path takes ${web.allow}.`, { headers: { Allow: web.allow } });
  }
  throw new GatewayError('GW_NOT_FOUND', 'Nothing is served here; the API is under /api/v3/.');
}
