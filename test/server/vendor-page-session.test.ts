import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { MARKER } from '../../standin/vovserver/index.ts';
import { type Browser, createBrowser, signInAs } from '../world/browser.ts';
import { createSignInWorld, type SignInWorld } from '../world/sign-in-world.ts';
import { PAGE } from './vendor-rig.ts';

const open = (profile: object = {}): Promise<SignInWorld> =>
  createSignInWorld({ config: { docs: { vendorPages: true } }, vovserver: { profile } });

/** The cookies of a signed-in browser, for Chromium. */
function cookiesOf(browser: Browser, url: string) {
  return [...browser.cookies(url)].map(([name, value]) => ({ name, value, url }));
}

describe('the vendor’s page through the gateway', () => {
  it('opens for a signed-in person, and “Try it out” asks vovserver as that person', async () => {
    await using world = await open();
    const { browser } = await signInAs(world.url, 'oidc', 'alice');
    const chrome = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
    });
    try {
      const context = await chrome.newContext();
      await context.addCookies(cookiesOf(browser, world.url));
      const page = await context.newPage();
      await page.goto(`${world.url}${PAGE}`);
      assert.ok((await page.content()).includes(MARKER));
      await page.click('#try');
      await page.locator('#status', { hasText: /^200$/ }).waitFor();
      assert.match((await page.textContent('#answer')) ?? '', /"rows"/);
    } finally {
      await chrome.close();
    }
    const pages = world.vovserver.ledger.requests.filter(({ target }) => target.startsWith('/html/'));
    assert.ok(pages.length >= 3);
    for (const { rawHeaders, account } of pages) {
      assert.equal(account, null, 'no credential travels for a page');
      assert.ok(!rawHeaders.some((name) => /^(cookie|authorization)$/i.test(name)));
    }
    const call = world.vovserver.ledger.requests.find(({ target }) => target === '/api/v3/project/1/project');
    assert.equal(call?.account, 'alice');
  });

  it('sends who is not signed in to the sign-in, and shows nothing', async () => {
    await using world = await open();
    const before = world.vovserver.ledger.requests.length;
    const answer = await createBrowser().open(`${world.url}${PAGE}`, { follow: false });
    assert.equal(answer.status, 303);
    assert.ok(!answer.body.includes(MARKER));
    const script = await fetch(`${world.url}/html/vovrest.js`);
    assert.equal(script.status, 401);
    assert.equal(world.vovserver.ledger.requests.length, before);
  });

  it('says clearly that vovserver wants a login of its own, when it does', async () => {
    await using world = await open({ documentation: 'login' });
    const { browser } = await signInAs(world.url, 'oidc', 'alice');
    const page = await browser.open(`${world.url}${PAGE}`);
    assert.equal(page.status, 502);
    assert.match(page.body, /wants a sign-in of its own/);
    assert.equal(page.headers.get('www-authenticate'), null);
  });

  it('is not there unless it was switched on', async () => {
    await using world = await createSignInWorld();
    const { browser } = await signInAs(world.url, 'oidc', 'alice');
    assert.equal((await browser.open(`${world.url}${PAGE}`)).status, 404);
  });
});
