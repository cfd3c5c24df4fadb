import type { Config } from '../config/index.ts';
import type { AccountRules } from '../identity/index.ts';
import { type Account, GatewayError, type Identity } from '../kernel/index.ts';
import type { QueueAccount } from '../portal/index.ts';
import type { Broker, Enrolments } from '../tokens/index.ts';

/** What the account of a person is asked of. */
export interface AccountStateParts {
  readonly config: () => Config;
  readonly rules: () => AccountRules;
  readonly broker: Pick<Broker, 'stateOf'>;
  readonly enrolments: Pick<Enrolments, 'isOpen' | 'enrolledAt'>;
}

async function enrolledAt({ enrolments }: AccountStateParts, account: Account): Promise<number | null> {
  try {
    return await enrolments.enrolledAt(account);
  } catch (error) {
    // The page shows the rest while the store is away.
    if (error instanceof GatewayError && error.code === 'GW_STORE_UNAVAILABLE') return null;
    throw error;
  }
}

async function stateOn(parts: AccountStateParts, identity: Identity, queue: string): Promise<QueueAccount> {
  const decision = parts.rules().accountFor(identity, queue);
  if (decision.kind === 'none') {
    const { reason } = decision;
    return { queue, account: null, shared: false, reason, state: null, enrolledAt: null, mayEnrol: false };
  }
  const { account } = decision;
  const mayEnrol = !account.shared && parts.enrolments.isOpen(queue);
  const [state, given] = await Promise.all([
    parts.broker.stateOf(account),
    mayEnrol ? enrolledAt(parts, account) : null,
  ]);
  return { queue, account: account.name, shared: account.shared, reason: null, state, enrolledAt: given, mayEnrol };
}

/** Tells a person's vovserver account on every queue, and how it stands. */
export function createAccountStates(
  parts: AccountStateParts,
): (identity: Identity) => Promise<readonly QueueAccount[]> {
  return (identity) => Promise.all(parts.config().queues.map(({ name }) => stateOn(parts, identity, name)));
}
