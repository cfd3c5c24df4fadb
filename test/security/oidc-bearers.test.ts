import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { type JWTPayload, SignJWT } from 'jose';
import { refusalOf, seenOf } from '../auth/auth-world.ts';
import { type BearersWorld, createBearersWorld, createIssuer, type Issuer, jwtEntry } from '../auth/bearers-rig.ts';
import { newKey } from '../auth/oidc-rig.ts';

interface Parts {
  readonly issuer: Issuer;
  readonly world: BearersWorld;
}

type Forge = (parts: Parts) => string | Promise<string>;

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const withClaims =
  (more: JWTPayload, header: Record<string, unknown> = {}): Forge =>
  ({ issuer, world }) =>
    issuer.sign(world.claims(issuer, more), header);
/** Seconds from now on the clock of the gateway. */
const later =
  (name: string, offset: number): Forge =>
  (parts) =>
    withClaims({ [name]: Math.floor(parts.world.clock.now() / 1000) + offset })(parts);
const lacking =
  (name: string): Forge =>
  ({ issuer, world }) =>
    issuer.sign(Object.fromEntries(Object.entries(world.claims(issuer)).filter(([key]) => key !== name)));

const FORGED: readonly (readonly [string, Forge, RegExp])[] = [
  ['of an issuer that is not configured', withClaims({ iss: 'https://evil.example.com' }), /nobody configured/],
  ['whose issuer differs by a slash', (p) => withClaims({ iss: `${p.issuer.url}/` })(p), /nobody configured/],
  ['without an issuer', lacking('iss'), /names no issuer/],
  ['for another audience', withClaims({ aud: 'another' }), /aud/],
  ['without an audience', lacking('aud'), /aud/],
  ['that has ended', later('exp', -61), /exp/],
  ['without an end', lacking('exp'), /exp/],
  ['that is not valid yet', later('nbf', 61), /nbf/],
  ['from the future', later('iat', 61), /future/],
  ['of type JWT (an ID token or anything)', withClaims({}, { typ: 'JWT' }), /no access token/],
  ['without a type', withClaims({}, { typ: undefined }), /no access token/],
  ['of a logout', withClaims({}, { typ: 'logout+jwt' }), /no access token/],
  ['with a nonce (an ID token)', withClaims({ nonce: 'n' }), /nonce/],
  ['with at_hash (an ID token)', withClaims({ at_hash: 'h' }), /at_hash/],
  ['about events (a logout token)', withClaims({ events: {} }), /events/],
  ['bound to a key that the caller does not prove (DPoP, mTLS)', withClaims({ cnf: { jkt: 'k' } }), /cnf/],
  ['whose claims call it an ID token', withClaims({ typ: 'ID' }), /claims say/],
  ['whose claims call it a refresh token', withClaims({ typ: 'Refresh' }), /claims say/],
  ['with token_use id', withClaims({ token_use: 'id' }), /claims say/],
  [
    'with an algorithm beside the list',
    ({ issuer, world }) => {
      const [, payload, signature] = `x.${part(world.claims(issuer))}.AAAA`.split('.');
      return `${part({ alg: 'RS512', typ: 'at+jwt' })}.${payload}.${signature}`;
    },
    /alg/,
  ],
  ['unsigned', ({ issuer, world }) => `${part({ alg: 'none', typ: 'at+jwt' })}.${part(world.claims(issuer))}.`, /alg/],
  [
    'with HS256 over the public key (key confusion)',
    ({ issuer, world }) => {
      const key = issuer.keys[0];
      assert.ok(key);
      const pem = createPublicKey({ key: { ...key.publicJwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      const header = { alg: 'HS256', typ: 'at+jwt', kid: key.kid };
      return new SignJWT(world.claims(issuer)).setProtectedHeader(header).sign(Buffer.from(pem));
    },
    /alg/,
  ],
  [
    'signed by a forger under the genuine key id',
    async ({ issuer, world }) => {
      const kid = issuer.keys[0]?.kid;
      return issuer.sign(world.claims(issuer), { kid }, await newKey());
    },
    /signature/,
  ],
  [
    'with a key of the forger in the header',
    async ({ issuer, world }) => {
      const forger = await newKey();
      return issuer.sign(world.claims(issuer), { kid: issuer.keys[0]?.kid, jwk: forger.publicJwk }, forger);
    },
    /signature/,
  ],
  [
    'with a key address of the forger in the header',
    async ({ issuer, world }) => {
      const forger = await newKey();
      return issuer.sign(world.claims(issuer), { kid: 'f', jku: 'http://127.0.0.1:9/jwks' }, forger);
    },
    /no applicable key/,
  ],
  ['with critical extensions', withClaims({}, { crit: ['b64'], b64: true }), /critical|crit/],
  [
    'with changed claims',
    async ({ issuer, world }) => {
      const [header, , signature] = (await issuer.sign(world.claims(issuer))).split('.');
      return `${header}.${part(world.claims(issuer, { sub: 'root' }))}.${signature}`;
    },
    /signature/,
  ],
  ['longer than 8 KiB', withClaims({ pad: 'x'.repeat(9000) }), /8 KiB/],
  ['with characters of no token', () => 'a b', /characters/],
  ['that is empty', () => '', /characters/],
  ['that is opaque', () => 'c29tZXRoaW5n', /nobody configured/],
  ['whose claims are no JSON', () => `${part({ alg: 'RS256' })}.e30x.AAAA`, /cannot be read/],
];

describe('forged and misused bearer tokens', () => {
  for (const [name, forge, reason] of FORGED) {
    it(`refuses a token ${name}`, async () => {
      await using issuer = await createIssuer();
      await using world = createBearersWorld([jwtEntry(issuer)]);
      const token = await forge({ issuer, world });
      const error = await refusalOf(() => world.bearers.authenticate(token));
      assert.match(error.internal ?? '', reason);
      assert.equal(
        seenOf(error),
        JSON.stringify({
          status: 401,
          code: 'GW_UNAUTHENTICATED',
          detail: 'The access token is not valid.',
          headers: { 'WWW-Authenticate': 'Bearer realm="vov-gateway", error="invalid_token"' },
        }),
      );
      assert.equal(world.admitted.length, 0);
      assert.ok(!(error.internal ?? '').includes('eyJ'));
      if (/nobody configured|8 KiB|characters|names no issuer|cannot be read/.test(error.internal ?? '')) {
        assert.deepEqual(issuer.asked, [], 'a foreign token costs the issuer nothing');
        assert.deepEqual(world.signIns, []);
      } else
        assert.deepEqual(
          world.signIns.map(({ result }) => result),
          ['failed'],
        );
    });
  }

  it('an ID token is refused even where the entry takes any type', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer, { tokenType: 'any' })]);
    for (const more of [{ nonce: 'n' }, { at_hash: 'h' }, { typ: 'ID' }, { token_use: 'id' }]) {
      const token = await issuer.sign(world.claims(issuer, more), { typ: 'JWT' });
      assert.equal((await refusalOf(() => world.bearers.authenticate(token))).code, 'GW_UNAUTHENTICATED');
    }
    const logout = await issuer.sign(world.claims(issuer), { typ: 'logout+jwt' });
    assert.equal((await refusalOf(() => world.bearers.authenticate(logout))).code, 'GW_UNAUTHENTICATED');
  });

  it('the tolerated difference of the clocks is exact', async () => {
    await using issuer = await createIssuer();
    await using world = createBearersWorld([jwtEntry(issuer, { clockSkew: '30s' })]);
    const works = async (name: string, offset: number): Promise<boolean> => {
      const token = await later(name, offset)({ issuer, world });
      return Promise.resolve(world.bearers.authenticate(token)).then(
        () => true,
        () => false,
      );
    };
    assert.deepEqual([await works('exp', -29), await works('exp', -30)], [true, false]);
    assert.deepEqual([await works('nbf', 30), await works('nbf', 31)], [true, false]);
    assert.deepEqual([await works('iat', 30), await works('iat', 31)], [true, false]);
  });
});
