import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createWorld, type World } from '../world/world.ts';

const READ = '/api/v3/project/1/version';
const FORM = 'application/x-www-form-urlencoded';
const EXCHANGE = '/api/v3/token';

interface Answer {
  readonly status: number;
  readonly body: {
    readonly code?: string;
    readonly error?: string;
    readonly access_token?: string;
    readonly token_type?: string;
  };
  readonly headers: Headers;
}

async function exchange(world: World, body: string, type = FORM): Promise<Answer> {
  const answer = await world.call('POST', EXCHANGE, { body, headers: { 'content-type': type } });
  return { status: answer.status, body: (await answer.json()) as Answer['body'], headers: answer.headers };
}
const form = (username: string, password: string): string => new URLSearchParams({ username, password }).toString();
/** Another character than the one that is there. */
const typo = (token: string, at: number): string =>
  `${token.slice(0, at)}${token[at] === 'a' ? 'b' : 'a'}${token.slice(at + 1)}`;

describe('the vendor’s token endpoint', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ config: { limits: { mode: 'off' } } });
  });
  after(() => world[Symbol.asyncDispose]());

  it('gives a gateway token that works in every form, and no JWT of vovserver', async () => {
    const { status, body, headers } = await exchange(world, form('alice', await world.token('alice')));
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), ['access_token', 'token_type']);
    assert.equal(body.token_type, 'Bearer');
    assert.match(body.access_token ?? '', /^vgw_/);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('content-type'), 'application/json');
    const forms = [
      `Bearer ${body.access_token}`,
      `bearer ${body.access_token}`,
      `Bearer:${body.access_token}`,
      `Basic ${Buffer.from(`alice:${body.access_token}`).toString('base64')}`,
    ];
    for (const authorization of forms) {
      assert.equal(
        (await world.call('GET', READ, { headers: { authorization } })).status,
        200,
        authorization.slice(0, 8),
      );
    }
  });

  it('keeps the scopes of the parent', async () => {
    const { body } = await exchange(world, form('alice', await world.token('alice', ['read'])));
    const token = body.access_token ?? '';
    const job = { command: 'true', logfile: 'L', rundir: '/tmp', env: 'BASE' };
    assert.equal((await world.call('GET', READ, { token })).status, 200);
    assert.equal((await world.call('POST', '/api/v3/jobs', { token, json: job })).status, 403);
  });

  it('a derived token ends with its parent', async () => {
    const parent = await world.gateway.tokens.create({ user: 'alice', label: 'parent', scopes: ['read'] });
    const { body } = await exchange(world, form('alice', parent.token.reveal()));
    const token = body.access_token ?? '';
    assert.equal((await world.call('GET', READ, { token })).status, 200);
    await world.gateway.tokens.revoke(parent.info.id);
    assert.equal((await world.call('GET', READ, { token })).status, 401);
    assert.equal((await world.call('GET', READ, { token: parent.token.reveal() })).status, 401);
  });

  it('answers every wrong credential with the same 401', async () => {
    const token = await world.token('alice');
    const revoked = await world.gateway.tokens.create({ user: 'alice', label: 'revoked', scopes: ['read'] });
    await world.gateway.tokens.revoke(revoked.info.id);
    const expired = await world.gateway.tokens.create({ user: 'alice', label: 'expired', scopes: ['read'], lifeMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const wrong = [
      form('alice', typo(token, 20)),
      form('alice', typo(token, token.length - 1)),
      form('bob', token),
      form('nobody', token),
      form('alice', revoked.token.reveal()),
      form('alice', expired.token.reveal()),
      form('alice', 'pw-alice'),
      form('alice', 'x'.repeat(5000)),
      form('alice\r\nX: y', token),
    ];
    const answers = await Promise.all(wrong.map((body) => exchange(world, body)));
    for (const { status, body, headers } of answers) {
      assert.equal(status, 401);
      assert.equal(body.code, 'GW_UNAUTHENTICATED');
      assert.equal(body.error, answers[0]?.body.error);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer /);
    }
  });

  it('the same tokens are refused in the Authorization header', async () => {
    const token = await world.token('alice');
    const expired = await world.gateway.tokens.create({ user: 'alice', label: 'expired', scopes: ['read'], lifeMs: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const bad of [typo(token, 30), expired.token.reveal(), `${token}x`, token.slice(1), token.toUpperCase()]) {
      const answer = await world.call('GET', READ, { token: bad });
      assert.equal(answer.status, 401);
      assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
    }
  });

  const bad: readonly [string, string, string, number, string, RegExp][] = [
    ['no password', 'username=alice', FORM, 400, 'GW_BAD_BODY', /password/],
    ['no username', 'password=x', FORM, 400, 'GW_BAD_BODY', /username/],
    ['an empty password', 'username=alice&password=', FORM, 400, 'GW_BAD_BODY', /password/],
    ['an empty form', '', FORM, 400, 'GW_BAD_BODY', /username/],
    ['a field twice', 'username=a&username=b&password=c', FORM, 400, 'GW_BAD_BODY', /username.*more than once/],
    ['a bad escape', 'username=a%zz&password=c', FORM, 400, 'GW_BAD_BODY', /percent/],
    [
      'JSON',
      '{"username":"alice","password":"x"}',
      'application/json',
      415,
      'GW_UNSUPPORTED_MEDIA_TYPE',
      /x-www-form-urlencoded/,
    ],
    [
      'plain text',
      'username=alice&password=x',
      'text/plain',
      415,
      'GW_UNSUPPORTED_MEDIA_TYPE',
      /x-www-form-urlencoded/,
    ],
    ['a form over its limit', `username=alice&password=${'x'.repeat(20_000)}`, FORM, 413, 'GW_BODY_TOO_LARGE', /16384/],
  ];
  for (const [name, body, type, status, code, detail] of bad) {
    it(`${name}: ${status} that says what to do`, async () => {
      const answer = await exchange(world, body, type);
      assert.deepEqual([answer.status, answer.body.code], [status, code]);
      assert.match(answer.body.error ?? '', detail);
    });
  }

  it('takes POST only, and says so', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD']) {
      const answer = await world.call(method, EXCHANGE);
      assert.equal(answer.status, 405, method);
      assert.equal(answer.headers.get('allow'), 'POST');
    }
  });

  it('asks vovserver nothing', () => {
    assert.ok(world.vovserver.ledger.logins.every(({ user }) => user === 'alice'));
    assert.ok(world.vovserver.ledger.requests.filter(({ target }) => target === EXCHANGE).length <= 1);
  });
});

