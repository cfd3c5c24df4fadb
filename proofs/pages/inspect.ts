import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { LOOKS, type Look } from '../../test/portal/browser.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const IMPACTS = ['critical', 'serious', 'moderate', 'minor'] as const;
type Impact = (typeof IMPACTS)[number];

interface Finding {
  readonly id: string;
  readonly impact: Impact | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** What was found on one page over all looks. */
export interface Inspection {
  /** Findings of axe-core by impact, most serious first; the largest number of any look. */
  readonly findings: readonly number[];
  /** Each finding once, in words. */
  readonly words: readonly string[];
  /** Pixels that the page is wider than its window; the largest of any look. */
  readonly overflow: number;
}

/** The debugger's evaluation is not held against the page's policy. */
async function runAxe(page: Page): Promise<readonly Finding[]> {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: AXE });
  const expression =
    'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => JSON.stringify(violations))';
  const { result } = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  await session.detach();
  return JSON.parse(String(result.value)) as Finding[];
}

const overflowOf = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

const wordsOf = ({ id, impact, nodes }: Finding, { width, scheme }: Look): string =>
  `${impact} ${id} at ${width} px, ${scheme}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`;

/** Looks at a page as it stands at 1280 and 400 px, light and dark; pictures go into `shots` when there is one. */
export async function inspect(page: Page, name: string, shots: string | undefined): Promise<Inspection> {
  const counts = IMPACTS.map(() => 0);
  const words: string[] = [];
  let overflow = 0;
  for (const look of LOOKS) {
    await page.setViewportSize({ width: look.width, height: 800 });
    await page.emulateMedia({ colorScheme: look.scheme });
    overflow = Math.max(overflow, await overflowOf(page));
    const found = await runAxe(page);
    for (const [at, impact] of IMPACTS.entries()) {
      const here = found.filter((one) => one.impact === impact).length;
      counts[at] = Math.max(counts[at] ?? 0, here);
    }
    words.push(...found.map((one) => wordsOf(one, look)));
    if (shots !== undefined) {
      mkdirSync(shots, { recursive: true });
      await page.screenshot({ path: join(shots, `${name}-${look.width}-${look.scheme}.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  return { findings: counts, words, overflow };
}

/** Everything that a browser says about a page: script errors and what the policy stopped. */
export function listen(page: Page): string[] {
  const said: string[] = [];
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    // The browser notes the status of an error page itself; the visit says which one it expects.
    if (message.text().startsWith('Failed to load resource') && message.location().url === page.url()) return;
    said.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  return said;
}
