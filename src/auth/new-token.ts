import type { Config } from '../config/index.ts';
import { userNameFault } from '../identity/index.ts';
import { GatewayError, SCOPES, type TokenScope } from '../kernel/index.ts';
import type { NewAccessToken } from './ports.ts';
import { MADE_CAP } from './token-store.ts';

/** Realm of those for whom the administrator vouches; no identity provider can have it. */
const LOCAL = 'local:';
const LABEL = /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u;

/** A wish for a token that passed: whose, what it may do and how long (milliseconds). */
export interface DecidedToken {
  readonly user: string;
  /** Null: the administrator vouches. */
  readonly subject: string | null;
  readonly label: string;
  readonly scopes: readonly TokenScope[];
  readonly lifeMs: number;
}

/** Checks what a new access token is asked to be; throws GW_BAD_REQUEST that names the field and the bound. */
export function decideNewToken(wanted: NewAccessToken, lives: Config['accessTokens']): DecidedToken {
  const fault = userNameFault(wanted.user);
  if (fault !== null) throw refused(`user: ${fault}`);
  const { subject = `${LOCAL}${wanted.user}` } = wanted;
  const isLocal = subject === `${LOCAL}${wanted.user}`;
  if (!isLocal && (subject === '' || subject.startsWith(LOCAL))) {
    throw refused('subject: is not whom the administrator vouches for under this user name');
  }
  if (!LABEL.test(wanted.label)) throw refused('label: give 1 to 64 printable characters');
  const unknown = wanted.scopes.find((scope) => !SCOPES.includes(scope));
  if (unknown !== undefined) throw refused(`scopes: there is no “${unknown}”; choose from ${SCOPES.join(', ')}`);
  if (wanted.scopes.length === 0) throw refused(`scopes: name at least one of ${SCOPES.join(', ')}`);
  const lifeMs = wanted.lifeMs ?? Math.min(lives.defaultLife, lives.maxLife);
  if (!(lifeMs > 0)) throw refused('life: must be longer than nothing');
  if (lifeMs > lives.maxLife) {
    throw refused(
      `life: at most ${lives.maxLife / 86_400_000} days (accessTokens.maxLife), not ${lifeMs / 86_400_000}`,
    );
  }
  const scopes = SCOPES.filter((scope) => wanted.scopes.includes(scope));
  return { user: wanted.user, subject: isLocal ? null : subject, label: wanted.label, scopes, lifeMs };
}

/** GW_BAD_REQUEST for one who has as many tokens as one may have. */
export function tooManyTokens(): GatewayError {
  return refused(
    `There are ${MADE_CAP} live access tokens of this person, the most that one may have: revoke those that are not used, or wait until they end`,
  );
}

function refused(detail: string): GatewayError {
  return new GatewayError('GW_BAD_REQUEST', `No access token was made. ${detail}.`);
}
