import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { demoSignIn } from '../../standin/demo-sign-in.ts';
import { createIdp, type Idp, PEOPLE } from '../../standin/idp/index.ts';
import { openBrowser } from '../../test/portal/browser.ts';
import { freePort, type GatewayProcess, type Stage, setStage, startStandin } from '../stage.ts';

/** The whole product as a person meets it. */
export interface House extends AsyncDisposable {
  readonly stage: Stage;
  readonly idp: Idp;
  readonly gateway: GatewayProcess;
  readonly url: string;
  readonly browser: Browser;
  /** A page in a window of its own, signed in as `person`. */
  enter(person: string, options?: Parameters<Browser['newContext']>[0], path?: string): Promise<Page>;
  /** A page in a window of its own, nobody signed in. */
  stranger(options?: Parameters<Browser['newContext']>[0]): Promise<Page>;
}

/** Queues and where their passwords come from: a folder, the person, a service account, and one that is down. */
export const QUEUES = { kept: 'regression', given: 'synthesis', shared: 'license-farm', down: 'emulation' } as const;
export const WORKING = [QUEUES.kept, QUEUES.given, QUEUES.shared];

/** What people may click on the sign-in page. */
export const BUTTON = { oidc: 'OpenID Connect', saml: 'SAML' } as const;

/** Beside the three of the demo: one without a usable user name, and one with the user name of another. */
const MORE_PEOPLE = [
  { name: 'dora', subject: 'p-90aa1c3e', claims: { preferred_username: 'dora the explorer' } },
  { name: 'alice2', subject: 'p-e41d77b0', claims: { preferred_username: 'alice' } },
].map((one) => ({ email: `${one.name}@example.com`, displayName: one.name, groups: ['engineers'], ...one }));

export const passwordOf = (person: string): string => `${person}-password`;

/** On the page of the provider: says who it is, when it asks. */
export async function comeIn(page: Page, idp: Idp, person: string): Promise<void> {
  if (page.url().startsWith(idp.url)) await page.click(`button[value="${person}"]`);
}

/** SAML by POST, so that the page on the way to the provider is there to be seen. */
const postBinding = (provider: Record<string, unknown>): Record<string, unknown> =>
  provider.type === 'saml' ? { ...provider, binding: 'post' } : provider;

function rulesFor(): Record<string, unknown>[] {
  return [
    { match: { group: 'contractors', queue: QUEUES.kept }, deny: true },
    { match: { group: 'contractors', queue: QUEUES.down }, deny: true },
    { match: { userPattern: '[a-z]+', queue: QUEUES.shared }, shared: 'farm' },
    { match: { userPattern: '([a-z]+)' }, account: '$1' },
  ];
}

async function startQueues(parts: AsyncDisposableStack) {
  const users = [...PEOPLE.map(({ name }) => `${name}:${passwordOf(name)}`), 'farm:farm-password'].join(',');
  const queues: Record<string, unknown>[] = [];
  for (const name of WORKING) {
    const server = parts.use(await startStandin(['--transport', 'http', '--queue-name', name, '--users', users]));
    queues.push({ name, urls: [server.url], allowInsecure: true, port: await freePort() });
  }
  const nobody = `http://127.0.0.1:${await freePort()}`;
  return [...queues, { name: QUEUES.down, urls: [nobody], allowInsecure: true, port: await freePort() }];
}

/** Sets it all up; `await using` ends it. */
export async function createHouse(): Promise<House> {
  const parts = new AsyncDisposableStack();
  const stage = parts.use(await setStage());
  const queues = await startQueues(parts);
  for (const person of ['alice', 'bob', 'carol']) await stage.setPassword(person, passwordOf(person));
  await stage.setPassword('farm', 'farm-password');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const idp = parts.use(await createIdp({ gateways: [url], people: [...PEOPLE, ...MORE_PEOPLE] }));
  const demo = await demoSignIn(idp, stage.folder);
  const away = {
    type: 'oidc',
    name: 'partner',
    label: 'Partner company',
    issuer: `http://127.0.0.1:${await freePort()}`,
    clientId: 'gateway',
    clientSecret: 'not-needed-here',
  };
  const passwords = join(stage.folder, 'passwords');
  const gateway = await stage.gateway({
    server: { port, publicUrl: url },
    signIn: { providers: [...demo.signIn.providers.map(postBinding), away] },
    identity: { ...demo.identity, rules: rulesFor() },
    queues,
    credentials: [
      { type: 'file', dir: passwords, queues: [QUEUES.kept] },
      { type: 'enrolled', queues: [QUEUES.given, QUEUES.down] },
      { type: 'shared', account: 'farm', passwordFile: join(passwords, 'farm'), queues: [QUEUES.shared] },
    ],
    docs: { vendorPages: true },
  });
  const browser = await openBrowser();
  parts.defer(() => browser.close());
  const open = async (options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> => {
    const context: BrowserContext = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      reducedMotion: 'reduce',
      ...options,
    });
    context.setDefaultTimeout(8000);
    return context.newPage();
  };
  return {
    stage,
    idp,
    gateway,
    url,
    browser,
    stranger: open,
    async enter(person, options, path = '/ui/') {
      const page = await open(options);
      await page.goto(url + path);
      await page.click(`text=${BUTTON.oidc}`);
      await comeIn(page, idp, person);
      await page.waitForURL(`${url}/ui/**`);
      return page;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
