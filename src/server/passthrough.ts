import type { Passthrough } from '../auth/index.ts';
import type { Config } from '../config/index.ts';
import { type Clock, GatewayError } from '../kernel/index.ts';
import { type Broker, type Slots, tokenFromLogin } from '../tokens/index.ts';
import type { Upstream } from '../upstream/index.ts';
import type { Decided } from './wire.ts';

/** What the exchange of a caller's own password needs. */
export interface PassthroughParts {
  readonly decided: () => Decided;
  readonly upstream: Pick<Upstream, 'login'>;
  readonly broker: Pick<Broker, 'adopt'>;
  readonly clock: Clock;
  /** Slots of each queue apart from the broker's, so that guesses never hold up the logins of those who are known. */
  readonly slotsOf: (queue: string) => Slots;
}

function isOn(config: Config, queue: string): boolean {
  return config.credentials.some(({ type, queues }) => type === 'passthrough' && (queues?.includes(queue) ?? true));
}

/**
 * Exchanges a vovserver user name and password once, keeps the JWT and forgets the password. The user name must be the
 * one that the account rules give that user, so that nobody signs in as somebody else's account.
 */
export function createPassthrough({ decided, upstream, broker, clock, slotsOf }: PassthroughParts): Passthrough {
  return async (queue, username, password) => {
    const { config, rules } = decided();
    const settings = config.queues.find(({ name }) => name === queue);
    if (settings === undefined || !isOn(config, queue)) return null;
    const decision = rules.accountFor(rules.identityOf(username), queue);
    if (decision.kind === 'none' || decision.account.shared || decision.account.name !== username) return null;
    // Never aborted: every login has a time-out of its own, so the wait ends by itself.
    using _slot = await slotsOf(queue).take(new AbortController().signal);
    const startedAt = clock.now();
    const answer = await upstream.login(queue, username, password);
    if (answer.kind === 'rejected') return null;
    if (answer.kind === 'failed') throw answer.error;
    const token = tokenFromLogin(answer, { startedAt, jwtLife: settings.jwtLife });
    if (token.expiresAt <= clock.now())
      throw new GatewayError('GW_UPSTREAM_INVALID', 'vovserver gave a JWT that is over.');
    await broker.adopt(decision.account, token);
    return token.expiresAt;
  };
}
