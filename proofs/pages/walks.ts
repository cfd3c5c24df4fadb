import type { Page } from 'playwright-core';
import { BUTTON, type House } from './house.ts';

const LIMIT = 80;

/** What a walk by keyboard came to. */
export interface Walk {
  readonly keys: number;
  /** Stops of the tab key on which the focus could not be seen. */
  readonly unseen: readonly string[];
  readonly copied: string;
  readonly shown: string;
}

const FOCUSED = `(() => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
  const seen = (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
  const words = one.labels?.[0]?.textContent ?? one.textContent;
  return { text: (one.value && one.tagName === 'BUTTON' ? one.value + ' ' : '') + words.trim(), id: one.id, seen, tag: one.tagName };
})()`;

/** A person with a keyboard only. */
function createKeyboard(page: Page) {
  const unseen: string[] = [];
  let keys = 0;
  const press = async (key: string): Promise<void> => {
    keys += 1;
    await page.keyboard.press(key);
  };
  return {
    unseen,
    keys: () => keys,
    press,
    async type(text: string): Promise<void> {
      keys += text.length;
      await page.keyboard.type(text);
    },
    /** Presses Tab until what is wanted has the focus. */
    async tabTo(wanted: RegExp): Promise<void> {
      for (let at = 0; at < LIMIT; at++) {
        await press('Tab');
        const { text, id, seen, tag } = (await page.evaluate(FOCUSED)) as Record<string, string> & { seen: boolean };
        if (tag !== 'BODY' && !seen)
          unseen.push(`${tag} ${id} ${text?.slice(0, 40)} at ${new URL(page.url()).pathname}`);
        if (wanted.test(id ?? '') || wanted.test(text ?? '')) return;
      }
      throw new Error(`${page.url()}: ${wanted} is not reached with ${LIMIT} tabs`);
    },
  };
}

/** From the front door to a token on the clipboard, with the keyboard only. */
export async function walkByKeyboard({ stranger, url, idp }: House): Promise<Walk> {
  const page = await stranger();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const keyboard = createKeyboard(page);
  await page.goto(`${url}/`);
  await keyboard.tabTo(new RegExp(BUTTON.oidc));
  await keyboard.press('Enter');
  await page.waitForURL(`${idp.url}/**`);
  await keyboard.tabTo(/^alice/);
  await keyboard.press('Enter');
  await page.waitForURL(`${url}/ui/`);
  await keyboard.tabTo(/^Access tokens$/);
  await keyboard.press('Enter');
  await page.waitForURL(`${url}/ui/tokens`);
  await keyboard.tabTo(/^label$/);
  await keyboard.type('by keyboard');
  await keyboard.tabTo(/^scopes-submit$/);
  await keyboard.press('Space');
  await keyboard.tabTo(/^life$/);
  await keyboard.press('ArrowUp');
  await keyboard.tabTo(/^Create token$/);
  await keyboard.press('Enter');
  await page.waitForSelector('#token');
  await keyboard.tabTo(/^Copy the token$/);
  await keyboard.press('Enter');
  await page.waitForSelector('#copy-status:not(:empty)', { state: 'attached' });
  const copied = String(await page.evaluate('navigator.clipboard.readText()'));
  const shown = (await page.innerText('#token')).trim();
  await page.context().close();
  return { keys: keyboard.keys(), unseen: keyboard.unseen, copied, shown };
}

/** From the front door to a token by either protocol, in a browser that runs no script; gives the token as shown. */
export async function walkWithoutScript(house: House, way: keyof typeof BUTTON, person: string): Promise<string> {
  const { stranger, url, idp } = house;
  const page = await stranger({ javaScriptEnabled: false });
  await page.goto(`${url}/`);
  await page.click(`text=${BUTTON[way]}`);
  const button = page.locator(`button[value="${person}"], #send-away button, form[action*="/acs"] button`).first();
  for (let at = 0; at < 6 && !page.url().startsWith(`${url}/ui/`); at++) {
    if (page.url().startsWith(idp.url) || page.url().startsWith(url)) await button.click();
    await page.waitForLoadState();
  }
  await page.click('nav >> text=Access tokens');
  await page.fill('#label', `without script, ${way}`);
  await page.check('#scopes-submit');
  await page.click('text=Create token');
  const token = (await page.innerText('#token')).trim();
  await page.context().close();
  return token;
}
