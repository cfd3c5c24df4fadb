import { randomUUID } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type { SigningKey } from './keys.ts';
import { claimsOf, type Person } from './people.ts';
import type { AccessTokenOptions } from './ports.ts';
import { CLIENT_ID } from './registrations.ts';

/** A JWT access token of a person (RFC 9068). `now` in milliseconds since the epoch. */
export async function signAccessToken(
  issuer: string,
  key: SigningKey,
  person: Person,
  now: number,
  wanted: AccessTokenOptions,
): Promise<string> {
  const seconds = Math.floor(now / 1000);
  const audience = wanted.audience ?? 'vov-gateway';
  const claims = {
    iss: issuer,
    sub: person.subject,
    aud: typeof audience === 'string' ? audience : [...audience],
    iat: seconds,
    exp: seconds + (wanted.expiresIn ?? 300),
    jti: randomUUID(),
    client_id: CLIENT_ID,
    scope: wanted.scope ?? 'read submit control',
    ...claimsOf(person),
    ...wanted.claims,
  };
  const header = { alg: 'RS256', typ: wanted.typ ?? 'at+jwt', kid: key.kid };
  return new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(key.jwk, 'RS256'));
}
