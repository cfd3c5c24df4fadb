import type { BearerConfig } from '../../config/index.ts';

/** A token that passed the checks of its way. */
export interface CheckedBearer {
  readonly issuer: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Until then the token needs no other check; never after its end, milliseconds since the epoch. */
  readonly trustUntil: number;
}

/** Milliseconds between two checks of one token at most. */
export const TRUST = 10_000;

/** One entry of `signIn.bearers` at work. */
export interface BearerWay extends AsyncDisposable {
  readonly config: BearerConfig;
  /** Throws TokenRefused, ProviderUnreachable. `digest` is the SHA-256 of the token; `address` is charged for questions. */
  check(token: string, digest: string, address: string): Promise<CheckedBearer>;
}
