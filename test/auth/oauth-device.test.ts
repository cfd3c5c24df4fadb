import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPendingCount } from '../../src/auth/oauth/pending-count.ts';
import { createTokenHash } from '../../src/auth/token-record.ts';
import { Secret } from '../../src/kernel/index.ts';
import { createMemoryKeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { refusalOf } from './auth-world.ts';
import { begin, createOAuthWorld, DEVICE_GRANT, firstOf, PUBLIC_URL, person, poll } from './oauth-world.ts';

const ALICE = person('alice');
const MINUTE = 60_000;

describe('POST /oauth/device_authorization', () => {
  it('answers what RFC 8628, section 3.2 lists, for no cache to keep', async () => {
    await using world = createOAuthWorld();
    const { status, headers, body } = await firstOf(world).post('/oauth/device_authorization', { client_id: 'vovgw' });
    assert.equal(status, 200);
    assert.equal(headers['Cache-Control'], 'no-store');
    assert.match(String(body.device_code), /^[A-Za-z0-9_-]{43}$/);
    assert.match(String(body.user_code), /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.deepEqual(
      { ...body, device_code: '', user_code: '' },
      {
        device_code: '',
        user_code: '',
        verification_uri: `${PUBLIC_URL}/ui/device`,
        verification_uri_complete: `${PUBLIC_URL}/ui/device?user_code=${body.user_code}`,
        expires_in: 600,
        interval: 5,
      },
    );
  });

  it('shows the approving person scopes, host, address and times', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const { userCode } = await begin(replica, { scope: 'submit read', host: 'hpc1.example.com' });
    assert.deepEqual(await replica.devices.find(userCode, ALICE), {
      userCode,
      scopes: ['read', 'submit'],
      host: 'hpc1.example.com',
      address: '192.0.2.1',
      askedAt: world.clock.now(),
      expiresAt: world.clock.now() + 10 * MINUTE,
    });
  });

  it('reduces a host name to what one can hold', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const { userCode } = await begin(replica, { host: `<b>hpc\u202e1</b>\r\n ${'x'.repeat(300)}` });
    const host = (await replica.devices.find(userCode, ALICE))?.host;
    assert.match(host ?? '', /^bhpc1bx+$/);
    assert.equal(host?.length, 48);
  });

  it('refuses other clients, secrets and parameters that come twice', async () => {
    await using world = createOAuthWorld();
    const { post } = firstOf(world);
    const path = '/oauth/device_authorization';
    const error = async (...args: Parameters<typeof post>) => {
      const { status, headers, body } = await post(...args);
      assert.equal(headers['Cache-Control'], 'no-store');
      assert.equal(typeof body.error_description, 'string');
      assert.match(String(body.error_description), /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
      return `${status} ${body.error}`;
    };
    assert.equal(await error(path, {}), '400 invalid_request');
    assert.equal(await error(path, { client_id: '' }), '400 invalid_request');
    assert.equal(await error(path, { client_id: 'other' }), '401 invalid_client');
    assert.equal(await error(path, { client_id: 'vovgw', client_secret: 'x' }), '401 invalid_client');
    assert.equal(await error(path, { client_id: 'vovgw' }, { authorization: 'Basic dm92Z3c6' }), '401 invalid_client');
    const twice: [string, string][] = [
      ['client_id', 'vovgw'],
      ['client_id', 'vovgw'],
    ];
    assert.equal(await error(path, twice), '400 invalid_request');
    assert.equal(await error(path, { client_id: 'vovgw', scope: 'read write' }), '400 invalid_scope');
    assert.equal(await error(path, { client_id: 'vovgw', scope: 'admin' }), '400 invalid_scope');
  });

  it('grants at most the scopes of the configuration', async () => {
    await using world = createOAuthWorld({ device: { scopes: ['read', 'submit'] } });
    const replica = firstOf(world);
    const { userCode } = await begin(replica);
    assert.deepEqual((await replica.devices.find(userCode, ALICE))?.scopes, ['read', 'submit']);
    const asked = await replica.post('/oauth/device_authorization', { client_id: 'vovgw', scope: 'read control' });
    assert.equal(asked.body.error, 'invalid_scope');
  });

  it('says so where nobody could approve', async () => {
    await using world = createOAuthWorld({ providers: false });
    const { status, body } = await firstOf(world).post('/oauth/device_authorization', { client_id: 'vovgw' });
    assert.equal(status, 400);
    assert.equal(body.error, 'unsupported_grant_type');
    assert.match(String(body.error_description), /identity provider/);
    assert.deepEqual(world.store.written, []);
  });

  it('lets 200 codes of one address wait, its neighbours in the same /64 with it', async () => {
    await using world = createOAuthWorld({ replicas: 2 });
    const ask = async (at: number, address: string) => {
      const replica = world.replicas[at % 2];
      assert.ok(replica);
      return replica.post('/oauth/device_authorization', { client_id: 'vovgw' }, { address });
    };
    for (let n = 0; n < 200; n++) assert.equal((await ask(n, `2001:db8::${n + 1}`)).status, 200);
    const refused = await ask(0, '2001:db8::ffff:1');
    assert.equal(refused.status, 429);
    assert.equal(refused.body.error, 'slow_down');
    assert.match(String(refused.body.error_description), /this address .*Approve or deny/);
    assert.ok(Number(refused.headers['Retry-After']) > 0);
    assert.equal((await ask(1, '2001:db8:0:1::1')).status, 200);
    assert.equal((await ask(1, '192.0.2.9')).status, 200);
    await world.clock.advance(Number(refused.headers['Retry-After']) * 1000);
    assert.equal((await ask(0, '2001:db8::1')).status, 200, 'what has expired waits no longer');
  });

  it('counts no code that was decided: people who log in all day are never in each other’s way', async () => {
    await using world = createOAuthWorld({ replicas: 2 });
    const [one, two] = world.replicas;
    assert.ok(one && two);
    world.people.set(ALICE.subject, ALICE);
    for (let n = 0; n < 201; n++) {
      const { deviceCode, userCode } = await begin(one);
      const decision = n % 2 === 0 ? 'approve' : 'deny';
      assert.equal(await two.devices.decide(userCode, decision, ALICE), true);
      if (n % 2 === 0) assert.equal((await poll(two, deviceCode)).status, 200);
    }
    for (let n = 0; n < 200; n++) await begin(one);
    const { status } = await one.post('/oauth/device_authorization', { client_id: 'vovgw' });
    assert.equal(status, 429, 'codes that wait are counted all the same');
  });

  it('lets 20 000 codes wait in all, and a refusal takes no place', async () => {
    await using kv = createMemoryKeyValue({ clock: createManualClock(0) });
    const count = createPendingCount(kv, createTokenHash(new Secret('k'.repeat(32))), () => 0);
    const code = (n: number) => ({ address: `10.0.${n >> 8}.${n & 255}`, expiresAt: 900_000 });
    for (let n = 0; n < 20_000; n++) await count.add(code(n));
    const limited = { code: 'GW_RATE_LIMITED', retryAfter: 900 };
    for (let n = 0; n < 201; n++) await assert.rejects(count.add(code(20_000)), limited);
    await count.remove(code(0));
    await count.add(code(20_000));
    await assert.rejects(count.add(code(20_000)), limited);
  });
});

describe('POST /oauth/token', () => {
  it('gives the token once after approval, to whoever approved', async () => {
    await using world = createOAuthWorld({ replicas: 2 });
    const [one, two] = world.replicas;
    assert.ok(one && two);
    world.people.set(ALICE.subject, ALICE);
    const { deviceCode, userCode } = await begin(one, { scope: 'read' });
    assert.equal((await poll(two, deviceCode)).body.error, 'authorization_pending');
    assert.equal(await two.devices.decide(userCode, 'approve', ALICE), true);
    await world.clock.advance(5000);
    const { status, headers, body } = await poll(one, deviceCode);
    assert.equal(status, 200);
    assert.equal(headers['Cache-Control'], 'no-store');
    const { access_token: token, ...rest } = body;
    assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 7 * 86_400, scope: 'read' });
    const caller = await two.tokens.authenticate(String(token));
    assert.deepEqual(caller.identity, ALICE);
    assert.equal(caller.tokenLabel, 'vovgw login on hpc1');
    assert.deepEqual([...caller.scopes], ['read']);
    assert.equal((await poll(two, deviceCode)).body.error, 'invalid_grant');
    assert.equal((await one.tokens.list()).length, 1);
  });

  it('answers each state as RFC 8628, section 3.5 says', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const denied = await begin(replica);
    const late = await begin(replica);
    assert.equal((await poll(replica, denied.deviceCode)).body.error, 'authorization_pending');
    await replica.devices.decide(denied.userCode, 'deny', ALICE);
    assert.equal((await poll(replica, denied.deviceCode)).body.error, 'access_denied');
    assert.equal((await poll(replica, denied.deviceCode)).body.error, 'access_denied');
    await world.clock.advance(10 * MINUTE);
    const expired = await poll(replica, late.deviceCode);
    assert.equal(expired.status, 400);
    assert.equal(expired.body.error, 'expired_token');
    assert.equal((await poll(replica, 'no-such-code')).body.error, 'invalid_grant');
    await world.clock.advance(60 * MINUTE);
    assert.equal((await poll(replica, late.deviceCode)).body.error, 'invalid_grant');
    assert.deepEqual(await replica.tokens.list(), []);
  });

  it('slows down who polls too fast by five seconds each time, whichever replica is asked', async () => {
    await using world = createOAuthWorld({ replicas: 3 });
    const [one, two, three] = world.replicas;
    assert.ok(one && two && three);
    const { deviceCode, userCode } = await begin(one);
    const after = async (seconds: number, replica = two) => {
      await world.clock.advance(seconds * 1000);
      return (await poll(replica, deviceCode)).body.error;
    };
    assert.equal(await after(0, one), 'authorization_pending');
    assert.equal(await after(5, two), 'authorization_pending');
    assert.equal(await after(4, three), 'slow_down');
    assert.equal(await after(5, one), 'slow_down');
    assert.equal(await after(10, two), 'slow_down');
    assert.equal(await after(20, three), 'authorization_pending');
    await two.devices.decide(userCode, 'approve', ALICE);
    assert.equal(await after(0, one), undefined);
  });

  it('refuses other grants, other clients and missing parameters', async () => {
    await using world = createOAuthWorld();
    const { post } = firstOf(world);
    const errorOf = async (fields: Readonly<Record<string, string>>) => (await post('/oauth/token', fields)).body.error;
    assert.equal(await errorOf({}), 'invalid_request');
    for (const grant of ['password', 'client_credentials', 'refresh_token', 'authorization_code', 'x'.repeat(999)]) {
      assert.equal(await errorOf({ grant_type: grant, client_id: 'vovgw' }), 'unsupported_grant_type');
    }
    const grant = { grant_type: DEVICE_GRANT };
    assert.equal(await errorOf({ ...grant, device_code: 'x' }), 'invalid_request');
    assert.equal(await errorOf({ ...grant, client_id: 'other', device_code: 'x' }), 'invalid_client');
    assert.equal(await errorOf({ ...grant, client_id: 'vovgw' }), 'invalid_request');
  });

  it('lets a login be finished after the store failed while the token was made', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const { deviceCode, userCode } = await begin(replica);
    await replica.devices.decide(userCode, 'approve', ALICE);
    const { set } = world.store;
    world.store.set = async () => {
      throw new Error('the disk is full');
    };
    await assert.rejects(poll(replica, deviceCode), /disk is full/);
    world.store.set = set;
    assert.equal((await poll(replica, deviceCode)).status, 200);
    assert.equal((await replica.tokens.list()).length, 1);
  });

  it('says 503 while the store is away', async () => {
    await using world = createOAuthWorld();
    const replica = firstOf(world);
    const { deviceCode, userCode } = await begin(replica);
    world.store.away = true;
    for (const call of [
      () => poll(replica, deviceCode),
      () => begin(replica),
      () => replica.devices.find(userCode, ALICE),
      () => replica.devices.decide(userCode, 'approve', ALICE),
    ]) {
      assert.equal((await refusalOf(call)).code, 'GW_STORE_UNAVAILABLE');
    }
  });

  it('never makes a token that lives longer than any may', async () => {
    await using world = createOAuthWorld({ device: { tokenLife: 400 * 86_400_000 } });
    const replica = firstOf(world);
    const { deviceCode, userCode } = await begin(replica);
    await replica.devices.decide(userCode, 'approve', ALICE);
    assert.equal((await poll(replica, deviceCode)).body.expires_in, 90 * 86_400);
  });
});
