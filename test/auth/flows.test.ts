import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFlows, createUsedOnce, type Flow, type Flows } from '../../src/auth/index.ts';
import { systemClock } from '../../src/kernel/index.ts';
import { createMemoryKeyValue, createRedisKeyValue, createSealer, type KeyValue } from '../../src/platform/index.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { startRedis } from '../world/redis.ts';
import { refusalOf, watch } from './auth-world.ts';
import { ALICE, createSessionsWorld, MINUTE, newKey, sessionsConfig, signedIn, webRequest } from './sessions-world.ts';

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

  it('is over after its life', async () => {
    for (const [wait, isThere] of [
      [10 * MINUTE - 1, true],
      [10 * MINUTE, false],
    ] as const) {
      const { first, clock } = createFlowsWorld();
      const { state, cookie } = await first.start(webRequest(), FLOW);
      await clock.advance(wait);
      assert.equal((await first.take(webRequest({ flow: cookie }), state, 'corp')) !== null, isThere);
    }
  });

  it('is not taken again by a replica whose clock is behind, when it is over', async () => {
    const { first, clock, store, sealingKey } = createFlowsWorld();
    const behind = { ...clock, now: () => clock.now() - 4 * MINUTE };
    const sealer = createSealer({ current: sealingKey });
    const late = createFlows({ kv: store, sealer, config: () => sessionsConfig(), clock: behind });
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const request = webRequest({ flow: cookie });
    assert.ok(await first.take(request, state, 'corp'));
    await clock.advance(13 * MINUTE);
    assert.equal(await late.take(request, state, 'corp'), null);
  });

  it('has a state of 32 random bytes, which its cookie does not show', async () => {
    const { first } = createFlowsWorld();
    const texts = new Set<string>();
    for (let at = 0; at < 10; at++) {
      const { state, cookie } = await first.start(webRequest(), FLOW);
      assert.match(state, /^[A-Za-z0-9_-]{43}$/);
      assert.ok(!cookie.includes(state));
      texts.add(state).add(cookie);
    }
    assert.equal(texts.size, 20);
  });

  it('costs the store nothing until it is taken, and then one small key that ends', async () => {
    const { first, store, clock } = createFlowsWorld();
    let cookie: string | undefined;
    for (let at = 0; at < 1000; at++) {
      const started = await first.start(webRequest(cookie === undefined ? {} : { flow: cookie }), FLOW);
      cookie = at % 2 === 0 ? started.cookie : undefined;
    }
    assert.deepEqual([store.calls, store.written], [[], []]);
    const { state, cookie: last } = await first.start(webRequest(), FLOW);
    assert.ok(await first.take(webRequest({ flow: last }), state, 'corp'));
    const keys = store.written.filter((text) => text.startsWith('flow:'));
    assert.equal(keys.length, 1);
    assert.equal(await store.get(keys[0] ?? ''), '1');
    await clock.advance(15 * MINUTE);
    assert.equal(await store.get(keys[0] ?? ''), null);
  });

  it('remembers which session its browser had, by public id', async () => {
    await using sessions = createSessionsWorld();
    const { cookie, session } = await sessions.first.open(webRequest(), signedIn(ALICE), ALICE);
    const { first } = createFlowsWorld();
    const { state, cookie: flow } = await first.start(webRequest({ session: cookie }), FLOW);
    assert.deepEqual(await first.take(webRequest({ flow }), state, 'corp'), { ...FLOW, session: session.id });
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

  it('with a state that this browser did not start does not reach the store', async () => {
    const { first, store } = createFlowsWorld();
    const { cookie } = await first.start(webRequest(), FLOW);
    const other = await first.start(webRequest(), FLOW);
    const request = webRequest({ flow: cookie });
    for (const state of ['', '*', 'x', `${'A'.repeat(43)} `, '{x}', 'A'.repeat(5000), 'A'.repeat(43), other.state]) {
      assert.equal(await first.take(request, state, 'corp'), null);
    }
    assert.deepEqual(store.calls, []);
  });
});

describe('two tabs of one browser', () => {
  it('sign in side by side, in either order', async () => {
    const { first, second } = createFlowsWorld();
    const one = await first.start(webRequest(), { ...FLOW, returnTo: '/ui/one' });
    const two = await second.start(webRequest({ flow: one.cookie }), { ...FLOW, returnTo: '/ui/two' });
    assert.notEqual(two.state, one.state);
    const request = webRequest({ flow: two.cookie });
    assert.equal((await first.take(request, two.state, 'corp'))?.returnTo, '/ui/two');
    assert.equal((await first.take(request, one.state, 'corp'))?.returnTo, '/ui/one');
  });

  it('of many, the three newest that are not over', async () => {
    const { first, clock } = createFlowsWorld();
    const states: string[] = [];
    let flow: string | undefined;
    for (let at = 0; at < 6; at++) {
      const started = await first.start(webRequest(flow === undefined ? {} : { flow }), {
        ...FLOW,
        returnTo: `/ui/${at}`,
      });
      states.push(started.state);
      flow = started.cookie;
      if (at === 3) await clock.advance(9 * MINUTE);
    }
    assert.ok(flow);
    const request = webRequest({ flow });
    const taken = await Promise.all(states.map((state) => first.take(request, state, 'corp')));
    const places = taken.map((one) => one?.returnTo ?? null);
    assert.deepEqual(places, [null, null, null, '/ui/3', '/ui/4', '/ui/5']);
    const last = await first.start(request, FLOW);
    await clock.advance(10 * MINUTE);
    const { cookie } = await first.start(webRequest({ flow: last.cookie }), FLOW);
    assert.ok(cookie.length < last.cookie.length / 2, 'what is over is left out');
  });

  it('a cookie that is none of ours, or was changed, is not carried on', async () => {
    const { first, sealingKey } = createFlowsWorld();
    const { cookie, state } = await first.start(webRequest(), FLOW);
    const other = createSealer({ current: sealingKey }).seal('[]', 'something else');
    const altered = `${cookie.slice(0, -3)}${cookie.slice(-3, -2) === 'A' ? 'B' : 'A'}${cookie.slice(-2)}`;
    for (const flow of ['', 'short', 'x'.repeat(43), 'x'.repeat(5000), `${cookie}x`, altered, other]) {
      const started = await first.start(webRequest({ flow }), FLOW);
      assert.ok(started.cookie.length <= cookie.length);
      assert.equal(await first.take(webRequest({ flow }), state, 'corp'), null);
      assert.ok(await first.take(webRequest({ flow: started.cookie }), started.state, 'corp'));
    }
  });
});

