import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createWorld, type World } from '../world/world.ts';

// A second spelling of the token endpoint must not carry a password to vovserver, past the limit of attempts, nor a JWT back.
const SPELLINGS = ['/api/v3/token/', '/api/v3/token/?x=1', '/api/v3/%74oken', '/api/v3/tok%65n/', '/api/v3/to%6Ben?'];

describe('other spellings of the token endpoint', () => {
  let world: World;
  let token: string;
  before(async () => {
    world = await createWorld();
    token = await world.token('alice', ['read']);
    await world.call('GET', '/api/v3/project/1/project', { token });
  });
  after(() => world[Symbol.asyncDispose]());

  for (const spelling of SPELLINGS) {
    it(`${spelling} is refused and never sent`, async () => {
      const { logins, requests } = world.vovserver.ledger;
      const before = [logins.length, requests.length];
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const answer = await world.call('POST', spelling, { token, headers, body: 'username=bob&password=pw-bob' });
      assert.equal(answer.status, 400);
      const problem = JSON.parse(await answer.text());
      assert.equal(problem.code, 'GW_BAD_PATH');
      assert.deepEqual([logins.length, requests.length], before);
    });
  }
});
