import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createSignInWorld, type SignInWorld } from '../world/sign-in-world.ts';

const LIMIT = 200;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

let world: SignInWorld;
before(async () => {
  world = await createSignInWorld();
});
after(() => world[Symbol.asyncDispose]());

async function post(path: string, body: string): Promise<{ status: number; code: string }> {
  const answer = await fetch(world.url + path, { method: 'POST', headers: FORM, body });
  const { code = '', error = '' } = (await answer.json()) as { code?: string; error?: string };
  return { status: answer.status, code: code || error };
}

describe('a form with more fields than any form has', () => {
  const paths = { '/saml/saml/acs': 'GW_SIGN_IN_FAILED', '/oauth/token': 'invalid_request' };
  for (const [path, usual] of Object.entries(paths)) {
    it(`is refused before it is parsed, at ${path}`, async () => {
      for (const field of ['a=b', 'a', '']) {
        const fields = (count: number): string => Array.from({ length: count }, () => field).join('&');
        assert.equal((await post(path, fields(LIMIT))).code, usual, `${LIMIT} × ${field}`);
        assert.deepEqual(await post(path, fields(LIMIT + 1)), { status: 400, code: 'GW_BAD_BODY' }, field);
      }
    });
  }

  it('costs no more when it is as long as a body may be', async () => {
    assert.deepEqual(await post('/saml/saml/acs', 'a&'.repeat(130_000)), { status: 400, code: 'GW_BAD_BODY' });
  });
});
