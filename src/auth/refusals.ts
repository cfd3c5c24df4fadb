import { GatewayError } from '../kernel/index.ts';
import { StoreUnavailable } from '../platform/index.ts';

const CHALLENGE = 'Bearer realm="vov-gateway"';
const INVALID = { headers: { 'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"` } };
const because = (reason?: string) => (reason === undefined ? INVALID : { ...INVALID, internal: reason });
/** Seconds; about what a Redis failover takes. */
const RETRY_AFTER = 5;

/** 401 for a call without a credential: the bare challenge (RFC 6750, section 3). */
export function missingToken(): GatewayError {
  return new GatewayError('GW_UNAUTHENTICATED', 'Send an access token: Authorization: Bearer <token>.', {
    headers: { 'WWW-Authenticate': CHALLENGE },
  });
}

/** 401 for a token that is wrong in any way, without a hint which (RFC 6750, section 3.1); `reason` is for the log only. */
export function invalidToken(reason?: string): GatewayError {
  return new GatewayError('GW_UNAUTHENTICATED', 'The access token is not valid.', because(reason));
}

/** 401 for a credential that cannot be read; only what was sent by the caller decides this, nothing that is stored. */
export function malformedCredential(): GatewayError {
  return new GatewayError(
    'GW_UNAUTHENTICATED',
    'The Authorization header must be "Bearer <token>", "Bearer:<token>" or Basic with the token as password.',
    INVALID,
  );
}

/** 401 of the token endpoint: one text for every reason; `reason` is for the log only. */
export function wrongLogin(reason?: string): GatewayError {
  return new GatewayError('GW_UNAUTHENTICATED', 'The user name or the access token is not valid.', because(reason));
}

/** 503 while the store is away and this process does not know the token by itself. */
export function storeAway(cause: unknown): GatewayError {
  return new GatewayError('GW_STORE_UNAVAILABLE', 'Access tokens cannot be checked or changed right now.', {
    retryAfter: RETRY_AFTER,
    internal: cause instanceof Error ? cause.message : String(cause),
    cause,
  });
}

/** Waits for a call to the store; its absence becomes GW_STORE_UNAVAILABLE. */
export async function atStore<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof StoreUnavailable ? storeAway(error) : error;
  }
}
