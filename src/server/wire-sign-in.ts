import {
  type Bearers,
  createBearers,
  createFlows,
  createOidcProvider,
  createPeople,
  createProviders,
  createSamlProvider,
  createSessions,
  createUsedOnce,
  type Flows,
  type People,
  type Provider,
  type Providers,
  type Sessions,
  type UsedOnce,
} from '../auth/index.ts';
import type { Config, ProviderConfig } from '../config/index.ts';
import type { Account, Clock } from '../kernel/index.ts';
import type { ReportHandle } from '../observe/index.ts';
import type { KeyValue, Sealer } from '../platform/index.ts';
import type { Decided } from './wire.ts';

/** What those who know people need of the rest of the gateway. */
export interface SignInOptions {
  readonly decided: () => Decided;
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly report: ReportHandle;
  /** Told before a person gets accounts that were not theirs. */
  readonly onNewAccounts: (subject: string, accounts: readonly Account[]) => Promise<void>;
}

/** Those who know people: who signed in, how, and until when. */
export interface SignIn {
  readonly people: People;
  readonly sessions: Sessions;
  readonly bearers: Bearers;
  readonly providers: Providers;
  readonly usedOnce: UsedOnce;
}

/** The people of a store, for the server and for the command line. */
export const wirePeople = ({
  decided,
  ...rest
}: SignInOptions | Omit<SignInOptions, 'report' | 'onNewAccounts'>): People =>
  createPeople({ ...rest, config: () => decided().config, rules: () => decided().rules });

function createCreate(options: SignInOptions, flows: Flows, usedOnce: UsedOnce): (entry: ProviderConfig) => Provider {
  const { decided, clock, report } = options;
  // Checked by the configuration: there is no provider without it.
  const publicUrl = decided().config.server.publicUrl ?? '';
  return (config) => {
    const common = { publicUrl, flows, usedOnce, clock, report };
    return config.type === 'saml'
      ? createSamlProvider({ ...common, config })
      : createOidcProvider({ ...common, config });
  };
}

/** Puts together whatever knows people. */
export function wireSignIn(options: SignInOptions): SignIn {
  const { decided, kv, sealer, clock, report } = options;
  const config = (): Config => decided().config;
  const people = wirePeople(options);
  const sessions = createSessions({ kv, sealer, config, clock, people, report });
  const flows = createFlows({ kv, sealer, config, clock });
  const usedOnce = createUsedOnce({ kv, hashKey: config().secrets.tokenKey });
  const create = createCreate(options, flows, usedOnce);
  const providers = createProviders({ config, create, report, clock });
  const bearers = createBearers({ config, people, clock, report });
  return { people, sessions, bearers, providers, usedOnce };
}
