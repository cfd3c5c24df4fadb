import { GatewayError, type WebAnswer } from '../../kernel/index.ts';

/** Error codes of RFC 6749 (5.2), RFC 8628 (3.5) and RFC 7009 that these endpoints use. */
export type OAuthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'authorization_pending'
  | 'slow_down'
  | 'access_denied'
  | 'expired_token';

// RFC 6749, section 5.1: neither a token nor the reason why there is none may stay in a cache.
const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' };
const BASIC = { 'WWW-Authenticate': 'Basic realm="vov-gateway"' };

/** A refusal as OAuth clients read it. The description is public and plain ASCII (RFC 6749, section 5.2). */
export class OAuthError extends Error {
  readonly code: OAuthCode;
  readonly description: string;

  constructor(code: OAuthCode, description: string) {
    super(`${code}: ${description}`);
    this.name = 'OAuthError';
    this.code = code;
    this.description = description;
  }
}

/** An answer that no cache keeps. */
export function oauthJson(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): WebAnswer {
  return { kind: 'json', status, body, headers: { ...NO_STORE, ...headers } };
}

function refusal({ code, description }: OAuthError): WebAnswer {
  const body = { error: code, error_description: description };
  return code === 'invalid_client' ? oauthJson(body, 401, BASIC) : oauthJson(body, 400);
}

/** Runs an endpoint; its refusals become answers, and any other error stays one. */
export async function answering(handle: () => WebAnswer | Promise<WebAnswer>): Promise<WebAnswer> {
  try {
    return await handle();
  } catch (error) {
    if (error instanceof OAuthError) return refusal(error);
    if (!(error instanceof GatewayError) || error.code !== 'GW_RATE_LIMITED') throw error;
    const body = { error: 'slow_down', error_description: error.detail };
    return oauthJson(body, 429, { 'Retry-After': String(error.retryAfter ?? 60) });
  }
}
