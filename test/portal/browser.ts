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
}

export const LOOKS: readonly Look[] = [
  { width: 1280, scheme: 'light' },
  { width: 1280, scheme: 'dark' },
  { width: 400, scheme: 'light' },
  { width: 400, scheme: 'dark' },
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
