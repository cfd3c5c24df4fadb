import { type Browser, chromium, type Page } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A headless Chromium without a network of its own. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
  });
}

/** How a page is looked at. */
export interface Look {
  readonly width: number;
  readonly scheme: 'light' | 'dark';
  /** Whether axe-core looks too: each width and each scheme once. */
  readonly checked?: boolean;
}

export const LOOKS: readonly Look[] = [
  { width: 1280, scheme: 'light', checked: true },
  { width: 1280, scheme: 'dark' },
  { width: 400, scheme: 'light' },
  { width: 400, scheme: 'dark', checked: true },
];

/** What the browser complained of on a page: script errors and everything that the policy stopped. */
export interface Complaints {
  readonly page: Page;
  readonly said: string[];
}

/** A page with this look, and what it complains of. */
export async function openPage(browser: Browser, { width, scheme }: Look): Promise<Complaints> {
  const context = await browser.newContext({
    viewport: { width, height: width > 600 ? 800 : 860 },
    colorScheme: scheme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const said: string[] = [];
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') said.push(`${message.type()}: ${message.text()}`);
  });
  return { page, said };
}

/** Creates a token through the form. */
export async function createToken(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/ui/tokens`);
  await page.fill('#label', 'nightly regression');
  await page.check('#scopes-submit');
  await page.click('text=Create token');
  await page.waitForSelector('#token');
}

/** Opens two calls of the explorer and sends one. */
export async function useExplorer(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/ui/api`);
  await page.click('#operations-vovserver-post-jobs .opblock-summary-control');
  await page.waitForSelector('#operations-vovserver-post-jobs textarea');
  await page.click('#operations-vovserver-get-query .opblock-summary-control');
  await page.click('#operations-vovserver-get-query .execute');
  await page.waitForSelector('.live-responses-table .response-col_status');
}
