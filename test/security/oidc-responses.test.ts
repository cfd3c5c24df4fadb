import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, decodeProtectedHeader, importJWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { GatewayError } from '../../src/kernel/index.ts';
import {
  type Browser,
  CLIENT_ID,
  CLIENT_SECRET,
  createBrowser,
  createGateway,
  createOidcRig,
  type Gateway,
  newKey,
  type OidcRig,
  SUBJECT,
  webRequest,
} from '../auth/oidc-rig.ts';

type Claims = Record<string, unknown>;

const PUBLIC_TEXT =
  'The answer of the identity provider was not accepted. Start the sign-in again; if it stays, tell the administrator the request id.';

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** How a genuine ID token is changed before the gateway gets it. */
type Forge = (genuine: { claims: Claims; header: JWTHeaderParameters; token: string }, rig: OidcRig) => unknown;

/** Other claims or another header, signed with the provider's own key. */
const resign =
  (
    claims: (genuine: Claims) => Claims,
    header: (genuine: JWTHeaderParameters) => JWTHeaderParameters = (h) => h,
  ): Forge =>
  (genuine, rig) => {
    const key = rig.keys[0];
    assert.ok(key);
    return new SignJWT(claims(genuine.claims)).setProtectedHeader(header(genuine.header)).sign(key.privateKey);
  };

const signWithSecret =
  (secretOf: (rig: OidcRig) => Uint8Array): Forge =>
  ({ claims, header }, rig) =>
    new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(secretOf(rig));

const publicPem = (rig: OidcRig): Uint8Array => {
  const jwk = rig.keys[0]?.publicJwk ?? {};
  const pem = createPublicKey({ key: { ...jwk }, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  return Buffer.from(pem);
};

/** Each forged ID token with the reason that must stand in the log. */
const ID_TOKENS: readonly (readonly [string, Forge, RegExp])[] = [
  ['the nonce of another sign-in', resign((c) => ({ ...c, nonce: 'n-of-another' })), /nonce/],
  ['no nonce', resign(({ nonce: _, ...c }) => c), /"nonce".*missing/],
  ['another audience', resign((c) => ({ ...c, aud: 'another-client' })), /"aud"|aud/],
  ['several audiences without azp', resign((c) => ({ ...c, aud: [CLIENT_ID, 'x'] })), /additional untrusted audiences/],
  ['several audiences and the azp of another', resign((c) => ({ ...c, aud: [CLIENT_ID, 'x'], azp: 'x' })), /azp/],
  ['one audience and the azp of another', resign((c) => ({ ...c, azp: 'x' })), /azp names another client/],
  ['another issuer', resign((c) => ({ ...c, iss: 'https://evil.example.com' })), /iss/],
  ['a missing issuer', resign(({ iss: _, ...c }) => c), /"iss".*missing/],
  ['a subject that is empty', resign((c) => ({ ...c, sub: '' })), /sub/],
  ['an end in the past', resign((c) => ({ ...c, exp: Math.floor(Date.now() / 1000) - 120 })), /"exp"/],
  ['no end', resign(({ exp: _, ...c }) => c), /"exp".*missing/],
  [
    'an issue time in the future',
    resign((c) => ({ ...c, iat: Math.floor(Date.now() / 1000) + 600 })),
    /iat is in the future/,
  ],
  ['a start in the future', resign((c) => ({ ...c, nbf: Math.floor(Date.now() / 1000) + 600 })), /"nbf"/],
  ['alg none', ({ claims }) => `${base64({ alg: 'none' })}.${base64(claims)}.`, /"alg"/],
  ['alg None in another spelling', ({ claims }) => `${base64({ alg: 'nOnE' })}.${base64(claims)}.`, /"alg"/],
  ['HS256 with the public key (key confusion)', signWithSecret(publicPem), /"alg"/],
  ['HS256 with the client secret', signWithSecret(() => Buffer.from(CLIENT_SECRET.padEnd(32, '0'))), /"alg"/],
  [
    'an algorithm beside the list',
    async ({ claims, header }, rig) => {
      const key = await importJWK({ ...rig.keys[0]?.privateJwk, alg: 'RS512' }, 'RS512');
      return new SignJWT(claims).setProtectedHeader({ ...header, alg: 'RS512' }).sign(key);
    },
    /"alg"/,
  ],
  [
    'another kind of token',
    resign(
      (c) => c,
      (h) => ({ ...h, typ: 'logout+jwt' }),
    ),
    /another kind of token/,
  ],
  [
    'a critical extension',
    ({ claims, header, token }) => {
      const [, payload, signature] = token.split('.');
      assert.ok(claims);
      return `${base64({ ...header, crit: ['x'], x: 1 })}.${payload}.${signature}`;
    },
    /crit/,
  ],
  [
    'a key of the forger under the genuine key id',
    async ({ claims, header }) => {
      const forger = await newKey();
      return new SignJWT(claims).setProtectedHeader(header).sign(forger.privateKey);
    },
    /signature verification failed/,
  ],
  [
    'a key of the forger in the header',
    async ({ claims, header }) => {
      const forger = await newKey();
      const jwk = forger.publicJwk;
      return new SignJWT(claims).setProtectedHeader({ ...header, jwk }).sign(forger.privateKey);
    },
    /signature verification failed/,
  ],
  [
    'a key id that nobody has',
    async ({ claims }) => {
      const forger = await newKey();
      return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'made-up' }).sign(forger.privateKey);
    },
    /no applicable key/,
  ],
  [
    'changed claims under the genuine signature',
    ({ claims, token }) => {
      const [header, , signature] = token.split('.');
      return `${header}.${base64({ ...claims, sub: 'another-person' })}.${signature}`;
    },
    /signature verification failed/,
  ],
  ['an ID token that is no text', () => 7, /id_token/],
  ['no ID token', () => undefined, /id_token/],
  ['an ID token that is no token', () => 'a.b.c', /JWT/],
];

