import {
  type AccessTokens,
  type Bearers,
  type Caller,
  invalidToken,
  missingToken,
  type PresentedCredential,
  readCredential,
  type Session,
  tokenIdOf,
} from '../../auth/index.ts';
import { GatewayError } from '../../kernel/index.ts';
import type { Limiter } from '../../limits/index.ts';
import type { Report } from '../../observe/index.ts';
import type { Scope, Step } from '../scope.ts';
import { type SessionOf, sessionCaller } from './meet-visitor.ts';

/** Counts failed sign-in attempts and stops those who guess. */
export interface AttemptGuard {
  /** Runs `verify` when address and token id may still try; only its failure stays charged. Throws GW_LOGIN_LIMITED. */
  around<T>(scope: Scope, tokenId: string | null, verify: () => T | Promise<T>): Promise<T>;
}

/** `limiter` holds the budget of failed attempts per address and token id. */
export function createAttemptGuard(limiter: Limiter, report: Report): AttemptGuard {
  return {
    async around(scope, tokenId, verify) {
      const { admission, settle } = await limiter.beginAttempt(scope.meta.address, tokenId);
      if (!admission.allowed) {
        report.attempt('blocked', scope.door);
        throw new GatewayError('GW_LOGIN_LIMITED', `Too many failed attempts; retry in ${admission.retryAfter} s.`, {
          retryAfter: admission.retryAfter,
        });
      }
      let failed = false;
      try {
        const result = await verify();
        report.attempt('ok', scope.door);
        return result;
      } catch (error) {
        failed = error instanceof GatewayError && error.code === 'GW_UNAUTHENTICATED';
        if (failed) report.attempt('failed', scope.door);
        throw error;
      } finally {
        await settle(failed);
      }
    },
  };
}

/** Basic must name the owner: a token under another's name is as wrong as an unknown one. */
function checkOwner({ username }: PresentedCredential, caller: Caller): Caller {
  if (username !== null && username !== '' && username !== caller.identity.user) throw invalidToken('wrong user');
  return caller;
}

/** The ways to be known at the API. */
export interface Ways {
  readonly tokens: AccessTokens;
  readonly bearers: Bearers;
  /** Whether any other tokens than the gateway's own are configured. */
  readonly takesBearers: () => boolean;
  readonly guard: AttemptGuard;
  readonly sessionOf: SessionOf;
  /** Whether a call with the session cookie is meant by its owner. */
  readonly isOwnCall: (scope: Scope) => boolean;
  readonly report: Report;
}

/** The API explorer and the vendor's page call with the session's cookie; no page of another site may. */
function bySession(scope: Scope, { sessionOf, isOwnCall }: Ways): void | Promise<void> {
  if (scope.req.headers.cookie === undefined || !isOwnCall(scope)) throw missingToken();
  const settle = (session: Session | null): void => {
    if (session === null) throw missingToken();
    scope.caller = sessionCaller(session);
  };
  const session = sessionOf(scope);
  return session instanceof Promise ? session.then(settle) : settle(session);
}

/** Tokens of the company's identity provider are signed or looked up there: nobody guesses them, so no attempt is charged. */
async function byBearer(scope: Scope, presented: PresentedCredential, { bearers, report }: Ways): Promise<void> {
  try {
    const { address, requestId } = scope.meta;
    scope.caller = checkOwner(presented, await bearers.authenticate(presented.token, { address, requestId }));
    report.attempt('ok', scope.door);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'GW_UNAUTHENTICATED') report.attempt('failed', scope.door);
    throw error;
  }
}

/**
 * Finds out who is calling by the Authorization header, or by the session cookie when there is none. Synchronous for what
 * was seen in the last second; a token that was found right before is not held up by the failed attempts of others at its
 * address.
 */
export function createAuthenticate(ways: Ways): Step {
  const { tokens, guard } = ways;
  /** Attempts under way: of many callers with one credential at once only the first is charged, and all get its answer. */
  const underWay = new Map<string, Promise<Caller>>();

  const attempt = (scope: Scope, presented: PresentedCredential): Promise<Caller> => {
    const { token, username } = presented;
    const key = JSON.stringify([scope.meta.address, username, token]);
    const joined = underWay.get(key);
    if (joined !== undefined) return joined;
    const verify = async (): Promise<Caller> => checkOwner(presented, await tokens.authenticate(token));
    const attempted = guard.around(scope, tokenIdOf(token), verify).finally(() => underWay.delete(key));
    underWay.set(key, attempted);
    return attempted;
  };

  return (scope) => {
    const presented = readCredential(scope.req.rawHeaders);
    if (presented === null) return bySession(scope, ways);
    if (!presented.token.startsWith('vgw_') && ways.takesBearers()) return byBearer(scope, presented, ways);
    const settle = (caller: Caller): void => {
      scope.caller = checkOwner(presented, caller);
    };
    const known = tokens.recall(presented.token);
    if (known instanceof Promise) return known.then(settle);
    if (known !== null) return settle(known);
    return attempt(scope, presented).then(settle);
  };
}
