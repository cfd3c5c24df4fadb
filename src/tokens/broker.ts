import { type Account, GatewayError } from '../kernel/index.ts';
import { StoreUnavailable } from '../platform/index.ts';
import { createAccountCredential } from './account-credential.ts';
import { type AccountJwt, forget } from './account-jwt.ts';
import { createStateOf } from './account-state.ts';
import { type Accounts, createAccounts } from './accounts.ts';
import { createAttempts } from './attempts.ts';
import { type BrokerOptions, type BrokerParts, epochsOf, queueOf } from './broker-parts.ts';
import { createFly } from './flights.ts';
import { createHolding, type Holding } from './holding.ts';
import { createJwtStore } from './jwt-store.ts';
import { createJwtWatch } from './jwt-watch.ts';
import { createLoginPools } from './login-pool.ts';
import { createSlots } from './login-slots.ts';
import { createTakeTurn } from './login-turn.ts';
import type { Broker } from './ports.ts';
import { createRefusedPasswords } from './refused-passwords.ts';
import { createRenewal, type Renewal } from './renewal.ts';
import { createTryPassword, createUnderLease, type TryPassword } from './try-password.ts';

function createParts({ kv, sealer, ...rest }: BrokerOptions, closing: AbortSignal): BrokerParts {
  const { clock, report, config, leases, random } = rest;
  return {
    ...rest,
    closing,
    store: createJwtStore({ kv, sealer, clock, report }),
    refused: createRefusedPasswords({ kv, clock, report }),
    slotsOf: createLoginPools('broker', {
      limit: () => config().broker.loginConcurrency,
      life: () => config().broker.lease,
      leases,
      clock,
      random,
      report,
    }),
  };
}

function createAdopt({ store, upstream }: BrokerParts, accounts: Accounts, holding: Holding): Broker['adopt'] {
  return async (account, token) => {
    const { state } = accounts.of(account);
    const epoch = upstream.epoch(account.queue);
    const written = await store.write(account, epoch, token, 'next');
    holding.hold(state, { token, epoch, fence: typeof written === 'number' ? written : 0 });
    state.unverified = written === 'away';
  };
}

function createDrop({ store, upstream, config }: BrokerParts, accounts: Accounts): Broker['drop'] {
  return async (account) => {
    const { state } = accounts.of(account);
    const held = state.held === null ? [] : [state.held.epoch];
    const epochs = new Set([upstream.epoch(account.queue), ...held, ...epochsOf(queueOf(config(), account))]);
    state.generation += 1;
    forget(state);
    try {
      await store.drop(account, epochs, queueOf(config(), account).jwtLife);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      throw new GatewayError(
        'GW_STORE_UNAVAILABLE',
        `The JWT of account ${account.name} on queue ${account.queue} is forgotten on this replica only: the shared ` +
          'store is away. Repeat this when it is back.',
        { retryAfter: 5, cause: error },
      );
    }
  };
}

/** The broker with what only the enrolments need. */
export interface BrokerHandle extends Broker {
  readonly tryPassword: TryPassword;
  /** Runs `forgetPassword`, waits for a login of the account that is under way on any replica, then drops its JWT. */
  dropAfter(account: Account, forgetPassword: () => Promise<boolean>): Promise<boolean>;
}

/** Creates the {@link Broker}. Disposing it ends what is under way and leaves the shared store to the other replicas. */
export function createBroker(options: BrokerOptions): BrokerHandle {
  const closing = new AbortController();
  const parts = createParts(options, closing.signal);
  const holding = createHolding(parts, (state: AccountJwt) => renewal.schedule(state));
  const fly = createFly(parts, holding, createTakeTurn(parts, holding));
  const renewal: Renewal = createRenewal(parts, fly);
  const accounts = createAccounts((state) => createAccountCredential(state, parts, fly, renewal));
  const watch = createJwtWatch(options.kv, parts, accounts, holding);
  // Whoever forgets logs nobody in and waits for no turn.
  const free = createSlots(() => Number.MAX_SAFE_INTEGER);
  const whileForgetting = createUnderLease({ ...parts, slotsOf: () => free });
  const drop = createDrop(parts, accounts);
  return {
    credentialFor: (account) => accounts.of(account).credential,
    adopt: createAdopt(parts, accounts, holding),
    drop,
    stateOf: createStateOf(parts, accounts),
    tryPassword: createTryPassword(parts, accounts, holding, createAttempts(options), createUnderLease(parts)),
    async dropAfter(account, forgetPassword) {
      const existed = await forgetPassword();
      // Whoever logs in after this finds no password any more; one that was being given meanwhile goes too.
      return await whileForgetting(accounts.of(account).state, async () => {
        const again = await forgetPassword();
        await drop(account);
        return existed || again;
      });
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new GatewayError('GW_DRAINING', 'This replica is shutting down.', { retryAfter: 1 }));
      await Promise.allSettled(accounts.all().map(({ flight }) => flight));
      for (const state of accounts.all()) forget(state);
      await watch[Symbol.asyncDispose]();
    },
  };
}
