import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { Level } from './users.ts';

/** What a JWT of the stand-in says. `exp` and `iat` are seconds since the epoch, as in RFC 7519. */
export interface Claims {
  readonly sub: string;
  readonly lvl: Level;
  readonly jti: string;
  readonly iat: number;
  readonly exp?: number;
}

/** An issued JWT; `endsAt` in milliseconds since the epoch holds whatever the JWT itself says. */
export interface Issued {
  readonly claims: Claims;
  readonly endsAt: number;
}

/** Issues and reads JWTs under one key. */
export interface Signer {
  issue(user: string, level: Level, now: number, lifeMs: number, saysExpiry: boolean): { jwt: string } & Issued;
  /** Null when this signer did not issue it; expiry is not looked at. */
  read(jwt: string): Issued | null;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Makes a signer with a key of its own, as each start of vovserver is taken to do. */
export function createSigner(): Signer {
  const key = randomBytes(32);
  const header = encode({ alg: 'HS256', typ: 'JWT' });
  const issued = new Map<string, Issued>();
  const seal = (content: string): string => createHmac('sha256', key).update(content).digest('base64url');
  return {
    issue(user, level, now, lifeMs, saysExpiry) {
      const endsAt = now + lifeMs;
      const base = { sub: user, lvl: level, jti: randomUUID(), iat: Math.floor(now / 1000) };
      const claims: Claims = saysExpiry ? { ...base, exp: Math.floor(endsAt / 1000) } : base;
      const content = `${header}.${encode(claims)}`;
      const jwt = `${content}.${seal(content)}`;
      const entry = { claims, endsAt: saysExpiry ? Math.floor(endsAt / 1000) * 1000 : endsAt };
      issued.set(jwt, entry);
      return { jwt, ...entry };
    },
    // Only what was issued here is known, so a changed signature or claim is unknown too.
    read: (jwt) => issued.get(jwt) ?? null,
  };
}
