import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { createIdp } from '../../standin/idp/index.ts';
import { LOOKS, openBrowser, openPage } from '../portal/browser.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FINDINGS = 'axe.run(document).then(({ violations }) => violations.map(({ id, help }) => [id, help]))';

test('the pages of the demo identity provider are accessible, wide and narrow, light and dark, and fit', async () => {
  await using idp = await createIdp();
  const browser = await openBrowser();
  try {
    for (const look of LOOKS) {
      const { page, said } = await openPage(browser, look);
      for (const path of ['/login', '/', '/logout', '/saml/signed-out', '/saml/nothing']) {
        await page.goto(`${idp.url}${path}`);
        await page.evaluate(AXE);
        assert.deepEqual(await page.evaluate(FINDINGS), [], `${path} ${look.width} ${look.scheme}`);
        const isWide = 'document.documentElement.scrollWidth > document.documentElement.clientWidth';
        assert.equal(await page.evaluate(isWide), false, `${path} ${look.width}`);
      }
      await page.goto(`${idp.url}/login`);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await page.waitForURL(`${idp.url}/`);
      assert.match(await page.innerText('main'), /Alice Archer/);
      const shown = said.filter((line) => !line.includes('404') && !line.includes('favicon'));
      assert.deepEqual(shown, []);
      await page.context().close();
    }
  } finally {
    await browser.close();
  }
});
