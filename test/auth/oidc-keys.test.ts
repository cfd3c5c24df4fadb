import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { refusalOf } from './auth-world.ts';
import { createBrowser, createGateway, createOidcRig, type Gateway, newKey, type OidcRig } from './oidc-rig.ts';

const now = () => Date.now();

async function signIn(gateway: Gateway): Promise<readonly string[] | undefined> {
  const browser = createBrowser();
  const { assertion } = await gateway.finish(browser, await gateway.callbackOf(browser));
  return assertion.attributes.preferred_username;
}

/** Makes every ID token carry a key id that the provider does not publish. */
async function useUnknownKey(rig: OidcRig): Promise<void> {
  const key = await newKey('made-up');
  rig.tampering.json.set('/token', async (answer) => {
    const token = String(answer.id_token);
    const header = { ...decodeProtectedHeader(token), alg: 'RS256', kid: key.kid };
    return { ...answer, id_token: await new SignJWT(decodeJwt(token)).setProtectedHeader(header).sign(key.privateKey) };
  });
}

describe('discovery and keys of an OpenID provider', () => {
  it('are read once for many sign-ins, and again when they are old', async () => {
    await using rig = await createOidcRig();
    const clock = createManualClock(now());
    await using gateway = createGateway(rig.issuer, { clock });
    for (let at = 0; at < 3; at++) assert.deepEqual(await signIn(gateway), ['alice']);
    assert.equal(rig.count('/.well-known/openid-configuration'), 1);
    assert.equal(rig.count('/jwks'), 1);
    assert.deepEqual(gateway.provider.state(), { ready: true, reason: null });
    await clock.advance(3_600_000);
    await gateway.begin(createBrowser());
    await eventually('it is read anew', () => rig.count('/.well-known/openid-configuration') === 2);
  });

  it('a new key of the provider is met at the first token that it signs', async () => {
    await using rig = await createOidcRig();
    await using gateway = createGateway(rig.issuer);
    const [old] = rig.keys;
    assert.ok(old);
    assert.deepEqual(await signIn(gateway), ['alice']);
    const next = await newKey();
    rig.useKeys([old, next]);
    assert.deepEqual(await signIn(gateway), ['alice']);
    rig.useKeys([next, old]);
    assert.deepEqual(await signIn(gateway), ['alice']);
    rig.useKeys([next]);
    assert.deepEqual(await signIn(gateway), ['alice']);
    assert.equal(rig.count('/jwks'), 2);
  });

  it('a flood of unknown key ids reads the keys at most once in 30 s', async () => {
    await using rig = await createOidcRig();
    const clock = createManualClock(now());
    await using gateway = createGateway(rig.issuer, { clock });
    assert.deepEqual(await signIn(gateway), ['alice']);
    await useUnknownKey(rig);
    const attempt = async (): Promise<void> => {
      const { code, internal } = await refusalOf(() => signIn(gateway));
      assert.equal(code, 'GW_SIGN_IN_FAILED');
      assert.match(internal ?? '', /no applicable key/);
    };
    for (let at = 0; at < 5; at++) await attempt();
    assert.equal(rig.count('/jwks'), 2);
    await clock.advance(30_000);
    for (let at = 0; at < 5; at++) await attempt();
    assert.equal(rig.count('/jwks'), 3);
    rig.tampering.json.clear();
    assert.deepEqual(await signIn(gateway), ['alice']);
  });

  it('keys that were read go on while the provider does not give them', async () => {
    await using rig = await createOidcRig();
    const clock = createManualClock(now());
    await using gateway = createGateway(rig.issuer, { clock });
    assert.deepEqual(await signIn(gateway), ['alice']);
    rig.tampering.before = (request, response) => {
      if (request.url !== '/jwks') return false;
      response.writeHead(503).end();
      return true;
    };
    await clock.advance(11 * 60_000);
    const browser = createBrowser();
    const callback = await gateway.callbackOf(browser);
    rig.tampering.json.set('/token', async (answer) => ({
      ...answer,
      id_token: await fresh(rig, answer, clock.now()),
    }));
    assert.deepEqual((await gateway.finish(browser, callback)).assertion.attributes.sub, ['p-7f3a91c2']);
    await eventually('they were asked for', () => rig.count('/jwks') === 2);
  });

  it('an unreachable key set is an absent provider, not a refusal, and is not asked again at once', async () => {
    await using rig = await createOidcRig();
    const clock = createManualClock(now());
    await using gateway = createGateway(rig.issuer, { clock });
    rig.tampering.before = (request, response) => {
      if (request.url !== '/jwks') return false;
      response.writeHead(500).end();
      return true;
    };
    for (let at = 0; at < 3; at++) {
      const error = await refusalOf(() => signIn(gateway));
      assert.equal(error.code, 'GW_PROVIDER_UNAVAILABLE');
      assert.equal(error.status, 503);
      assert.ok((error.retryAfter ?? 0) >= 1);
    }
    assert.equal(rig.count('/jwks'), 1);
    delete rig.tampering.before;
    await clock.advance(30_000);
    assert.deepEqual(await signIn(gateway), ['alice']);
  });

  it('a failed discovery cools down for 30 s, then heals by itself', async () => {
    await using rig = await createOidcRig();
    const clock = createManualClock(now());
    rig.tampering.before = (_request, response) => {
      response.destroy();
      return true;
    };
    await using gateway = createGateway(rig.issuer, { clock });
    for (let at = 0; at < 4; at++) {
      const error = await refusalOf(() => gateway.begin(createBrowser()));
      assert.equal(error.code, 'GW_PROVIDER_UNAVAILABLE');
      assert.ok((error.retryAfter ?? 0) > 0 && (error.retryAfter ?? 0) <= 30);
    }
    assert.equal(rig.asked.length, 1);
    const { ready, reason } = gateway.provider.state();
    assert.equal(ready, false);
    assert.match(reason ?? '', /openid-configuration/);
    assert.deepEqual(gateway.ready, [false]);
    delete rig.tampering.before;
    await clock.advance(30_000);
    assert.deepEqual(await signIn(gateway), ['alice']);
    assert.deepEqual(gateway.provider.state(), { ready: true, reason: null });
    assert.deepEqual(gateway.ready, [false, true]);
  });

  it('a callback that comes to another replica during an outage can be repeated there after it', async () => {
    await using rig = await createOidcRig();
    const clock = createManualClock(now());
    const kv = createMemoryKeyValue({ clock });
    await using first = createGateway(rig.issuer, { clock, kv });
    const browser = createBrowser();
    const callback = await first.callbackOf(browser);
    rig.tampering.before = (_request, response) => {
      response.writeHead(503).end();
      return true;
    };
    await using second = createGateway(rig.issuer, { clock, kv });
    assert.equal((await refusalOf(() => second.finish(browser, callback))).code, 'GW_PROVIDER_UNAVAILABLE');
    delete rig.tampering.before;
    await clock.advance(30_000);
    const { assertion } = await second.finish(browser, callback);
    assert.deepEqual(assertion.attributes.preferred_username, ['alice']);
  });

  const documents: readonly (readonly [
    string,
    (genuine: Record<string, unknown>) => Record<string, unknown>,
    RegExp,
  ])[] = [
    ['of another issuer', (d) => ({ ...d, issuer: 'https://evil.example.com' }), /another issuer/],
    ['of the issuer with a slash', (d) => ({ ...d, issuer: `${d.issuer}/` }), /another issuer/],
    ['without keys', ({ jwks_uri: _, ...d }) => d, /no jwks_uri/],
    [
      'whose token endpoint is plain http elsewhere',
      (d) => ({ ...d, token_endpoint: 'http://idp.example.com/token' }),
      /token_endpoint/,
    ],
    ['whose keys are a file', (d) => ({ ...d, jwks_uri: 'file:///etc/passwd' }), /jwks_uri/],
    ['with an endpoint that is a number', (d) => ({ ...d, userinfo_endpoint: 7 }), /userinfo_endpoint/],
  ];
  for (const [name, change, reason] of documents) {
    it(`a discovery document ${name} is not used`, async () => {
      await using rig = await createOidcRig();
      rig.tampering.json.set('/.well-known/openid-configuration', change);
      await using gateway = createGateway(rig.issuer);
      const error = await refusalOf(() => gateway.begin(createBrowser()));
      assert.equal(error.code, 'GW_PROVIDER_UNAVAILABLE');
      assert.match(error.internal ?? '', reason);
    });
  }

  it('redirects are not followed', async () => {
    await using rig = await createOidcRig();
    await using elsewhere = await createOidcRig();
    rig.tampering.before = (_request, response) => {
      response.writeHead(302, { location: `${elsewhere.issuer}/.well-known/openid-configuration` }).end();
      return true;
    };
    await using gateway = createGateway(rig.issuer);
    const error = await refusalOf(() => gateway.begin(createBrowser()));
    assert.match(error.internal ?? '', /answered 302/);
    assert.equal(elsewhere.asked.length, 0);
  });

  it('an endless answer is cut', async () => {
    await using rig = await createOidcRig();
    rig.tampering.before = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.on('drain', () => response.write('x'.repeat(65_536)));
      while (response.write('x'.repeat(65_536)));
      return true;
    };
    await using gateway = createGateway(rig.issuer);
    assert.equal((await refusalOf(() => gateway.begin(createBrowser()))).code, 'GW_PROVIDER_UNAVAILABLE');
  });

  it('a provider that never answers is given up', async () => {
    await using rig = await createOidcRig();
    rig.tampering.before = () => true;
    await using gateway = createGateway(rig.issuer, { timeoutMs: 50 });
    assert.equal((await refusalOf(() => gateway.begin(createBrowser()))).code, 'GW_PROVIDER_UNAVAILABLE');
  });
});

