import type { BearerConfig } from '../../config/index.ts';

/** A token that passed the checks of its way. */
export interface CheckedBearer {
  readonly issuer: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch: what the token says, and from when it is refused. */
  readonly expiresAt: number;
  readonly endsAt: number;
}

/** One entry of `signIn.bearers` at work. */
export interface BearerWay extends AsyncDisposable {
  readonly config: BearerConfig;
  /** Milliseconds that a good answer may be used without another check, until the token ends. */
  readonly trustMs: number;
  /** Throws TokenRefused, ProviderUnreachable. `digest` is the SHA-256 of the token. */
  check(token: string, digest: string): Promise<CheckedBearer>;
}
