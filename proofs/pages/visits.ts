import type { Page } from 'playwright-core';
import { createToken, useExplorer } from '../../test/portal/browser.ts';
import { BUTTON, comeIn, type House, passwordOf, QUEUES } from './house.ts';

/** One page that a person can reach: whose window, how it is got to, and how it is told from others. */
export interface Visit {
  readonly name: string;
  readonly who: 'nobody' | 'alice' | 'bob' | 'carol';
  /** The heading of the page that must have come. */
  readonly heading: RegExp;
  /** A page of vovserver: what is in it is not the gateway's, only that nothing is blocked and nothing fails. */
  readonly foreign?: boolean;
  go(page: Page, house: House): Promise<unknown>;
}

const at =
  (path: string) =>
  (page: Page, { url }: House): Promise<unknown> =>
    page.goto(url + path);

/** Sends a form of the open page after changing a hidden field, as somebody with an old or a foreign page would. */
async function tamper(page: Page, form: string, field: string, value: string): Promise<void> {
  const [selector, name, text] = [form, field, value].map((one) => JSON.stringify(one));
  const send = `{ const form = document.querySelector(${selector}); form.elements[${name}].value = ${text}; form.requestSubmit(); }`;
  await Promise.all([page.waitForEvent('framenavigated'), page.evaluate(send)]);
  await page.waitForLoadState();
}

const enrolForm = (queue: string): string => `form[action$="/enrol"]:has([value="${queue}"])`;

async function givePassword(page: Page, { url }: House, queue: string, password: string): Promise<void> {
  await page.goto(`${url}/ui/credential`);
  await page.fill(`${enrolForm(queue)} input[type=password]`, password);
  await page.click(`${enrolForm(queue)} button`);
  await page.waitForLoadState();
}

/** Asks for a token as `vovgw login` does; gives the code that it would print. */
async function askDevice({ url }: House): Promise<string> {
  const body = new URLSearchParams({ client_id: 'vovgw', scope: 'read submit', host: 'submit17.example.com' });
  const answer = await fetch(`${url}/oauth/device_authorization`, { method: 'POST', body });
  return ((await answer.json()) as { user_code: string }).user_code;
}

async function decide(page: Page, house: House, decision: string): Promise<void> {
  await page.goto(`${house.url}/ui/device?user_code=${await askDevice(house)}`);
  await page.click(`button[value="${decision}"]`);
  await page.waitForLoadState();
}

/** Without going to the provider: what is shown on the way there. */
async function stopAtDoor(page: Page, { idp }: House): Promise<void> {
  await page.context().route(`${idp.url}/**`, (route) => route.abort('aborted'));
}

async function signInAs(page: Page, house: House, person: string): Promise<void> {
  await page.context().clearCookies();
  await page.goto(`${house.url}/login`);
  await page.click(`text=${BUTTON.oidc}`);
  await comeIn(page, house.idp, person);
  await page.waitForLoadState();
}

const OUTSIDE: readonly Visit[] = [
  { name: 'sign-in', who: 'nobody', heading: /^Sign in$/, go: at('/ui/') },
  {
    name: 'on-the-way-saml',
    who: 'nobody',
    heading: /^One moment$/,
    async go(page, house) {
      await stopAtDoor(page, house);
      await page.goto(`${house.url}/saml/saml/login`, { waitUntil: 'commit' });
      await page.waitForSelector('text=You are being sent to');
    },
  },
  { name: 'signed-out', who: 'nobody', heading: /^Signed out$/, go: at('/signed-out') },
  { name: 'error-sign-in-failed', who: 'nobody', heading: /did not succeed/, go: at('/oidc/oidc/callback') },
  { name: 'error-not-found', who: 'nobody', heading: /^Nothing is served/, go: at('/no/such/page') },
  { name: 'error-method', who: 'nobody', heading: /method is not/, go: at('/ui/credential/enrol') },
  { name: 'error-provider-away', who: 'nobody', heading: /provider is not reachable/, go: at('/oidc/partner/login') },
  {
    name: 'error-not-let-in',
    who: 'nobody',
    heading: /may not use/,
    go: (page, house) => signInAs(page, house, 'dora'),
  },
  {
    name: 'error-conflict',
    who: 'nobody',
    heading: /Another identity/,
    go: (page, house) => signInAs(page, house, 'alice2'),
  },
];

const ACCOUNT: readonly Visit[] = [
  { name: 'account-alice', who: 'alice', heading: /^Your account$/, go: at('/ui/') },
  { name: 'account-carol', who: 'carol', heading: /^Your account$/, go: at('/ui/') },
  { name: 'account-admin', who: 'bob', heading: /^Your account$/, go: at('/ui/') },
  { name: 'tokens-none', who: 'carol', heading: /^Access tokens$/, go: at('/ui/tokens') },
  {
    name: 'tokens-wrong',
    who: 'bob',
    heading: /^Access tokens$/,
    async go(page, { url }) {
      await page.goto(`${url}/ui/tokens`);
      await page.fill('#label', ' ');
      await page.uncheck('#scopes-read');
      await page.click('text=Create token');
      await page.waitForSelector('.wrong');
    },
  },
  { name: 'token-shown', who: 'bob', heading: /^Your new token$/, go: (page, { url }) => createToken(page, url) },
  {
    name: 'token-form-twice',
    who: 'bob',
    heading: /^Access tokens$/,
    async go(page, { url }) {
      await createToken(page, url);
      await page.reload();
      await page.waitForSelector('text=That form was used before');
    },
  },
  {
    name: 'tokens-revoking',
    who: 'bob',
    heading: /^Access tokens$/,
    async go(page, { url }) {
      await page.goto(`${url}/ui/tokens`);
      await page.click('details.ask > summary');
    },
  },
  {
    name: 'tokens-revoked',
    who: 'bob',
    heading: /^Access tokens$/,
    async go(page, { url }) {
      await page.goto(`${url}/ui/tokens`);
      await page.click('details.ask > summary');
      await page.click('text=Revoke it now');
      await page.waitForSelector('text=The token is revoked');
    },
  },
  { name: 'sessions', who: 'bob', heading: /^Sessions$/, go: at('/ui/sessions') },
  { name: 'all-tokens', who: 'bob', heading: /^All tokens$/, go: at('/ui/admin/tokens') },
  { name: 'all-tokens-of-nobody', who: 'bob', heading: /^All tokens$/, go: at('/ui/admin/tokens?user=nobody') },
];

