import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../world/eventually.ts';
import { createWorld, type World } from '../world/world.ts';

// 403 may stand for a dead JWT; for an account that may do nothing at all it must not become a login with every call.
describe('an account to which vovserver answers 403 for everything', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  it('is logged in once more, and not with every call', async () => {
    await world.call('GET', '/api/v3/project/1/project', { token: await world.token('bob') });
    const token = await world.token('alice');
    using _forbidden = world.vovserver.addFault({ kind: 'answer', status: 403, body: 'json', account: 'alice' });
    const logins = (): number => world.vovserver.ledger.logins.filter(({ user }) => user === 'alice').length;
    const poll = async (): Promise<void> => {
      const answer = await world.call('GET', '/api/v3/jobs/1', { token });
      assert.equal(answer.status, 403);
      await answer.text();
    };
    await poll();
    await eventually('the JWT is renewed on suspicion', () => logins() === 2);
    for (let call = 0; call < 10; call += 1) {
      const seen = world.vovserver.ledger.requests.length;
      await poll();
      // The question beside the call, if there is one, is on its way by then.
      await eventually('the call has arrived', () => world.vovserver.ledger.requests.length > seen);
    }
    assert.ok(logins() <= 2, `${logins()} logins`);
  });
});