/** Each changed callback of a browser with a genuine sign-in under way. */
type Change = (callback: URL, parts: { gateway: Gateway; browser: Browser }) => unknown;

const CALLBACKS: readonly (readonly [string, Change, RegExp])[] = [
  ['no state', (url) => url.searchParams.delete('state'), /no state/],
  ['a made-up state', (url) => url.searchParams.set('state', 'A'.repeat(43)), /no sign-in of this browser/],
  ['the state twice', (url) => url.searchParams.append('state', url.searchParams.get('state') ?? ''), /duplicated/],
  ['the code twice', (url) => url.searchParams.append('code', 'x'), /duplicated/],
  ['the issuer twice', (url) => url.searchParams.append('iss', 'x'), /duplicated/],
  ['no code', (url) => url.searchParams.delete('code'), /no code/],
  ['a made-up code', (url) => url.searchParams.set('code', 'made-up'), /the token endpoint refused: invalid_grant/],
  [
    'the issuer of another provider (mix-up, RFC 9207)',
    (url) => url.searchParams.set('iss', 'https://evil.example.com'),
    /"iss"/,
  ],
  ['no issuer although the provider sends it (RFC 9207)', (url) => url.searchParams.delete('iss'), /"iss".*missing/],
  ['an ID token in the address (implicit flow)', (url) => url.searchParams.set('id_token', 'x'), /id_token/],
  ['an access token in the address', (url) => url.searchParams.set('access_token', 'x'), /access_token/],
  ['a signed response that was not asked for (JARM)', (url) => url.searchParams.set('response', 'x'), /response/],
  ['a query of 9 KiB', (url) => url.searchParams.set('x', 'x'.repeat(9000)), /longer than 8 KiB/],
  [
    'an error of the provider with control characters',
    (url) => {
      url.searchParams.delete('code');
      url.searchParams.set('error', 'server_error');
      url.searchParams.set('error_description', `line\r\nlevel=info \u001b[31m${'x'.repeat(1000)}`);
    },
    /^[\x20-\x7e]{1,300}$/,
  ],
  [
    'access_denied of the provider',
    (url) => {
      url.searchParams.delete('code');
      url.searchParams.set('error', 'access_denied');
    },
    /the provider refused: access_denied/,
  ],
  [
    'the cookie of another browser (login CSRF)',
    async (_url, { gateway, browser }) => {
      const other = createBrowser();
      await gateway.begin(other);
      for (const [name, value] of other.cookies) browser.cookies.set(name, value);
    },
    /no sign-in of this browser/,
  ],
  ['no cookie', (_url, { browser }) => browser.cookies.clear(), /no sign-in of this browser/],
  [
    'the code of another sign-in (code injection)',
    async (url, { gateway }) => {
      const victim = await gateway.callbackOf(createBrowser());
      url.searchParams.set('code', victim.searchParams.get('code') ?? '');
    },
    /the token endpoint refused: invalid_grant/,
  ],
  [
    'a callback that was used before',
    async (url, { gateway, browser }) => {
      await gateway.finish(browser, new URL(url));
    },
    /no sign-in of this browser/,
  ],
];

