import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Caller } from '../../src/auth/index.ts';
import { GatewayError } from '../../src/kernel/index.ts';
import type { Scope } from '../../src/server/scope.ts';
import { createAuthenticate, type Ways } from '../../src/server/steps/authenticate.ts';

const OWNER = { identity: { user: 'alice' }, tokenId: 't' } as unknown as Caller;

/** The step with a guard that counts, and attempts that end when they are told to. */
function createRig() {
  const attempts: { address: string; end: (error?: Error) => void }[] = [];
  const ways = {
    tokens: { recall: () => null, authenticate: async () => OWNER },
    takesBearers: () => false,
    guard: {
      async around(scope: Scope, _tokenId: string | null, verify: () => Promise<Caller>): Promise<Caller> {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
        attempts.push({ address: scope.meta.address, end });
        await promise;
        return verify();
      },
    },
  };
  const step = createAuthenticate(ways as unknown as Ways);
  const call = (authorization: string, address = '192.0.2.1') => {
    const scope = {
      meta: { address },
      req: { rawHeaders: ['Authorization', authorization], headers: {} },
      caller: null,
    };
    return { scope, done: Promise.resolve(step(scope as unknown as Scope)) };
  };
  return { attempts, call };
}

describe('many callers with one credential', () => {
  it('are one attempt, and each becomes the caller', async () => {
    const { attempts, call } = createRig();
    const calls = Array.from({ length: 50 }, () => call('Bearer vgw_x'));
    assert.equal(attempts.length, 1);
    attempts[0]?.end();
    await Promise.all(calls.map(({ done }) => done));
    for (const { scope } of calls) assert.equal(scope.caller, OWNER);
    const later = call('Bearer vgw_x');
    assert.equal(attempts.length, 2);
    attempts[1]?.end();
    await later.done;
  });

  it('are attempts of their own by address, token and user name', async () => {
    const { attempts, call } = createRig();
    const basic = (user: string): string => `Basic ${Buffer.from(`${user}:vgw_x`).toString('base64')}`;
    const calls = [
      call('Bearer vgw_x'),
      call('Bearer vgw_x', '192.0.2.2'),
      call('Bearer vgw_y'),
      call(basic('alice')),
      call(basic('bob')),
    ];
    assert.equal(attempts.length, 5);
    for (const { end } of attempts) end();
    const ends = await Promise.allSettled(calls.map(({ done }) => done));
    assert.deepEqual(
      ends.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    );
  });

  it('fail together, and the next may try again', async () => {
    const { attempts, call } = createRig();
    const calls = [call('Bearer vgw_x'), call('Bearer vgw_x')];
    attempts[0]?.end(new GatewayError('GW_LOGIN_LIMITED', 'Too many.'));
    for (const { done } of calls) await assert.rejects(done, /Too many/);
    const next = call('Bearer vgw_x');
    attempts[1]?.end();
    await next.done;
    assert.equal(next.scope.caller, OWNER);
  });
});
