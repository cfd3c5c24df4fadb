import type {
  AccessTokens,
  DeviceApprovals,
  Provider,
  Sessions,
  SignInPages,
  UsedOnce,
  WebRoute,
} from '../auth/index.ts';
import type { Config } from '../config/index.ts';
import type { AccountDecision } from '../identity/index.ts';
import type { Clock, GatewayError, Identity, RouteClass, WebAnswer } from '../kernel/index.ts';
import type { PolicyState } from '../limits/index.ts';
import type { AccountState, Enrolments } from '../tokens/index.ts';

/** The vovserver account of a person on one queue, and how it stands. */
export interface QueueAccount {
  readonly queue: string;
  /** Null when there is none; then `reason` says why. */
  readonly account: string | null;
  readonly shared: boolean;
  readonly reason: string | null;
  readonly state: AccountState | null;
  /** When its owner gave the gateway the password, milliseconds since the epoch. */
  readonly enrolledAt: number | null;
  /** Whether its owner may give the gateway the password. */
  readonly mayEnrol: boolean;
}

/** One known route of the proxied API, for its description. */
export interface ApiRoute {
  readonly method: string;
  /** Path with `{name}` for variable segments. */
  readonly template: string;
  readonly class: RouteClass;
  readonly summary: string;
}

/** The log, as far as the portal writes to it; what happens to credentials is told by those who keep them. */
export interface PortalLog {
  info(
    fields: {
      readonly event: string;
      readonly user: string;
      readonly subject: string;
      readonly token_id: string;
      readonly address: string;
      readonly request_id: string;
    },
    message: string,
  ): void;
}

/** What the portal needs. */
export interface PortalParts {
  readonly config: () => PortalConfig;
  readonly version: string;
  readonly sessions: Pick<Sessions, 'list' | 'end' | 'endOthers'>;
  readonly tokens: Pick<AccessTokens, 'create' | 'page' | 'find' | 'revoke'>;
  readonly devices: DeviceApprovals;
  /** Makes a form work once, so that a reload makes no second token. */
  readonly usedOnce: Pick<UsedOnce, 'first'>;
  readonly providers: () => readonly Pick<Provider, 'name' | 'label' | 'type'>[];
  readonly accountFor: (identity: Identity, queue: string) => AccountDecision;
  readonly accountStates: (identity: Identity) => Promise<readonly QueueAccount[]>;
  readonly limitsOf: (identity: Identity) => Promise<readonly PolicyState[]>;
  readonly enrolments: Enrolments;
  readonly apiRoutes: readonly ApiRoute[];
  readonly report: { readonly log: PortalLog };
  readonly clock: Pick<Clock, 'now'>;
}

/** The part of the configuration that the portal reads, at each use. */
export type PortalConfig = Pick<Config, 'server' | 'queues' | 'signIn' | 'accessTokens' | 'docs'>;

/** The pages of the gateway. */
export interface Portal {
  readonly routes: readonly WebRoute[];
  readonly signInPages: SignInPages;
  errorPage(error: GatewayError, requestId: string): WebAnswer;
}
