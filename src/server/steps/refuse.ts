import { GatewayError } from '../../kernel/index.ts';
import type { Scope } from '../scope.ts';

/** Nothing is served outside the proxied API. */
export function refuse(_scope: Scope): never {
  throw new GatewayError('GW_NOT_FOUND', 'Nothing is served here; the API is under /api/v3/.');
}
