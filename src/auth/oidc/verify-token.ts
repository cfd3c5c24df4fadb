import { errors, type JWTHeaderParameters, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../../kernel/index.ts';

/** What every signed token of an issuer must hold. */
export interface TokenChecks {
  readonly issuer: string;
  /** One of these must be in `aud`. */
  readonly audience: readonly string[];
  /** Allow-list; `none` and symmetric algorithms are never in it. */
  readonly algorithms: readonly string[];
  /** Milliseconds of tolerated difference between the clocks. */
  readonly clockSkew: number;
  readonly required: readonly string[];
}

export interface VerifiedToken {
  readonly header: JWTHeaderParameters;
  readonly claims: JWTPayload;
}

/** A token that fails a check of its kind; the message is for the log. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}

/** The configured algorithms with the newer name of EdDSA over Ed25519 (RFC 9864). */
export function acceptedAlgorithms(algorithms: readonly string[]): string[] {
  return algorithms.includes('EdDSA') ? [...algorithms, 'Ed25519'] : [...algorithms];
}

/**
 * Verifies signature, algorithm, issuer, audience and times of a JWT (RFC 7519, RFC 8725). Throws {@link TokenRefused}, or
 * ProviderUnreachable when the keys cannot be had.
 */
export async function verifyToken(
  token: string,
  keys: JWTVerifyGetKey,
  checks: TokenChecks,
  clock: Clock,
): Promise<VerifiedToken> {
  const options = {
    issuer: checks.issuer,
    audience: [...checks.audience],
    algorithms: acceptedAlgorithms(checks.algorithms),
    clockTolerance: checks.clockSkew / 1000,
    currentDate: new Date(clock.now()),
    requiredClaims: [...checks.required],
  };
  try {
    const { payload, protectedHeader } = await verifyWithOneOf(token, keys, options);
    const { iat } = payload;
    if (iat !== undefined && iat * 1000 > clock.now() + checks.clockSkew) {
      throw new TokenRefused('iat is in the future');
    }
    return { header: protectedHeader, claims: payload };
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    throw new TokenRefused(`${error.code}: ${error.message}`, { cause: error });
  }
}

type Verified = Awaited<ReturnType<typeof jwtVerify>>;

/** A token without a key id may fit several keys of the set; each is tried. */
async function verifyWithOneOf(
  token: string,
  keys: JWTVerifyGetKey,
  options: Parameters<typeof jwtVerify>[2],
): Promise<Pick<Verified, 'payload' | 'protectedHeader'>> {
  try {
    return await jwtVerify(token, keys, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** The `typ` of a header as RFC 7515 compares it: without `application/`, in lower case; empty when there is none. */
export function typeOf(header: JWTHeaderParameters): string {
  return typeof header.typ === 'string' ? header.typ.toLowerCase().replace(/^application\//, '') : '';
}
