import { GatewayError } from '../kernel/index.ts';

/** Says nothing of the reason: whoever forges an answer must not learn how near it came. */
export const SIGN_IN_FAILED_TEXT =
  'The answer of the identity provider was not accepted. Start the sign-in again; if it stays, tell the administrator the request id.';

/** GW_SIGN_IN_FAILED with the one public text. `reason` is a short, stable text for the log only. */
export function signInFailed(reason: string, cause?: unknown): GatewayError {
  return new GatewayError('GW_SIGN_IN_FAILED', SIGN_IN_FAILED_TEXT, {
    internal: reason,
    ...(cause === undefined ? {} : { cause }),
  });
}
