import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFlows, createUsedOnce, type Flow, type Flows } from '../../src/auth/index.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { refusalOf, watch } from './auth-world.ts';
import { MINUTE, newKey, sessionsConfig, webRequest } from './sessions-world.ts';

const FLOW: Flow = { provider: 'corp', returnTo: '/ui/tokens', facts: { nonce: 'n-1', verifier: 'v-1' } };

/** Two replicas with sign-ins under way. */
function createFlowsWorld(kv?: KeyValue, clock = createManualClock()) {
  const store = watch(kv ?? createMemoryKeyValue({ clock }));
  const sealingKey = newKey();
  const config = sessionsConfig();
  const join = (sealer = createSealer({ current: sealingKey })): Flows =>
    createFlows({ kv: store, sealer, config: () => config, clock });
  return { store, clock, sealingKey, first: join(), second: join(), join };
}

describe('a sign-in under way', () => {
  it('is taken by any replica, with what the protocol must find again', async () => {
    const { first, second } = createFlowsWorld();
    const { state, cookie } = await first.start(webRequest(), FLOW);
    assert.deepEqual(await second.take(webRequest({ flow: cookie }), state, 'corp'), FLOW);
  });

  it('is taken once', async () => {
    const { first, second } = createFlowsWorld();
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const request = webRequest({ flow: cookie });
    const taken = await Promise.all([first, second, first, second].map((flows) => flows.take(request, state, 'corp')));
    assert.equal(taken.filter((flow) => flow !== null).length, 1);
    assert.equal(await first.take(request, state, 'corp'), null);
  });

  it('is over after its life, whatever the store still holds', async () => {
    for (const [wait, isThere] of [
      [10 * MINUTE - 1, true],
      [10 * MINUTE, false],
    ] as const) {
      const { first, store, clock } = createFlowsWorld();
      const { state, cookie } = await first.start(webRequest(), FLOW);
      const key = store.written.find((text) => text.startsWith('flow:')) ?? '';
      await store.set(key, (await store.get(key)) ?? '', null);
      await clock.advance(wait);
      assert.equal((await first.take(webRequest({ flow: cookie }), state, 'corp')) !== null, isThere);
    }
  });

  it('has state and cookie of 32 random bytes, and neither is the other', async () => {
    const { first } = createFlowsWorld();
    const texts = new Set<string>();
    for (let at = 0; at < 10; at++) {
      const { state, cookie } = await first.start(webRequest(), FLOW);
      for (const text of [state, cookie]) assert.match(text, /^[A-Za-z0-9_-]{43}$/);
      texts.add(state).add(cookie);
    }
    assert.equal(texts.size, 20);
  });

  it('fits into a RelayState of 80 bytes (SAML 2.0 Bindings, 3.4.3)', async () => {
    const { state } = await createFlowsWorld().first.start(webRequest(), FLOW);
    assert.ok(Buffer.byteLength(state) <= 80);
  });

  it('returns to a place of the gateway only', async () => {
    const { first } = createFlowsWorld();
    for (const returnTo of ['https://evil.example/', '//evil.example', '/\\evil.example', '/%2f%2fevil.example']) {
      const { state, cookie } = await first.start(webRequest(), { ...FLOW, returnTo });
      assert.equal((await first.take(webRequest({ flow: cookie }), state, 'corp'))?.returnTo, '/ui/');
    }
  });
});

describe('the callback of another browser', () => {
  it('gets nothing, and does not spoil the sign-in of its owner (login CSRF)', async () => {
    const { first, second } = createFlowsWorld();
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const other = await first.start(webRequest(), FLOW);
    for (const flow of [undefined, '', other.cookie, 'x', `${cookie}x`, cookie.toLowerCase()]) {
      const request = webRequest(flow === undefined ? {} : { flow });
      for (const flows of [first, second]) assert.equal(await flows.take(request, state, 'corp'), null, flow);
    }
    assert.deepEqual(await second.take(webRequest({ flow: cookie }), state, 'corp'), FLOW);
  });

  it('of another provider gets nothing either, and spoils nothing (mix-up, RFC 9207)', async () => {
    const { first } = createFlowsWorld();
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const request = webRequest({ flow: cookie });
    for (const provider of ['other', 'CORP', '', 'corp '])
      assert.equal(await first.take(request, state, provider), null);
    assert.ok(await first.take(request, state, 'corp'));
  });

  it('with a state that nobody started asks for it at most once, and one that is none not at all', async () => {
    const { first, store } = createFlowsWorld();
    const { cookie } = await first.start(webRequest(), FLOW);
    const request = webRequest({ flow: cookie });
    const before = store.calls.length;
    for (const state of ['', '*', 'x', `${'A'.repeat(43)} `, '{x}', 'A'.repeat(5000)]) {
      assert.equal(await first.take(request, state, 'corp'), null);
    }
    assert.equal(store.calls.length, before);
    assert.equal(await first.take(request, 'A'.repeat(43), 'corp'), null);
    assert.equal(store.calls.length, before + 1);
  });
});

