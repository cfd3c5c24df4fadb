import { SCOPES, type TokenScope, type WebRequest } from '../../kernel/index.ts';
import { OAuthError } from './oauth-error.ts';

/** The only client: a public one (RFC 6749, section 2.1), which every copy of `vovgw login` is. */
export const CLIENT_ID = 'vovgw';
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** A parameter, null when it is absent or empty; throws invalid_request when it comes twice (RFC 6749, section 3.2). */
export function parameter({ form }: WebRequest, name: string): string | null {
  const values = form.getAll(name);
  if (values.length > 1) throw new OAuthError('invalid_request', `The parameter ${name} is there more than once.`);
  return values[0] === undefined || values[0] === '' ? null : values[0];
}

/** A parameter that must be there. */
export function required(request: WebRequest, name: string): string {
  const value = parameter(request, name);
  if (value !== null) return value;
  const hint = request.contentType.startsWith(FORM_TYPE) ? '' : ` Send the parameters as ${FORM_TYPE}.`;
  throw new OAuthError('invalid_request', `The parameter ${name} is missing.${hint}`);
}

/** Checks that the one client asks. */
export function checkClient(request: WebRequest): void {
  // A client that proves itself is another one (RFC 6749, section 5.2).
  const proves = request.raw.headers.authorization !== undefined || parameter(request, 'client_secret') !== null;
  if (!proves && required(request, 'client_id') === CLIENT_ID) return;
  throw new OAuthError('invalid_client', `Use client_id=${CLIENT_ID}, a public client without a secret.`);
}

/** The scopes that are asked for: all of `allowed` without a `scope`. Throws invalid_scope (RFC 6749, section 3.3). */
export function askedScopes(request: WebRequest, allowed: readonly TokenScope[]): readonly TokenScope[] {
  const words = (parameter(request, 'scope') ?? '').split(' ').filter((word) => word !== '');
  if (words.length === 0) return allowed;
  const scopes = allowed.filter((scope) => words.includes(scope));
  const all = words.every((word) => scopes.some((scope) => scope === word));
  if (all) return SCOPES.filter((scope) => scopes.includes(scope));
  throw new OAuthError('invalid_scope', `The scopes of a login are at most: ${allowed.join(' ')}.`);
}
