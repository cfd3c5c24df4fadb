// The words everyone uses: errors and their codes, request meta, clock, secret. No I/O, no state.
export { type Clock, systemClock } from './clock.ts';
export { ERROR_CODES, type ErrorCode, type ErrorOptions, GatewayError, messageOf, toGatewayError } from './errors.ts';
export { foldField, isBelow, isShortForm } from './job-fields.ts';
export { Secret } from './secret.ts';
export type { CallerLeaving, Cookie, WebAnswer, WebRequest, WebStream } from './web.ts';
export {
  type Account,
  type Identity,
  JOB_STATES,
  type JobState,
  type RequestMeta,
  ROLES,
  type Role,
  type RouteClass,
  SCOPES,
  type TokenScope,
} from './words.ts';
