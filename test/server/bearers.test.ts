import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createSignInWorld, type SignInWorld } from '../world/sign-in-world.ts';
import { configOf } from '../world/world.ts';

const READ = '/api/v3/project/1/project';
const AUDIENCE = 'https://gateway.example.com';

let world: SignInWorld;

before(async () => {
  world = await createSignInWorld();
  const bearers = [
    { type: 'jwt' as const, name: 'company', issuer: world.idp.issuer, audience: [AUDIENCE] },
    {
      type: 'introspection' as const,
      name: 'opaque',
      url: `${world.idp.url}/token/introspection`,
      audience: [AUDIENCE],
      clientId: world.idp.clientId,
      clientSecret: world.idp.clientSecret,
    },
  ];
  const shape = { realm: 'demo', groups: { attribute: 'groups' } };
  const { signIn } = configOf({
    mode: 'development',
    server: { host: '127.0.0.1', publicUrl: world.url },
    queues: [{ name: 'test', urls: [world.vovserver.url], allowInsecure: true }],
    signIn: { bearers: bearers.map((one) => ({ ...one, ...shape })) },
  });
  // Taken over by a reload, as an administrator would.
  world.gateway.reload({ ...world.config, signIn: { ...world.config.signIn, bearers: signIn.bearers } });
});
after(() => world[Symbol.asyncDispose]());

describe('an access token of the company’s identity provider', () => {
  it('calls vovserver as its person, and is the same person as in the browser', async () => {
    const token = await world.idp.accessToken('alice', { audience: AUDIENCE });
    assert.equal((await world.call('GET', READ, { token })).status, 200);
    assert.equal(world.vovserver.ledger.requests.findLast(({ target }) => target === READ)?.account, 'alice');
    const me = (await (await world.call('GET', '/gateway/v1/me', { token })).json()) as Record<string, unknown>;
    assert.equal(me.subject, 'demo:p-7f3a91c2');
    assert.equal((me.credential as { kind: string }).kind, 'bearer');
  });

  it('is accepted as the vendor writes it, and as the password of Basic with its owner’s name only', async () => {
    const token = await world.idp.accessToken('bob', { audience: AUDIENCE });
    const call = async (authorization: string): Promise<number> =>
      (await world.call('GET', READ, { headers: { authorization } })).status;
    const basic = (user: string): string => `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`;
    assert.equal(await call(`Bearer:${token}`), 200);
    assert.equal(await call(basic('bob')), 200);
    assert.equal(await call(basic('alice')), 401);
  });

  it('that is opaque is looked up at its provider', async () => {
    const token = await world.idp.opaqueToken('carol', { audience: AUDIENCE });
    assert.equal((await world.call('GET', READ, { token })).status, 200);
    assert.equal(world.vovserver.ledger.requests.findLast(({ target }) => target === READ)?.account, 'carol');
  });

  it('for another audience, or none of anybody, gets the plain 401 and reaches nothing', async () => {
    const before = world.vovserver.ledger.requests.length;
    const foreign = await world.idp.accessToken('alice', { audience: 'https://other.example' });
    const expired = await world.idp.accessToken('alice', { audience: AUDIENCE, expiresIn: -600 });
    const texts = new Set<string>();
    for (const token of [foreign, expired, `${foreign.slice(0, -4)}AAAA`, 'nonsense', 'a.b.c']) {
      const answer = await world.call('GET', READ, { token });
      assert.equal(answer.status, 401);
      const { detail } = (await answer.json()) as { detail: string };
      texts.add(detail);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer .*invalid_token/);
    }
    assert.equal(texts.size, 1);
    assert.equal(world.vovserver.ledger.requests.length, before);
  });

  it('never makes a gateway token at the vendor’s token endpoint', async () => {
    const token = await world.idp.accessToken('alice', { audience: AUDIENCE });
    const answer = await world.call('POST', '/api/v3/token', {
      body: new URLSearchParams({ username: 'alice', password: token }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    assert.equal(answer.status, 401);
  });
});
