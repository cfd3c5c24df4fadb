import {
  type AccessTokens,
  type Bearers,
  createBearers,
  createDevices,
  createFlows,
  createOAuthRoutes,
  createOidcProvider,
  createPeople,
  createProviders,
  createSamlProvider,
  createSessions,
  createSignInRoutes,
  createUsedOnce,
  type Flows,
  type People,
  type Provider,
  type Providers,
  type Sessions,
  type UsedOnce,
  type WebRoute,
} from '../auth/index.ts';
import type { Config, ProviderConfig } from '../config/index.ts';
import type { Clock } from '../kernel/index.ts';
import type { Limiter } from '../limits/index.ts';
import type { ReportHandle } from '../observe/index.ts';
import type { KeyValue, Sealer } from '../platform/index.ts';
import { createPortal, type Portal } from '../portal/index.ts';
import type { Broker, Enrolments } from '../tokens/index.ts';
import type { Decided } from './wire.ts';

/** What signing in needs of the rest of the gateway. */
export interface SignInOptions {
  readonly decided: () => Decided;
  readonly kv: KeyValue;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly report: ReportHandle;
}

/** Everything that knows people. */
export interface SignIn {
  readonly people: People;
  readonly sessions: Sessions;
  readonly bearers: Bearers;
  readonly providers: Providers;
  readonly flows: Flows;
}
