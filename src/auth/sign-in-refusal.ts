import { type ErrorCode, GatewayError, messageOf } from '../kernel/index.ts';
import { signInFailed } from './sign-in-failed.ts';

/** What a person can do something about, or what is no fault of the answer. */
const SHOWN: ReadonlySet<ErrorCode> = new Set([
  'GW_SIGN_IN_DENIED',
  'GW_IDENTITY_CONFLICT',
  'GW_PROVIDER_UNAVAILABLE',
  'GW_STORE_UNAVAILABLE',
]);

/** The error of a sign-in or logout message as its sender may see it; every other reason is for the log only. */
export function toRefusal(error: unknown): GatewayError {
  if (!(error instanceof GatewayError)) return signInFailed(messageOf(error), error);
  return SHOWN.has(error.code) ? error : signInFailed(error.internal ?? error.detail, error);
}