const PASSWORD: readonly Visit[] = [
  { name: 'password-before', who: 'carol', heading: /^vovserver password$/, go: at('/ui/credential') },
  {
    name: 'password-wrong',
    who: 'carol',
    heading: /^vovserver password$/,
    go: (page, house) => givePassword(page, house, QUEUES.given, 'not the password'),
  },
  {
    name: 'password-given',
    who: 'carol',
    heading: /^vovserver password$/,
    go: (page, house) => givePassword(page, house, QUEUES.given, passwordOf('carol')),
  },
  {
    name: 'password-removing',
    who: 'carol',
    heading: /^vovserver password$/,
    async go(page, { url }) {
      await page.goto(`${url}/ui/credential`);
      await page.click('details.ask > summary');
    },
  },
  { name: 'account-enrolled', who: 'carol', heading: /^Your account$/, go: at('/ui/') },
  {
    name: 'error-vovserver-away',
    who: 'bob',
    heading: /vovserver is not reachable/,
    go: (page, house) => givePassword(page, house, QUEUES.down, passwordOf('bob')),
  },
];

const DEVICE_AND_API: readonly Visit[] = [
  { name: 'device-form', who: 'bob', heading: /^Let a submit host in$/, go: at('/ui/device') },
  {
    name: 'device-asked',
    who: 'bob',
    heading: /^Let this host in\?$/,
    go: async (page, house) => page.goto(`${house.url}/ui/device?user_code=${await askDevice(house)}`),
  },
  { name: 'device-approved', who: 'bob', heading: /^Approved$/, go: (page, house) => decide(page, house, 'approve') },
  { name: 'device-denied', who: 'bob', heading: /^Denied$/, go: (page, house) => decide(page, house, 'deny') },
  { name: 'device-wrong', who: 'bob', heading: /^Let a submit host in$/, go: at('/ui/device?user_code=NOPE') },
  { name: 'api-explorer', who: 'alice', heading: /API/, go: (page, { url }) => useExplorer(page, url) },
  {
    name: 'vendor-page',
    who: 'alice',
    heading: /^REST API/,
    foreign: true,
    async go(page, { url }) {
      await page.goto(`${url}/html/vovrest.html`);
      await page.click('text=Try it out');
      await page.waitForSelector('#status:has-text("200")');
    },
  },
];

const REFUSALS: readonly Visit[] = [
  { name: 'error-role', who: 'alice', heading: /role does not allow/, go: at('/ui/admin/tokens') },
  {
    name: 'error-cross-site',
    who: 'alice',
    heading: /another site/,
    async go(page, { url }) {
      await page.goto(`${url}/ui/tokens`);
      await page.fill('#label', 'x');
      await tamper(page, 'form[action="/ui/tokens"]', 'csrf', 'A'.repeat(43));
    },
  },
  {
    name: 'error-foreign-queue',
    who: 'carol',
    heading: /^Nothing is served/,
    async go(page, { url }) {
      await page.goto(`${url}/ui/credential`);
      const form = enrolForm(QUEUES.given);
      await page.fill(`${form} input[type=password]`, 'x');
      await tamper(page, form, 'queue', QUEUES.shared);
    },
  },
  {
    name: 'error-no-account',
    who: 'carol',
    heading: /^No vovserver account/,
    async go(page, { url }) {
      await page.goto(`${url}/ui/credential`);
      const form = enrolForm(QUEUES.given);
      await page.fill(`${form} input[type=password]`, 'x');
      await tamper(page, form, 'queue', QUEUES.down);
    },
  },
  {
    name: 'error-no-session',
    who: 'nobody',
    heading: /No valid credential/,
    async go(page, house) {
      await signInAs(page, house, 'alice');
      await page.goto(`${house.url}/ui/tokens`);
      await page.fill('#label', 'late');
      await page.context().clearCookies();
      await page.click('text=Create token');
      await page.waitForLoadState();
    },
  },
  {
    name: 'signed-out-onward',
    who: 'alice',
    heading: /^Signed out$/,
    async go(page, house) {
      await stopAtDoor(page, house);
      await page.goto(`${house.url}/ui/`);
      await page.click('text=Sign out');
      await page.waitForSelector('text=Now it also ends at');
    },
  },
];

/** Every page, in an order in which each finds what it needs. */
export const VISITS: readonly Visit[] = [...ACCOUNT, ...OUTSIDE, ...PASSWORD, ...DEVICE_AND_API, ...REFUSALS];

/** What a person meets while Redis is away; the store is taken away before the first of them. */
export const WITHOUT_STORE: readonly Visit[] = [
  { name: 'error-store-sign-in', who: 'nobody', heading: /cannot keep its promise/, go: at('/oidc/oidc/login') },
  {
    name: 'error-store-token',
    who: 'bob',
    heading: /cannot keep its promise/,
    async go(page) {
      await page.fill('#label', 'while Redis is away');
      await page.click('text=Create token');
      await page.waitForLoadState();
    },
  },
];
