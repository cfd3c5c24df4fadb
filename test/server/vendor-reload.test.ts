import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { signInAs } from '../world/browser.ts';
import { createSignInWorld, type SignInWorld } from '../world/sign-in-world.ts';

describe('docs.vendorPages', () => {
  let world: SignInWorld;
  before(async () => {
    world = await createSignInWorld({ config: { docs: { vendorPages: true } } });
  });
  after(() => world[Symbol.asyncDispose]());

  it('is switched off and on by a reload', async () => {
    const { browser } = await signInAs(world.url, 'oidc/oidc', 'alice');
    const status = async (): Promise<number> => (await browser.open(`${world.url}/html/vovrest.html`)).status;
    const reload = (vendorPages: boolean): void =>
      world.gateway.reload({ ...world.config, docs: { ...world.config.docs, vendorPages } });
    assert.equal(await status(), 200);
    reload(false);
    assert.equal(await status(), 404);
    assert.equal((await world.call('POST', '/html/vovrest.html')).status, 404);
    reload(true);
    assert.equal(await status(), 200);
    assert.equal((await world.call('POST', '/html/vovrest.html')).status, 405);
  });

  it('counts against the limit of the person', async () => {
    const { browser } = await signInAs(world.url, 'oidc/oidc', 'bob');
    const { limits } = world.config;
    const few = { all: { requests: 2, window: 3_600_000 } };
    world.gateway.reload({ ...world.config, limits: { ...limits, identity: few } });
    const statuses: number[] = [];
    for (let at = 0; at < 3; at += 1) statuses.push((await browser.open(`${world.url}/html/vovrest.html`)).status);
    assert.deepEqual(statuses, [200, 200, 429]);
    assert.equal(
      (await browser.open(`${world.url}/ui/tokens`)).status,
      200,
      'pages where tokens are revoked stay open',
    );
  });
});