/** The same ID token as of another time, since the clock of the provider cannot be moved. */
async function fresh(rig: OidcRig, answer: Record<string, unknown>, at: number): Promise<string> {
  const token = String(answer.id_token);
  const seconds = Math.floor(at / 1000);
  const key = rig.keys[0];
  assert.ok(key);
  return new SignJWT({ ...decodeJwt(token), iat: seconds, exp: seconds + 300 })
    .setProtectedHeader({ ...decodeProtectedHeader(token), alg: 'RS256' })
    .sign(key.privateKey);
}

describe('the clock of an OpenID provider', () => {
  const skewed = async (offsetMs: number, clockSkew: string): Promise<string> => {
    await using rig = await createOidcRig();
    const clock = createManualClock(systemClock.now() + offsetMs);
    await using gateway = createGateway(rig.issuer, { clock, config: { clockSkew } });
    const browser = createBrowser();
    try {
      await gateway.finish(browser, await gateway.callbackOf(browser));
      return 'signed in';
    } catch (error) {
      return (error as { readonly internal?: string }).internal ?? String(error);
    }
  };

  it('may be behind or ahead by the configured difference', async () => {
    assert.equal(await skewed(-50_000, '1m'), 'signed in');
    assert.equal(await skewed(300_000 + 50_000, '1m'), 'signed in');
  });

  it('must not be off by more', async () => {
    assert.match(await skewed(-70_000, '1m'), /future/);
    assert.match(await skewed(300_000 + 70_000, '1m'), /exp/);
    assert.match(await skewed(-10_000, '2s'), /future/);
  });
});
