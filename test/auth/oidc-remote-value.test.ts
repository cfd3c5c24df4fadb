import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { createKeySet } from '../../src/auth/oidc/key-set.ts';
import { createRemoteValue } from '../../src/auth/oidc/remote-value.ts';
import { ProviderUnreachable } from '../../src/auth/oidc/unreachable.ts';
import { verifyToken } from '../../src/auth/oidc/verify-token.ts';
import { eventually } from '../world/eventually.ts';
import { createManualClock } from '../world/manual-clock.ts';
import { newKey } from './oidc-rig.ts';

const MINUTE = 60_000;

/** A provider that answers when the test says so. */
function createLoads() {
  const loads: PromiseWithResolvers<string>[] = [];
  const load = (): Promise<string> => {
    const one = Promise.withResolvers<string>();
    loads.push(one);
    return one.promise;
  };
  return { loads, load };
}

/** A value that is fresh for 10 minutes and kept for an hour, read once as `one`. */
async function createWorld() {
  const clock = createManualClock();
  let offset = 0;
  const { loads, load } = createLoads();
  const states: boolean[] = [];
  const value = createRemoteValue({
    load,
    clock: { ...clock, now: () => clock.now() + offset },
    freshMs: 10 * MINUTE,
    keepMs: 60 * MINUTE,
    coolDownMs: 30_000,
    onState: (ready) => void states.push(ready),
  });
  const first = value.get();
  loads[0]?.resolve('one');
  assert.equal(await first, 'one');
  const setBack = (ms: number): void => {
    offset -= ms;
  };
  return { clock, loads, value, states, setBack };
}

/** Lets what was settled take its way. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a value of a provider that hangs', () => {
  it('is given at once when it is old, read anew by one call behind, and is the new one then', async () => {
    const { clock, loads, value } = await createWorld();
    await clock.advance(10 * MINUTE - 1);
    assert.equal(await value.get(), 'one');
    assert.equal(loads.length, 1);
    await clock.advance(1);
    for (let at = 0; at < 20; at++) assert.equal(await value.get(), 'one', 'nobody waits for the provider');
    assert.equal(loads.length, 2, 'one reading, whoever asks');
    loads[1]?.resolve('two');
    await turn();
    assert.equal(await value.get(), 'two');
    assert.equal(loads.length, 2);
  });

  it('goes on while readings fail, which are 30 s apart', async () => {
    const { clock, loads, value, states } = await createWorld();
    await clock.advance(10 * MINUTE);
    assert.equal(await value.get(), 'one');
    loads[1]?.reject(new Error('away'));
    await turn();
    for (let at = 0; at < 5; at++) assert.equal(await value.get(), 'one');
    assert.equal(loads.length, 2);
    assert.deepEqual([value.fault, value.held, states], ['away', true, [true, false]]);
    await clock.advance(30_000);
    assert.equal(await value.get(), 'one');
    assert.equal(loads.length, 3);
    loads[2]?.resolve('three');
    await turn();
    assert.deepEqual([await value.get(), value.fault], ['three', null]);
  });

  it('is waited for when there is none, or it was kept for too long', async () => {
    const { clock, loads, value } = await createWorld();
    await clock.advance(60 * MINUTE);
    let told = '';
    const asked = value.get().then((text) => {
      told = text;
    });
    await turn();
    assert.equal(told, '');
    loads[1]?.resolve('two');
    await asked;
    assert.equal(told, 'two');
    await clock.advance(60 * MINUTE);
    const refused = assert.rejects(value.get(), ProviderUnreachable);
    loads[2]?.reject(new Error('away'));
    await refused;
  });

  it('after a clock that went backwards is read anew before it is used', async () => {
    const { loads, value, setBack } = await createWorld();
    setBack(MINUTE);
    const asked = value.get();
    await turn();
    assert.equal(loads.length, 2);
    loads[1]?.resolve('two');
    assert.equal(await asked, 'two');
  });

  it('that is being read is waited for by who needs a newer one', async () => {
    const { clock, loads, value } = await createWorld();
    const renewed = value.renew();
    loads[1]?.resolve('two');
    assert.equal(await renewed, true);
    await clock.advance(10 * MINUTE);
    assert.equal(await value.get(), 'two');
    const again = [value.renew(), value.renew()];
    loads[2]?.resolve('three');
    assert.deepEqual(await Promise.all(again), [true, true]);
    assert.equal(loads.length, 3);
  });
});

describe('keys of a provider that hangs', () => {
  it('verify tokens without waiting, and the first token of a new key when it answers', async () => {
    const clock = createManualClock(Date.now());
    const [old, next] = [await newKey('old'), await newKey('next')];
    const published = (...keys: readonly (typeof old)[]) => ({ keys: keys.map(({ publicJwk }) => publicJwk) });
    const waiting: PromiseWithResolvers<Record<string, unknown>>[] = [];
    const json = (): Promise<Record<string, unknown>> => {
      const one = Promise.withResolvers<Record<string, unknown>>();
      waiting.push(one);
      return one.promise;
    };
    const calls = { json, call: () => Promise.reject(new Error('not used')), [Symbol.asyncDispose]: async () => {} };
    const keys = createKeySet({ url: async () => 'https://idp.example/keys', calls, clock });
    const checks = { issuer: 'i', audience: ['a'], algorithms: ['RS256'], clockSkew: 0, required: [] };
    const check = async (key: typeof old) => {
      const signed = new SignJWT({ iss: 'i', aud: 'a' }).setProtectedHeader({ alg: 'RS256', kid: key.kid });
      return verifyToken(await signed.sign(key.privateKey), keys, checks, clock);
    };
    const first = check(old);
    await eventually('the keys are asked for', () => waiting.length === 1);
    waiting[0]?.resolve(published(old));
    assert.ok(await first);

    await clock.advance(11 * MINUTE);
    assert.ok(await check(old));
    assert.equal(waiting.length, 2, 'being read behind');
    const ofNext = check(next);
    assert.ok(await check(old), 'still nobody waits');
    waiting[1]?.resolve(published(old, next));
    assert.ok(await ofNext);
    assert.equal(waiting.length, 2);
  });
});