describe('two tabs of one browser', () => {
  it('sign in side by side with one cookie', async () => {
    const { first, second } = createFlowsWorld();
    const one = await first.start(webRequest(), { ...FLOW, returnTo: '/ui/one' });
    const two = await second.start(webRequest({ flow: one.cookie }), { ...FLOW, returnTo: '/ui/two' });
    assert.equal(two.cookie, one.cookie);
    assert.notEqual(two.state, one.state);
    const request = webRequest({ flow: one.cookie });
    assert.equal((await first.take(request, two.state, 'corp'))?.returnTo, '/ui/two');
    assert.equal((await first.take(request, one.state, 'corp'))?.returnTo, '/ui/one');
  });

  it('a cookie that is none of ours is not carried on', async () => {
    const { first } = createFlowsWorld();
    for (const flow of ['', 'short', 'x'.repeat(44), `${'x'.repeat(42)}.`, 'x'.repeat(5000)]) {
      const { cookie } = await first.start(webRequest({ flow }), FLOW);
      assert.notEqual(cookie, flow);
      assert.match(cookie, /^[A-Za-z0-9_-]{43}$/);
    }
  });
});

describe('the store of flows', () => {
  it('shows nothing, and a value moved to another key opens nothing', async () => {
    const { first, store } = createFlowsWorld();
    const one = await first.start(webRequest(), FLOW);
    const two = await first.start(webRequest({ flow: one.cookie }), { ...FLOW, provider: 'other' });
    const dump = store.written.join('\n');
    for (const text of [one.state, one.cookie, two.state, 'n-1', 'v-1', 'corp', '/ui/tokens']) {
      assert.ok(!dump.includes(text), text);
    }
    const keys = store.written.filter((text) => text.startsWith('flow:'));
    const [a = '', b = ''] = keys;
    const [valueA, valueB] = [await store.get(a), await store.get(b)];
    await store.set(a, valueB ?? '', null);
    await store.set(b, valueA ?? '', null);
    const request = webRequest({ flow: one.cookie });
    for (const { state } of [one, two]) {
      for (const provider of ['corp', 'other']) assert.equal(await first.take(request, state, provider), null);
    }
  });

  it('survives a rotation of the sealing key', async () => {
    const { first, join, sealingKey } = createFlowsWorld();
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const rotated = join(createSealer({ current: newKey(), previous: sealingKey }));
    assert.deepEqual(await rotated.take(webRequest({ flow: cookie }), state, 'corp'), FLOW);
  });

  it('away: 503 with Retry-After, and the flow is still there afterwards', async () => {
    const { first, store } = createFlowsWorld();
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const request = webRequest({ flow: cookie });
    store.away = true;
    for (const call of [() => first.start(request, FLOW), () => first.take(request, state, 'corp')]) {
      const error = await refusalOf(call);
      assert.equal(error.code, 'GW_STORE_UNAVAILABLE');
      assert.ok((error.retryAfter ?? 0) >= 1);
    }
    store.away = false;
    assert.deepEqual(await first.take(request, state, 'corp'), FLOW);
  });
});

describe('what was used once', () => {
  it('is new the first time only, by kind, until its life is over', async () => {
    const clock = createManualClock();
    const once = createUsedOnce({ kv: createMemoryKeyValue({ clock }), hashKey: newKey() });
    assert.equal(await once.first('assertion', '_1', MINUTE), true);
    assert.equal(await once.first('assertion', '_1', MINUTE), false);
    assert.equal(await once.first('jti', '_1', MINUTE), true);
    assert.equal(await once.first('assertion', '_2', MINUTE), true);
    assert.equal(await once.first('assertion"', '_1', MINUTE), true);
    await clock.advance(MINUTE);
    assert.equal(await once.first('assertion', '_1', MINUTE), true);
  });

  it('takes lives that are no whole numbers, or over', async () => {
    const once = createUsedOnce({ kv: createMemoryKeyValue({ clock: createManualClock() }), hashKey: newKey() });
    for (const life of [0.5, 0, -MINUTE]) assert.equal(await once.first('jti', String(life), life), true);
  });

  it('is refused and not waved through while the store is away', async () => {
    const store = watch(createMemoryKeyValue({ clock: createManualClock() }));
    store.away = true;
    const once = createUsedOnce({ kv: store, hashKey: newKey() });
    assert.equal((await refusalOf(() => once.first('jti', 'x', MINUTE))).code, 'GW_STORE_UNAVAILABLE');
  });
});

describe('on a real Redis', () => {
  it('of many callbacks at the same time one wins, over two connections', async () => {
    await using redis = await startRedis();
    await using one = createRedisKeyValue(redis.config(), { clock: systemClock });
    await using two = createRedisKeyValue(redis.config(), { clock: systemClock });
    const clock = createManualClock(Date.now());
    const sealer = createSealer({ current: newKey() });
    const replicas = [one, two].map((kv) => createFlows({ kv, sealer, config: () => sessionsConfig(), clock }));
    const [first] = replicas;
    assert.ok(first);
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const request = webRequest({ flow: cookie });
    const attempts = Array.from({ length: 20 }, (_, at) => replicas[at % 2]?.take(request, state, 'corp'));
    const taken = await Promise.all(attempts);
    assert.equal(taken.filter((flow) => flow !== null).length, 1);
  });

  it('what was used on one replica is used on the other, also after a restart of the store', async () => {
    await using redis = await startRedis({ appendOnly: true });
    const hashKey = newKey();
    await using one = createRedisKeyValue(redis.config(), { clock: systemClock });
    const first = createUsedOnce({ kv: one, hashKey });
    const attempts = Array.from({ length: 10 }, () => first.first('assertion', '_1', 10 * MINUTE));
    assert.equal((await Promise.all(attempts)).filter(Boolean).length, 1);
    await redis.stop();
    await redis.start();
    await using two = createRedisKeyValue(redis.config(), { clock: systemClock });
    await two.ping();
    assert.equal(await createUsedOnce({ kv: two, hashKey }).first('assertion', '_1', 10 * MINUTE), false);
  });
});