async function refusal(act: () => Promise<unknown>): Promise<GatewayError> {
  try {
    await act();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  assert.fail('there is a session');
}

function assertPlain(error: GatewayError, reason: RegExp): void {
  assert.equal(error.code, 'GW_SIGN_IN_FAILED', error.internal);
  assert.equal(error.detail, PUBLIC_TEXT);
  assert.deepEqual(error.headers, {});
  assert.equal(error.retryAfter, undefined);
  assert.match(error.internal ?? '', reason);
  assert.doesNotMatch(error.internal ?? '', /eyJ|[^\x20-\x7e]/);
}

describe('responses of an OpenID provider that were tampered with', () => {
  let rig: OidcRig;
  let gateway: Gateway;
  before(async () => {
    rig = await createOidcRig();
    gateway = createGateway(rig.issuer);
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
    await rig[Symbol.asyncDispose]();
  });

  for (const [name, forge, reason] of ID_TOKENS) {
    it(`ID token: ${name}`, async () => {
      const browser = createBrowser();
      const callback = await gateway.callbackOf(browser);
      let forged: unknown;
      rig.tampering.json.set('/token', async (answer) => {
        const token = String(answer.id_token);
        forged = await forge(
          { claims: decodeJwt(token), header: decodeProtectedHeader(token) as JWTHeaderParameters, token },
          rig,
        );
        return { ...answer, id_token: forged };
      });
      try {
        assertPlain(await refusal(() => gateway.finish(browser, callback)), reason);
        const secret = typeof forged === 'string' && forged.length > 20 ? forged : null;
        if (secret !== null) assert.ok(!JSON.stringify(gateway.log).includes(secret));
      } finally {
        rig.tampering.json.clear();
      }
    });
  }

  for (const [name, change, reason] of CALLBACKS) {
    it(`callback: ${name}`, async () => {
      const browser = createBrowser();
      const callback = await gateway.callbackOf(browser);
      await change(callback, { gateway, browser });
      assertPlain(await refusal(() => gateway.finish(browser, callback)), reason);
    });
  }

  it('callback: by POST', async () => {
    const browser = createBrowser();
    const { searchParams: query } = await gateway.callbackOf(browser);
    const request = webRequest({ method: 'POST', query, cookies: browser.cookies });
    assertPlain(await refusal(() => gateway.provider.finish(request)), /another method/);
  });

  it('callback: of a sign-in that was begun at another provider of the same gateway', async () => {
    const browser = createBrowser();
    const flow = await gateway.flows.start(webRequest(), { provider: 'other', returnTo: '/', facts: {} });
    browser.cookies.set('vovgw-flow', flow.cookie);
    const callback = new URL(`https://gw.example.com/?code=x&state=${flow.state}&iss=${rig.issuer}`);
    assertPlain(await refusal(() => gateway.finish(browser, callback)), /no sign-in of this browser/);
  });

  it('userinfo: of another subject', async () => {
    await using strict = createGateway(rig.issuer, { config: { userinfo: true } });
    const browser = createBrowser();
    const callback = await strict.callbackOf(browser);
    rig.tampering.json.set('/me', (answer) => ({ ...answer, sub: 'another-person' }));
    try {
      assertPlain(await refusal(() => strict.finish(browser, callback)), /"sub"|sub/);
    } finally {
      rig.tampering.json.clear();
    }
  });

  it('the callback of another browser does not take the sign-in from its owner', async () => {
    const browser = createBrowser();
    const callback = await gateway.callbackOf(browser);
    assertPlain(await refusal(() => gateway.finish(createBrowser(), callback)), /no sign-in of this browser/);
    const { assertion } = await gateway.finish(browser, callback);
    assert.deepEqual(assertion.attributes.sub, [SUBJECT]);
  });

  it('a genuine token that is signed anew without a change passes, so that the forgeries above fail for their own reason', async () => {
    const browser = createBrowser();
    const callback = await gateway.callbackOf(browser);
    rig.tampering.json.set('/token', async (answer) => {
      const token = String(answer.id_token);
      const header = decodeProtectedHeader(token) as JWTHeaderParameters;
      return { ...answer, id_token: await resign((c) => c)({ claims: decodeJwt(token), header, token }, rig) };
    });
    try {
      const { assertion } = await gateway.finish(browser, callback);
      assert.deepEqual(assertion.attributes.sub, [SUBJECT]);
    } finally {
      rig.tampering.json.clear();
    }
  });
});
