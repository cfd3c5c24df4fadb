import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { createToken, openBrowser, openPage, useExplorer } from './browser.ts';
import { servePortal } from './portal-server.ts';
import { createPortalWorld, TOKEN_TEXT } from './portal-world.ts';

describe('what people do in the portal', { timeout: 60_000 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser.close());

  it('copying a token by its button, by keyboard alone', async () => {
    await using server = await servePortal(createPortalWorld());
    const { page, said } = await openPage(browser, { width: 1280, scheme: 'light' });
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await createToken(page, server.url);
    await page.focus('[data-copy="token"]');
    await page.keyboard.press('Enter');
    await page.locator('#copy-status', { hasText: /./ }).waitFor({ state: 'attached' });
    assert.equal(await page.evaluate('navigator.clipboard.readText()'), TOKEN_TEXT);
    assert.equal(await page.textContent('#copy-status'), 'Copied: the token');
    assert.deepEqual(said, []);
    await page.context().close();
  });

  it('reloading the page of a new token: no second one, and it is not shown again', async () => {
    const world = createPortalWorld();
    await using server = await servePortal(world);
    const { page } = await openPage(browser, { width: 1280, scheme: 'light' });
    await createToken(page, server.url);
    await page.reload();
    await page.waitForSelector('text=That form was used before');
    assert.equal(world.state.created.length, 1);
    assert.equal((await page.content()).includes(TOKEN_TEXT), false);
    await page.context().close();
  });

  it('everything but copying and the explorer, without script', async () => {
    const world = createPortalWorld();
    await using server = await servePortal(world);
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await createToken(page, server.url);
    assert.equal(await page.locator('[data-copy]:visible').count(), 0);
    await page.goto(`${server.url}/ui/tokens`);
    await page.locator('details.ask > summary').first().click();
    await page.locator('text=Revoke it now').first().click();
    await page.waitForSelector('text=The token is revoked.');
    await page.goto(`${server.url}/ui/device?user_code=WDJB-MJHT`);
    await page.click('text=Approve >> nth=-1');
    await page.waitForSelector('h1:has-text("Approved")');
    assert.deepEqual(world.state.decisions, ['approve by alice']);
    await context.close();
  });

  it('reaching the content by the skip link', async () => {
    await using server = await servePortal(createPortalWorld());
    const { page } = await openPage(browser, { width: 1280, scheme: 'light' });
    await page.goto(`${server.url}/ui/`);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.className'), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'main');
    await page.context().close();
  });

  for (const script of [true, false]) {
    it(`being sent to the provider by a form, ${script ? 'at once' : 'by the button when there is no script'}`, async () => {
      await using provider = await servePortal(createPortalWorld(), {
        '/sso': () => ({ kind: 'page', html: '<!doctype html><title>idp</title><h1>identity provider</h1>' }),
      });
      const action = `${provider.url.replace('127.0.0.1', 'localhost')}/sso`;
      await using server = await servePortal(createPortalWorld(), {
        '/_/away': ({ portal }) => portal.signInPages.sendAway({ kind: 'post', action, fields: { SAMLRequest: 'x' } }),
      });
      const context = await browser.newContext({ javaScriptEnabled: script });
      const page = await context.newPage();
      await page.goto(`${server.url}/_/away`);
      if (!script) await page.click('text=Continue');
      await page.waitForSelector('text=identity provider');
      assert.equal(page.url(), action);
      await context.close();
    });
  }

  it('being sent on after logout', async () => {
    await using server = await servePortal(createPortalWorld(), {
      '/_/out': ({ portal }) => {
        const location = `${server.url.replace('127.0.0.1', 'localhost')}/_/signed-out`;
        return portal.signInPages.signedOut({ kind: 'redirect', location });
      },
    });
    const { page } = await openPage(browser, { width: 1280, scheme: 'light' });
    await page.goto(`${server.url}/_/out`);
    await page.waitForURL(/localhost.*signed-out/);
    await page.context().close();
  });

  it('trying a call in the explorer: it goes to the gateway’s own API', async () => {
    await using server = await servePortal(createPortalWorld());
    const { page, said } = await openPage(browser, { width: 1280, scheme: 'light' });
    await useExplorer(page, server.url);
    assert.deepEqual(server.apiCalls, ['GET /api/v3/query?select=id%2Cstatusnc%2Ccommand&from=System%3Ajobs&limit=20']);
    assert.deepEqual(said, []);
    assert.equal(await page.locator('.authorize, .servers, .info').count(), 0);
    await page.context().close();
  });

  it('loading each file of a page once, from the gateway only', async () => {
    await using server = await servePortal(createPortalWorld());
    const { page } = await openPage(browser, { width: 1280, scheme: 'light' });
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await useExplorer(page, server.url);
    assert.ok(asked.every((url) => url.startsWith(`${server.url}/`) || url.startsWith('data:')));
    const scripts = asked.filter((url) => url.endsWith('.js'));
    assert.equal(scripts.length, 2);
    assert.deepEqual(scripts, [...new Set(scripts)]);
    await page.context().close();
  });
});
