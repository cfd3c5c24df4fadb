import { type Account, GatewayError, messageOf } from '../kernel/index.ts';
import { type AccountJwt, createAccountJwt, isDead, usableJwt } from './account-jwt.ts';
import { tagOf } from './account-keys.ts';
import type { Accounts } from './accounts.ts';
import { type BrokerParts, queueOf } from './broker-parts.ts';
import { goodUntil } from './jwt-life.ts';
import type { AccountState, Broker, Password } from './ports.ts';

async function jwtState(parts: BrokerParts, state: AccountJwt): Promise<AccountState | 'away' | null> {
  const { upstream, clock, store } = parts;
  const epoch = upstream.epoch(state.account.queue);
  const held = usableJwt(state, epoch, clock.now());
  if (held !== null) return { kind: 'signed-in', until: held.token.expiresAt };
  const stored = await store.read(state.account, epoch);
  if (stored.kind === 'away') return 'away';
  if (stored.kind !== 'jwt' || isDead(state, stored.token) || clock.now() >= goodUntil(stored.token)) return null;
  return { kind: 'signed-in', until: stored.token.expiresAt };
}

/** As the broker finds it for a login, but nothing is reported: nobody's call failed. */
async function passwordOf({ sources }: BrokerParts, account: Account): Promise<Password | null> {
  for (const source of sources()) {
    const password = await source.find(account);
    if (password !== null) return password;
  }
  return null;
}

async function lookAt(parts: BrokerParts, state: AccountJwt): Promise<AccountState> {
  const { clock, config, refused } = parts;
  const { account } = state;
  queueOf(config(), account);
  const jwt = await jwtState(parts, state);
  if (jwt !== 'away' && jwt !== null) return jwt;
  const password = await passwordOf(parts, account);
  if (password === null) {
    return jwt === 'away' ? { kind: 'unknown', reason: 'The shared store is away.' } : { kind: 'no-password' };
  }
  for (const refusal of [state.refusal, await refused.read(account)]) {
    if (refusal === null || refusal.version !== password.version || refusal.until <= clock.now()) continue;
    return { kind: 'rejected', until: refusal.until };
  }
  return { kind: 'ready' };
}

/** Creates {@link Broker.stateOf}. An account that nobody called for stays unknown to the broker. */
export function createStateOf(parts: BrokerParts, accounts: Accounts): Broker['stateOf'] {
  return async (account) => {
    const tag = tagOf(account);
    const state = accounts.byTag(tag) ?? createAccountJwt(account, tag);
    try {
      return await lookAt(parts, state);
    } catch (error) {
      if (error instanceof GatewayError) return { kind: 'unknown', reason: error.detail };
      const fields = { event: 'account_state', queue: account.queue, account: account.name };
      parts.report.log.warn({ ...fields, reason: messageOf(error) }, 'the state of an account cannot be told');
      return { kind: 'unknown', reason: 'A credential source failed; the reason is in the log.' };
    }
  };
}
