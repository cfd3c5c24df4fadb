// Every page that a person can reach, in Chromium, wide and narrow, light and dark: axe-core, console, width; by keyboard, without script.
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';
import { createHouse, type House } from './pages/house.ts';
import { inspect, listen } from './pages/inspect.ts';
import { VISITS, type Visit, WITHOUT_STORE } from './pages/visits.ts';
import { walkByKeyboard, walkWithoutScript } from './pages/walks.ts';

const { values } = readFlags({ shots: '', only: '' });
const shots = values.shots === '' ? undefined : values.shots;
const only = values.only === '' ? null : new RegExp(values.only);

await using house: House = await createHouse();
const figures = createFigures('Pages in headless Chromium at 1280 and 400 px, light and dark');
const windows = new Map<string, { readonly page: Page; readonly said: string[] }>();

async function windowOf(who: Visit['who']) {
  const known = windows.get(who);
  // Who is not signed in begins anew each time.
  if (who === 'nobody') await known?.page.context().close();
  else if (known !== undefined) return known;
  const page = who === 'nobody' ? await house.stranger() : await house.enter(who);
  const fresh = { page, said: listen(page) };
  windows.set(who, fresh);
  return fresh;
}

async function prove(visit: Visit): Promise<void> {
  const { page, said } = await windowOf(visit.who);
  said.length = 0;
  const promised = '0 critical, 0 serious, 0 complaints, 0 px over';
  try {
    await visit.go(page, house);
    const heading = (await page.locator('h1').first().innerText()).trim();
    const { findings, words, overflow } = await inspect(page, visit.name, shots);
    for (const text of [...words, ...said]) console.log(`${visit.name}: ${text}`);
    const [critical = 0, serious = 0, moderate = 0, minor = 0] = findings;
    const right = visit.heading.test(heading);
    const held = visit.foreign
      ? said.filter((line) => line.startsWith('error')).length
      : critical + serious + said.length;
    const seen = `${critical} ${serious} (${moderate} moderate, ${minor} minor), ${said.length}, ${overflow} px`;
    figures.add(
      visit.name,
      visit.foreign ? '0 errors, 0 px over' : promised,
      right ? seen : `another page: ${heading}`,
      right && held + overflow === 0,
    );
  } catch (error) {
    figures.add(
      visit.name,
      promised,
      error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error),
      false,
    );
    if (shots !== undefined) await page.screenshot({ path: join(shots, `failed-${visit.name}.png`) });
  }
}

async function proveWalks(): Promise<void> {
  const works = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${house.url}/api/v3/project/1/version`, { headers })).status;
  };
  const { keys, unseen, copied, shown } = await walkByKeyboard(house);
  const same = copied === shown && copied.startsWith('vgw_');
  figures.add(
    'by keyboard only: sign-in to a copied token',
    'copied',
    `${same ? 'copied' : 'not'}, ${keys} keys`,
    same,
  );
  figures.add('the token from the clipboard, at /api/', '200', await works(copied), (await works(copied)) === 200);
  for (const stop of unseen) console.log(`focus not seen: ${stop}`);
  figures.add('stops of the tab key without a visible focus', '0', unseen.length, unseen.length === 0);
  for (const [way, person] of [
    ['oidc', 'alice'],
    ['saml', 'bob'],
  ] as const) {
    const status = await works(await walkWithoutScript(house, way, person));
    figures.add(`without script, ${way}: sign-in to a token, at /api/`, '200', status, status === 200);
  }
}

/** Before anything is looked at: bob in other browsers, so that he has several sessions. */
const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
  `curl/8 ${'with-a-name-that-does-not-end-'.repeat(6)}`,
];
for (const userAgent of AGENTS) await (await house.enter('bob', { userAgent })).context().close();

for (const visit of VISITS) if (only === null || only.test(visit.name)) await prove(visit);
if (only === null || only.test('walk')) await proveWalks();
if (only === null || only.test('error-store')) {
  const { page } = await windowOf('bob');
  await page.goto(`${house.url}/ui/tokens`);
  await house.stage.redis.kill();
  for (const visit of WITHOUT_STORE) await prove(visit);
}
figures.print();
