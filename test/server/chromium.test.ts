import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { openBrowser } from '../portal/browser.ts';
import { pythonWithRequests } from '../world/python.ts';
import { createSignInWorld, type SignInWorld } from '../world/sign-in-world.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
/** Folder for pictures of what a person sees; none are made without it. */
const SHOTS = process.env.VOVGW_SHOTS;

let world: SignInWorld;
let browser: Browser;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vovgw-chromium-'));
  world = await createSignInWorld({
    config: { docs: { vendorPages: true }, credentials: [{ type: 'enrolled' }] },
  });
  browser = await openBrowser();
});
after(async () => {
  await browser.close();
  await world[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS === undefined) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `whole-${name}.png`), fullPage: true });
}

/** What the browser complains of in its console, policy violations included. */
function complaintsOf(context: BrowserContext): string[] {
  const said: string[] = [];
  context.on('console', (message) => {
    const { url } = message.location();
    if (message.type() === 'error' && url.startsWith(world.url)) said.push(`${url}: ${message.text()}`);
  });
  context.on('weberror', ({ error }) => void said.push(error().message));
  return said;
}

/** Clicks the provider's button and says who it is, as a person does. */
async function signIn(page: Page, button: string, person: string, path = '/'): Promise<void> {
  await page.goto(`${world.url}${path}`);
  await page.click(`text=${button}`);
  if (page.url().startsWith(world.idp.url)) await page.click(`button[value="${person}"]`);
  await page.waitForURL(`${world.url}/**`);
}

async function enrol(page: Page, password: string): Promise<void> {
  await page.goto(`${world.url}/ui/credential`);
  await page.fill('input[type=password]', password);
  await page.press('input[type=password]', 'Enter');
  await page.waitForLoadState();
}

for (const [button, person] of [
  ['OpenID Connect', 'alice'],
  ['SAML', 'bob'],
] as const) {
  describe(`a person with a browser, by ${button}`, { timeout: 90_000 }, () => {
    it('signs in, gives the vovserver password, makes a token, pastes the lines and gets jobs, signs out', async () => {
      const context = await browser.newContext();
      const said = complaintsOf(context);
      const page = await context.newPage();
      await page.goto(`${world.url}/`);
      await page.waitForSelector('h1:has-text("Sign in")');
      await shoot(page, `${person}-sign-in`);
      await signIn(page, button, person);
      await page.waitForSelector('h1:has-text("Your account")');
      await shoot(page, `${person}-account`);

      await enrol(page, 'wrong');
      await shoot(page, `${person}-wrong-password`);
      assert.match(await page.innerText('main'), /did not accept|rejected|wrong/i);
      world.vovserver.reset();
      const job = { command: 'sleep 77', logfile: `LOG.${person}`, rundir: '/tmp', env: 'BASE' };
      await rightPassword(page, person);

      await page.goto(`${world.url}/ui/tokens`);
      await page.fill('#label', 'pasted');
      await page.check('#scopes-submit');
      await page.click('text=Create token');
      await page.waitForSelector('#token');
      await shoot(page, `${person}-token`);
      const token = (await page.innerText('#token')).trim();
      const submitted = await world.call('POST', '/api/v3/jobs', { token, json: job });
      assert.equal(submitted.status, 200);
      const lines = async (id: string): Promise<string> => await page.innerText(`#lines-${id}`);
      const shell = `${await lines('env')}\n${await lines('curl')}\n`;
      const atPrompt = run('bash', ['-c', shell]);
      atPrompt.child.stdin?.end(`${token}\n`);
      const { stdout: byCurl } = await atPrompt;
      assert.match(byCurl, /sleep 77/);
      await copyFile(join(ROOT, 'clients/python/vov_rest_v3.py'), join(folder, 'vov_rest_v3.py'));
      const env = { PATH: process.env.PATH, NC_URL: world.url, VOVGW_TOKEN: token, USER: person, PYTHONPATH: folder };
      const { stdout: byPython } = await run(pythonWithRequests(), ['-c', await lines('python')], { env });
      assert.match(byPython, /sleep 77/);

      await page.goto(`${world.url}/ui/`);
      await page.click('text=Sign out');
      await page.waitForURL((url) => url.pathname === '/signed-out' || url.origin === world.idp.url);
      await shoot(page, `${person}-signed-out`);
      await page.goto(`${world.url}/ui/`);
      await page.waitForSelector('h1:has-text("Sign in")');
      assert.deepEqual(
        said.filter((line) => !/status of 4(01|22)/.test(line)),
        [],
      );
      await context.close();
    });
  });
}

/** The account was refused a moment ago with another password; the right one is tried at once all the same. */
async function rightPassword(page: Page, person: string): Promise<void> {
  await enrol(page, `pw-${person}`);
  await page.waitForSelector('text=/accepted|keeps|stored|works/i');
  await shoot(page, `${person}-enrolled`);
}

describe('the API in the browser', { timeout: 60_000 }, () => {
  it('is tried out from the explorer and from vovserver’s own page, with the session', async () => {
    const context = await browser.newContext();
    const said = complaintsOf(context);
    const page = await context.newPage();
    await signIn(page, 'OpenID Connect', 'alice', '/ui/api');
    await page.click('#operations-vovserver-get-query .opblock-summary-control');
    await page.click('#operations-vovserver-get-query .execute');
    const status = '.live-responses-table tbody .response-col_status';
    await page.waitForSelector(status);
    assert.match(await page.innerText(status), /200/);
    await shoot(page, 'explorer');
    await page.goto(`${world.url}/html/vovrest.html`);
    await page.click('text=Try it out');
    await page.waitForSelector('#status:has-text("200")');
    assert.match(await page.innerText('#answer'), /"test"/);
    await shoot(page, 'vendor-page');
    assert.deepEqual(said, []);
    const portal = await page.evaluate("fetch('/ui/tokens').then((r) => r.status, () => 'refused')");
    assert.equal(portal, 'refused', 'scripts of vovserver do not read the portal');
    await context.close();
  });
});
