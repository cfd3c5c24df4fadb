import { type Account, type Clock, GatewayError, messageOf } from '../kernel/index.ts';
import type { AccountJwt } from './account-jwt.ts';
import { type BrokerParts, isEnrolled, isPassthrough } from './broker-parts.ts';
import type { Password } from './ports.ts';
import type { Refusal } from './refused-passwords.ts';

/** A missing password is reported once in this time for each account, not with every call. */
const REPORT_EVERY_MS = 60_000;

/** Where people give, replace and remove their password. */
const OWN_PAGE = '/ui/credential';

function missing({ config, sources }: BrokerParts, { queue, name, shared }: Account): GatewayError {
  const asked = sources().map((source) => source.name);
  const internal = asked.length === 0 ? 'no credential source is configured' : `asked: ${asked.join(', ')}`;
  const detail = isPassthrough(config(), queue)
    ? `The vovserver sign-in of account ${name} on queue ${queue} has ended: sign in again with POST /api/v3/token.`
    : `No credential source has a password for vovserver account ${name} on queue ${queue}: ` +
      (isEnrolled(config(), queue) && !shared
        ? `its owner gives it once on the gateway’s page ${OWN_PAGE}.`
        : 'the administrator adds it to one of the configured credentials.');
  return new GatewayError('GW_CREDENTIAL_UNAVAILABLE', detail, { internal });
}

function sourceError(source: string, { queue, name }: Account, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const detail = `The credential source for account ${name} on queue ${queue} failed: the administrator looks into the log.`;
  return new GatewayError('GW_CREDENTIAL_UNAVAILABLE', detail, {
    internal: `${source}: ${messageOf(error)}`,
    cause: error,
  });
}

/** What a caller is told while a rejected password is not tried again. */
export function refusedError(
  { queue, name }: Account,
  { until }: Refusal,
  { isCurrent }: Password,
  clock: Clock,
): GatewayError {
  const seconds = Math.max(1, Math.ceil((until - clock.now()) / 1000));
  const mend =
    isCurrent === undefined
      ? 'the administrator corrects it in the credential source'
      : `its owner replaces it on the gateway’s page ${OWN_PAGE}`;
  return new GatewayError(
    'GW_CREDENTIAL_UNAVAILABLE',
    `vovserver rejected the password of account ${name} on queue ${queue}: ${mend}. ` +
      'The same password is not tried again for now, so that the account is not locked.',
    { retryAfter: seconds, internal: `not tried again for ${seconds} s unless the password changes` },
  );
}

/** Throws while this password is known to be rejected. */
export function checkRefusal(state: AccountJwt, refusal: Refusal | null, password: Password, clock: Clock): void {
  if (refusal === null || refusal.version !== password.version || refusal.until <= clock.now()) return;
  state.refusal = refusal;
  throw refusedError(state.account, refusal, password, clock);
}

/** The password of an account from the first source that knows it. Throws GatewayError when none does or one fails. */
export async function findPassword(
  parts: BrokerParts,
  state: AccountJwt,
  reason: 'first' | 'renewal' | 'rejected_jwt',
): Promise<Password> {
  const { clock, report, sources } = parts;
  const { account } = state;
  const fail = (error: GatewayError): GatewayError => {
    if (clock.now() - state.reportedMissingAt < REPORT_EVERY_MS) return error;
    state.reportedMissingAt = clock.now();
    const detail = error.internal ?? error.detail;
    report.login({ queue: account.queue, account: account.name, reason, result: 'no_password', seconds: 0, detail });
    return error;
  };
  for (const source of sources()) {
    try {
      const password = await source.find(account);
      if (password !== null) return password;
    } catch (error) {
      throw fail(sourceError(source.name, account, error));
    }
  }
  throw fail(missing(parts, account));
}
