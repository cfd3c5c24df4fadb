import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { fullWorld } from './all-pages.ts';
import { createToken, LOOKS, type Look, openBrowser, openPage, useExplorer } from './browser.ts';
import { type PortalServer, servePortal } from './portal-server.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Folder for a picture of every page; none are made without it, since they take most of the time. */
const SHOTS = process.env.VOVGW_SHOTS;

interface Finding {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** What axe-core finds serious or critical. The debugger's evaluation is not held against the page's policy. */
async function findingsOf(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: AXE });
  const expression =
    'axe.run(document, { resultTypes: ["violations"] }).then((found) => JSON.stringify(found.violations))';
  const { result } = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  const found = JSON.parse(String(result.value)) as Finding[];
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary ?? ''}`).join('\n')}`,
    );
}

const overflow = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

type Visit = (page: Page, url: string) => Promise<unknown>;
const at =
  (path: string): Visit =>
  (page, url) =>
    page.goto(`${url}${path}`);

const VISITS: Readonly<Record<string, Visit>> = {
  'sign-in': at('/_/sign-in'),
  'signed-out': at('/_/signed-out'),
  error: at('/_/error'),
  account: at('/ui/'),
  tokens: async (page, url) => {
    await page.goto(`${url}/ui/tokens`);
    await page.click('details.ask > summary');
  },
  'tokens-wrong': async (page, url) => {
    await page.goto(`${url}/ui/tokens`);
    await page.fill('#label', ' ');
    await page.uncheck('#scopes-read');
    await page.click('text=Create token');
    await page.waitForSelector('.wrong');
  },
  'token-shown': createToken,
  credential: at('/ui/credential?done=enrolled'),
  sessions: at('/ui/sessions'),
  device: at('/ui/device'),
  'device-asked': at('/ui/device?user_code=WDJB-MJHT'),
  'device-wrong': at('/ui/device?user_code=NOPE'),
  'all-tokens': at('/ui/admin/tokens'),
  api: useExplorer,
};

/** An error status of the page itself is what some visits are about. */
const expected = (said: string): boolean => /the server responded with a status of (422|503)/.test(said);

describe('the portal in Chromium', { timeout: 60_000 }, () => {
  let browser: Browser;
  let server: PortalServer;
  let page: Page;
  let said: string[];
  before(async () => {
    browser = await openBrowser();
    server = await servePortal(fullWorld());
    ({ page, said } = await openPage(browser, { width: 1280, scheme: 'light' }));
  });
  after(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });

  const show = async ({ width, scheme }: Look): Promise<void> => {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: scheme });
  };
  const shoot = async (name: string, { width, scheme }: Look): Promise<void> => {
    if (SHOTS === undefined) return;
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, `${name}-${width}-${scheme}.png`), fullPage: true });
  };

  for (const [name, visit] of Object.entries(VISITS)) {
    it(`${name}: nothing serious in light and dark, nothing blocked, nothing cut off at 1280 and 400 px`, async () => {
      said.length = 0;
      await show({ width: 1280, scheme: 'light' });
      await visit(page, server.url);
      for (const look of LOOKS) {
        await show(look);
        assert.equal(await overflow(page), 0, `${look.width} px`);
        await shoot(name, look);
        if (look.checked) assert.deepEqual(await findingsOf(page), [], `${look.width} px, ${look.scheme}`);
      }
      assert.deepEqual(
        said.filter((line) => !expected(line)),
        [],
      );
    });
  }

  it('the check itself finds what is wrong', async () => {
    await show({ width: 400, scheme: 'light' });
    await page.goto('about:blank');
    await page.setContent('<img src="x"><p style="width: 900px; color: #ccc">pale and wide</p>');
    const found = (await findingsOf(page)).join('\n');
    assert.match(found, /image-alt/);
    assert.match(found, /color-contrast/);
    assert.ok((await overflow(page)) > 0);
  });
});
