import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type JWTPayload, SignJWT } from 'jose';
import { GatewayError, systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import {
  CLIENT_ID,
  createBrowser,
  createGateway,
  createOidcRig,
  type Gateway,
  newKey,
  type OidcRig,
  type SigningKey,
  SUBJECT,
  webRequest,
} from '../auth/oidc-rig.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

interface Logout {
  readonly claims: JWTPayload;
  readonly header: { alg: string; typ?: string; kid: string };
  readonly key: SigningKey['privateKey'] | Uint8Array;
}

let jtis = 0;

function genuine(rig: OidcRig): Logout {
  const key = rig.keys[0];
  assert.ok(key);
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: rig.issuer, aud: CLIENT_ID, iat: now, exp: now + 120, sub: SUBJECT, sid: 'sid-1' };
  return {
    claims: { ...claims, jti: `jti-${jtis++}`, events: { [EVENT]: {} } },
    header: { alg: 'RS256', typ: 'logout+jwt', kid: key.kid },
    key: key.privateKey,
  };
}

const sign = ({ claims, header, key }: Logout): Promise<string> =>
  new SignJWT(claims).setProtectedHeader(header).sign(key);

const requestWith = (token: string) =>
  webRequest({
    method: 'POST',
    path: '/oidc/corp/backchannel-logout',
    form: new URLSearchParams({ logout_token: token }),
  });

const without = (claims: JWTPayload, name: string): JWTPayload =>
  Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));

const withClaims = (more: JWTPayload) => (logout: Logout) => ({ ...logout, claims: { ...logout.claims, ...more } });
const lacking = (name: string) => (logout: Logout) => ({ ...logout, claims: without(logout.claims, name) });
const seconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset;

const FORGED: readonly (readonly [string, (logout: Logout) => Logout | Promise<Logout>, RegExp])[] = [
  ['of another issuer', withClaims({ iss: 'https://evil.example.com' }), /iss/],
  ['for another client', withClaims({ aud: 'another' }), /aud/],
  ['without an issue time', lacking('iat'), /iat/],
  ['without an end', lacking('exp'), /exp/],
  ['without an id', lacking('jti'), /jti/],
  ['with an empty id', withClaims({ jti: '' }), /jti is empty/],
  ['without events', lacking('events'), /events/],
  [
    'about another event',
    withClaims({ events: { 'http://schemas.example.com/other': {} } }),
    /not about a back-channel logout/,
  ],
  ['whose event is no object', withClaims({ events: { [EVENT]: true } }), /not about a back-channel logout/],
  ['with a nonce (an ID token in disguise)', withClaims({ nonce: 'n' }), /nonce/],
  [
    'that names nobody',
    (l) => ({ ...l, claims: without(without(l.claims, 'sid'), 'sub') }),
    /neither a session nor a subject/,
  ],
  ['that has ended', withClaims({ exp: seconds(-120) }), /exp/],
  ['from the future', withClaims({ iat: seconds(600) }), /future/],
  ['that is an hour old', withClaims({ iat: seconds(-3600) }), /too old/],
  ['of another type', (l) => ({ ...l, header: { ...l.header, typ: 'at+jwt' } }), /another kind of token/],
  ['with a key id that nobody has', (l) => ({ ...l, header: { ...l.header, kid: 'made-up' } }), /no applicable key/],
  ['signed by a forger', async (l) => ({ ...l, key: (await newKey()).privateKey }), /signature/],
  ['with HS256', (l) => ({ ...l, header: { ...l.header, alg: 'HS256' }, key: Buffer.alloc(32, 1) }), /alg/],
];