describe('the cookie of flows', () => {
  it('shows nothing of them', async () => {
    const { first } = createFlowsWorld();
    const { cookie, state } = await first.start(webRequest(), FLOW);
    const shown = cookie.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'));
    for (const text of [state, 'n-1', 'v-1', 'corp', '/ui/tokens'])
      assert.ok(![cookie, ...shown].some((seen) => seen.includes(text)), text);
    assert.match(cookie, /^[A-Za-z0-9._-]+$/);
  });

  it('is at most 3 KiB: older flows leave first, then the place to return to', async () => {
    const { first } = createFlowsWorld();
    const long = (letter: string, length: number): string => `/ui/${letter.repeat(length)}`;
    const one = await first.start(webRequest(), { ...FLOW, returnTo: long('a', 700) });
    const two = await first.start(webRequest({ flow: one.cookie }), { ...FLOW, returnTo: long('b', 700) });
    const both = webRequest({ flow: two.cookie });
    const three = await first.start(both, { ...FLOW, returnTo: long('c', 1500) });
    assert.ok(three.cookie.length <= 3072);
    const newest = webRequest({ flow: three.cookie });
    assert.equal((await first.take(newest, three.state, 'corp'))?.returnTo, long('c', 1500));
    assert.equal(await first.take(newest, one.state, 'corp'), null);
    assert.equal((await first.take(both, one.state, 'corp'))?.returnTo, long('a', 700));
    const facts = { ...FLOW.facts, more: 'x'.repeat(400) };
    const four = await first.start(newest, { ...FLOW, facts, returnTo: long('d', 2040) });
    assert.ok(four.cookie.length <= 3072);
    const taken = await first.take(webRequest({ flow: four.cookie }), four.state, 'corp');
    assert.deepEqual(taken, { ...FLOW, facts, returnTo: '/ui/' });
  });

  it('survives a rotation of the sealing key', async () => {
    const { first, join, sealingKey } = createFlowsWorld();
    const { state, cookie } = await first.start(webRequest(), FLOW);
    const rotated = join(createSealer({ current: newKey(), previous: sealingKey }));
    assert.deepEqual(await rotated.take(webRequest({ flow: cookie }), state, 'corp'), FLOW);
  });

  it('with the store away: 503 with Retry-After, and the flow is still there afterwards', async () => {
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

  it('is left to be done until it was done, on any replica', async () => {
    const clock = createManualClock();
    const store = watch(createMemoryKeyValue({ clock }));
    const hashKey = newKey();
    const [one, two] = [createUsedOnce({ kv: store, hashKey }), createUsedOnce({ kv: store, hashKey })];
    const done: string[] = [];
    const fails = (): Promise<void> => Promise.reject(new Error('not yet'));
    await assert.rejects(one.complete('logout', 'x', MINUTE, fails), /not yet/);
    // Done, but the store went away before it could be noted: done again.
    const away = one.complete('logout', 'x', MINUTE, async () => {
      done.push('first');
      store.away = true;
    });
    await assert.rejects(away, { code: 'GW_STORE_UNAVAILABLE' });
    store.away = false;
    const again = async (): Promise<void> => void done.push('again');
    assert.equal(await two.complete('logout', 'x', MINUTE, again), true);
    assert.equal(await one.complete('logout', 'x', MINUTE, again), false);
    assert.equal(await one.complete('logout', 'y', MINUTE, again), true);
    assert.deepEqual(done, ['first', 'again', 'again']);
    await clock.advance(MINUTE);
    assert.equal(await one.complete('logout', 'x', MINUTE, again), true);
  });

  it('notes a text for all replicas while it lives', async () => {
    const clock = createManualClock();
    const kv = createMemoryKeyValue({ clock });
    const hashKey = newKey();
    const [one, two] = [createUsedOnce({ kv, hashKey }), createUsedOnce({ kv, hashKey })];
    assert.equal(await two.noted('ended', 'x'), null);
    await one.note('ended', 'x', '17', MINUTE);
    await one.note('ended', 'x', '18', 2 * MINUTE);
    assert.deepEqual([await two.noted('ended', 'x'), await two.noted('ended', 'y')], ['18', null]);
    await clock.advance(2 * MINUTE);
    assert.equal(await two.noted('ended', 'x'), null);
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
    await Promise.all([one.ping(), two.ping()]);
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
