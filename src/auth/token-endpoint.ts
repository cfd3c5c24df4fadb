import type { Config } from '../config/index.ts';
import { userNameFault } from '../identity/index.ts';
import type { Identity, Secret } from '../kernel/index.ts';
import { type LoginForm, readLoginForm } from './login-form.ts';
import type { AccessTokens, Caller, Granted } from './ports.ts';

/**
 * Exchanges a vovserver user name and password once, keeping nothing of it but the JWT: when that JWT ends (milliseconds
 * since the epoch), or null when it was refused or the queue does not allow this.
 */
export type Passthrough = (queue: string, username: string, password: Secret) => Promise<number | null>;

/** What the token endpoint answers. */
export interface TokenGrant {
  readonly caller: Caller;
  /** The body, exactly as vovserver gives it. The one place where a token leaves its wrapper. */
  readonly json: { readonly token_type: 'Bearer'; readonly access_token: string };
  readonly headers: Readonly<Record<string, string>>;
}

/** The vendor's POST /api/v3/token. */
export interface TokenEndpoint {
  /** Throws GW_UNSUPPORTED_MEDIA_TYPE, GW_BAD_BODY. */
  parse(contentType: string | undefined, body: Buffer): LoginForm;
  /** Throws GW_UNAUTHENTICATED with one text for every reason, GW_STORE_UNAVAILABLE, and what `passthrough` throws. */
  exchange(form: LoginForm, queue: string): Promise<TokenGrant>;
}

/** What the token endpoint needs. */
export interface TokenEndpointOptions {
  readonly tokens: Pick<AccessTokens, 'derive' | 'admit'>;
  readonly config: () => Pick<Config, 'accessTokens'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly passthrough?: Passthrough;
  /** Whether the posted user name stands for the token's owner; without it only the owner's user name does. */
  readonly isOwner?: (identity: Identity, username: string, queue: string) => boolean;
}

// RFC 6749, section 5.1.
const NO_STORE = { 'Cache-Control': 'no-store' };
// RFC 9745: vovserver passwords at the gateway are deprecated since its first release.
const DEPRECATED = { ...NO_STORE, Deprecation: '@1767225600' };

const isTokenShaped = (password: string): boolean => password.startsWith('vgw_');

/** Creates the vendor's token endpoint: user name and access token in, a derived gateway token out. */
export function createTokenEndpoint(options: TokenEndpointOptions): TokenEndpoint {
  const { tokens, passthrough, now } = options;
  const life = (): number => options.config().accessTokens.derivedLife;
  const isOwner = options.isOwner ?? ((identity, username) => identity.user === username);
  const withPassword = async ({ username, password }: LoginForm, queue: string): Promise<Granted | null> => {
    if (passthrough === undefined || isTokenShaped(password.reveal()) || userNameFault(username) !== null) return null;
    const until = await passthrough(queue, username, password);
    return until === null || until <= now() ? null : tokens.admit(username, queue, Math.min(until - now(), life()));
  };
  return {
    parse: readLoginForm,
    async exchange(form, queue) {
      const admitted = await withPassword(form, queue);
      if (admitted !== null) return toGrant(admitted, DEPRECATED);
      const owns = (identity: Identity): boolean => isOwner(identity, form.username, queue);
      return toGrant(await tokens.derive(form.password.reveal(), owns, life()), NO_STORE);
    },
  };
}

function toGrant({ token, caller }: Granted, headers: Readonly<Record<string, string>>): TokenGrant {
  return { caller, json: { token_type: 'Bearer', access_token: token.reveal() }, headers };
}