describe('back-channel logout by OpenID Connect', () => {
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

  const deliver = async (request: ReturnType<typeof webRequest>) => {
    const ended: string[] = [];
    const outcome = await gateway.provider.takeLogout(request, async (keys) => void ended.push(...keys));
    assert.deepEqual(outcome.ended, ended);
    return { ended, answer: outcome.answer };
  };

  const assertRefused = async (request: ReturnType<typeof webRequest>, reason: RegExp): Promise<void> => {
    const { ended, answer } = await deliver(request);
    assert.deepEqual(ended, []);
    assert.deepEqual(answer, {
      kind: 'json',
      status: 400,
      headers: { 'Cache-Control': 'no-store' },
      body: { error: 'invalid_request' },
    });
    assert.match(gateway.log.at(-1)?.reason ?? '', reason);
  };

  it('ends the session that the token of the real provider names', async () => {
    const browser = createBrowser();
    const { providerSession } = await gateway.finish(browser, await gateway.callbackOf(browser));
    const sid = providerSession.keys[1] ?? '';
    const client = await rig.server.Client.find(CLIENT_ID);
    assert.ok(client);
    await client.backchannelLogout(SUBJECT, sid.slice('sid:'.length));
    const token = rig.logoutTokens.at(-1) ?? '';
    const { ended, answer } = await deliver(requestWith(token));
    assert.deepEqual(ended, [sid]);
    assert.deepEqual(answer, { kind: 'empty', status: 200, headers: { 'Cache-Control': 'no-store' } });
    await assertRefused(requestWith(token), /used before/);
  });

  it('ends all sessions of the subject when the token names no session', async () => {
    const { ended } = await deliver(requestWith(await sign(lacking('sid')(genuine(rig)))));
    assert.deepEqual(ended, [`sub:${SUBJECT}`]);
  });

  it('names only the session that it is about, so that a wrong sid ends nobody else', async () => {
    const { ended } = await deliver(requestWith(await sign(withClaims({ sid: 'of-another' })(genuine(rig)))));
    assert.deepEqual(ended, ['sid:of-another']);
  });

  it('takes a token of a provider that writes no explicit type', async () => {
    const { header, ...rest } = genuine(rig);
    const { ended } = await deliver(requestWith(await sign({ ...rest, header: { alg: header.alg, kid: header.kid } })));
    assert.deepEqual(ended, ['sid:sid-1']);
  });

  for (const [name, change, reason] of FORGED) {
    it(`refuses a token ${name}`, async () => {
      await assertRefused(requestWith(await sign(await change(genuine(rig)))), reason);
    });
  }

  it('refuses an unsigned token', async () => {
    const { claims } = genuine(rig);
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    await assertRefused(requestWith(`${part({ alg: 'none' })}.${part(claims)}.`), /alg/i);
  });

  it('refuses a genuine ID token in its place', async () => {
    const browser = createBrowser();
    const { providerSession } = await gateway.finish(browser, await gateway.callbackOf(browser));
    await assertRefused(requestWith(providerSession.hint), /jti|events/);
  });

  it('refuses a request that carries none, two, a huge one, or comes by GET', async () => {
    const token = await sign(genuine(rig));
    const form = new URLSearchParams([
      ['logout_token', token],
      ['logout_token', token],
    ]);
    const one = /exactly one logout token/;
    await assertRefused(webRequest({ method: 'POST' }), one);
    await assertRefused(webRequest({ method: 'POST', form }), one);
    await assertRefused(requestWith('x'.repeat(20_000)), one);
    await assertRefused(webRequest({ method: 'GET', form: new URLSearchParams({ logout_token: token }) }), one);
    const { ended } = await deliver(requestWith(token));
    assert.deepEqual(ended, ['sid:sid-1'], 'the token was not used up by the refusals');
  });

  it('takes a token again on another replica than the one that could not end its sessions', async () => {
    const kv = createMemoryKeyValue({ clock: systemClock });
    await using one = createGateway(rig.issuer, { kv });
    await using two = createGateway(rig.issuer, { kv });
    const request = requestWith(await sign(genuine(rig)));
    const away = new GatewayError('GW_STORE_UNAVAILABLE', 'away');
    await assert.rejects(
      one.provider.takeLogout(request, () => Promise.reject(away)),
      away,
    );
    const ended: string[] = [];
    const end = async (keys: readonly string[]): Promise<void> => void ended.push(...keys);
    const { answer } = await two.provider.takeLogout(request, end);
    assert.deepEqual([answer.kind, ended], ['empty', ['sid:sid-1']]);
    assert.equal((await one.provider.takeLogout(request, end)).answer.kind, 'json');
    assert.deepEqual(ended, ['sid:sid-1']);
  });

  it('tells no success while sessions cannot be ended, and takes the token again then', async () => {
    const request = requestWith(await sign(genuine(rig)));
    const away = new GatewayError('GW_STORE_UNAVAILABLE', 'away');
    await assert.rejects(
      gateway.provider.takeLogout(request, async () => {
        throw away;
      }),
      away,
    );
    const { ended } = await deliver(request);
    assert.deepEqual(ended, ['sid:sid-1']);
    await assertRefused(request, /used before/);
  });
});
