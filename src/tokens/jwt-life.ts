import type { LoginAnswer, UpstreamToken } from '../upstream/index.ts';

/** No JWT of vovserver lives longer; a claim beyond it is a clock or a unit gone wrong. */
const LONGEST_LIFE_MS = 30 * 86_400_000;
/** A shorter life is of no use; a claim below it is a clock gone wrong. */
const SHORTEST_LIFE_MS = 1000;
/** A JWT is a few hundred bytes; beyond this the claims are not worth parsing. */
const LONGEST_JWT = 65_536;

/** The time claims of a JWT (RFC 7519, 4.1), in seconds since the epoch. */
export interface TimeClaims {
  readonly exp: number | null;
  readonly iat: number | null;
}

const NO_CLAIMS: TimeClaims = { exp: null, iat: null };
const numeric = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

/** Reads `exp` and `iat` of a JWT without verifying it (the gateway has no key); nulls for anything unreadable. */
export function timeClaimsOf(jwt: string): TimeClaims {
  const parts = jwt.length > LONGEST_JWT ? [] : jwt.split('.');
  if (parts.length !== 3) return NO_CLAIMS;
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null) return NO_CLAIMS;
    const { exp, iat } = claims as Record<string, unknown>;
    return { exp: numeric(exp), iat: numeric(iat) };
  } catch {
    return NO_CLAIMS;
  }
}

const sane = (lifeMs: number): boolean => lifeMs >= SHORTEST_LIFE_MS && lifeMs <= LONGEST_LIFE_MS;

/**
 * Life in milliseconds by the claims; null when they say nothing usable. `exp - iat` is measured on vovserver's clock
 * alone, `exp - now` on both: the smaller counts, unless the clocks are so far apart that the latter means nothing.
 */
function lifeByClaims({ exp, iat }: TimeClaims, now: number, jwtLife: number): number | null {
  if (exp === null) return null;
  const left = exp * 1000 - now;
  const span = iat === null ? null : (exp - iat) * 1000;
  if (span === null || !sane(span)) return sane(left) ? left : null;
  return sane(left) && left >= span / 2 ? Math.min(left, span) : Math.min(span, jwtLife);
}

/**
 * Dates the JWT of a login: by its own claims, else by `expires_in` (seconds), else by the configured life
 * (milliseconds). `startedAt` is when the login was sent, so that the end is never put too late.
 */
export function tokenFromLogin(
  answer: Pick<Extract<LoginAnswer, { kind: 'ok' }>, 'tokenType' | 'accessToken' | 'expiresIn'>,
  { startedAt, jwtLife }: { readonly startedAt: number; readonly jwtLife: number },
): UpstreamToken {
  const { tokenType, accessToken, expiresIn } = answer;
  const byClaims = lifeByClaims(timeClaimsOf(accessToken.reveal()), startedAt, jwtLife);
  const byAnswer = expiresIn !== null && sane(expiresIn * 1000) ? expiresIn * 1000 : jwtLife;
  return { tokenType, accessToken, issuedAt: startedAt, expiresAt: startedAt + (byClaims ?? byAnswer) };
}

/** When a JWT is no longer handed out: a little before its end, so that it does not end on the way. */
export function goodUntil(token: UpstreamToken): number {
  return token.expiresAt - Math.min(2000, (token.expiresAt - token.issuedAt) * 0.05);
}

/** When to replace a JWT: at `renewFrom` to `renewTo` of its life, where `random` (0 to 1) says. */
export function renewAt(
  token: UpstreamToken,
  { renewFrom, renewTo }: { readonly renewFrom: number; readonly renewTo: number },
  random: number,
): number {
  const share = renewFrom + Math.max(0, renewTo - renewFrom) * random;
  return Math.min(token.issuedAt + (token.expiresAt - token.issuedAt) * share, goodUntil(token));
}

/** Whether two tokens carry the same JWT. */
export function sameJwt(a: UpstreamToken, b: UpstreamToken): boolean {
  return a.accessToken.reveal() === b.accessToken.reveal();
}
