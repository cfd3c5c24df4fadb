import type { Account, Clock } from '../kernel/index.ts';
import type { Report } from '../observe/index.ts';
import type { KeyValue, Leases, Sealer } from '../platform/index.ts';
import { tagOf } from './account-keys.ts';
import { type BrokerConfig, epochsOf } from './broker-parts.ts';
import { atPasswords, type EnrolledPasswords } from './enrolled-passwords.ts';
import { createJwtStore } from './jwt-store.ts';
import { createSlots } from './login-slots.ts';
import { createUnderLease } from './try-password.ts';

/** What {@link createForgetAccount} needs; it runs beside the gateway, as the command line does. */
export interface ForgetAccountOptions {
  readonly kv: KeyValue;
  readonly leases: Leases;
  readonly sealer: Sealer;
  readonly passwords: Pick<EnrolledPasswords, 'remove'>;
  readonly config: () => BrokerConfig;
  readonly report: Pick<Report, 'log'>;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Forgets what people left at the gateway for an account: true when a password was enrolled. Throws GW_STORE_UNAVAILABLE, GW_UPSTREAM_DOWN. */
export type ForgetAccount = (account: Account) => Promise<boolean>;

/** Creates {@link ForgetAccount}: the enrolled password goes, and the JWT on every replica; it waits for a login that is under way. */
export function createForgetAccount(options: ForgetAccountOptions): ForgetAccount {
  const { passwords, config, clock, kv, sealer, report } = options;
  const store = createJwtStore({ kv, sealer, clock, report });
  const slots = createSlots(() => 1);
  const closing = new AbortController().signal;
  const underLease = createUnderLease({ ...options, slotsOf: () => slots, closing });
  return async (account) => {
    const existed = await passwords.remove(account);
    const queue = config().queues.find(({ name }) => name === account.queue);
    // Nobody logs in on a queue that is gone.
    if (queue === undefined) return existed;
    return await underLease({ account, tag: tagOf(account) }, async () => {
      const again = await passwords.remove(account);
      await atPasswords(() => store.drop(account, epochsOf(queue), queue.jwtLife));
      return existed || again;
    });
  };
}