describe('attempts', () => {
  const few = { limits: { attempts: { requests: 3, window: '60s' } } };

  it('a guesser at the token endpoint is stopped with 429, the right token elsewhere goes on', async () => {
    await using world = await createWorld({ config: few });
    const token = await world.token('alice');
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await exchange(world, form('alice', `guess-${i}`))).status);
    assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
    const blocked = await exchange(world, form('alice', 'guess'));
    assert.equal(blocked.body.code, 'GW_LOGIN_LIMITED');
    assert.ok(Number(blocked.headers.get('retry-after')) > 0);
    assert.equal((await world.call('GET', READ, { token })).status, 200);
  });

  it('a guesser in the Authorization header is stopped with 429', async () => {
    await using world = await createWorld({ config: few });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await world.call('GET', READ, { token: `guess-${i}` })).status);
    assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
    const metrics = await (await fetch(`http://127.0.0.1:${world.gateway.adminPort}/metrics`)).text();
    assert.match(metrics, /vovgw_\w*attempts\w*\{[^}]*blocked[^}]*\} 2/);
  });

  it('calls without any credential are no attempts', async () => {
    await using world = await createWorld({ config: few });
    for (let i = 0; i < 10; i++) assert.equal((await world.call('GET', READ)).status, 401);
  });
});
