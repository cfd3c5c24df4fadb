import { randomBytes } from 'node:crypto';
import { Agent, request, setGlobalDispatcher } from 'undici';
import { demoSignIn } from '../../standin/demo-sign-in.ts';
import { createIdp, type Idp } from '../../standin/idp/index.ts';
import { type Browser, createBrowser, type Page } from '../../test/world/browser.ts';
import { freePort, type GatewayProcess, type Stage, type Standin, setStage, startStandin } from '../stage.ts';
import { type Balancer, REPLICA, startBalancer } from './balancer.ts';
import { createNotes, type Notes } from './notes.ts';

/** Somebody of the company, with names that occur nowhere else. */
export interface Somebody {
  readonly name: string;
  readonly subject: string;
  readonly email: string;
  readonly displayName: string;
  readonly groups: readonly string[];
  readonly password: string;
}

export type Way = 'oidc' | 'saml';
export const WAYS: readonly Way[] = ['oidc', 'saml'];

/** Three replicas behind a balancer, a vovserver, an identity provider, people. */
export interface Site extends AsyncDisposable {
  readonly stage: Stage;
  readonly standin: Standin;
  readonly idp: Idp;
  readonly balancer: Balancer;
  /** The public URL. */
  readonly url: string;
  readonly people: readonly Somebody[];
  /** The replicas as they run now. */
  readonly replicas: GatewayProcess[];
  /** What must never lie in Redis in clear. */
  readonly notes: Notes;
  /** Another replica, which the balancer does not know. */
  start(changes?: Record<string, unknown>): Promise<GatewayProcess>;
  /** Replaces one replica after the other. */
  roll(changes: Record<string, unknown>): Promise<void>;
}

/** The address that callers come from, told apart from that of the balancer. */
export const CALLER_ADDRESS = '127.0.0.2';
export const QUEUE = 'proof';
export const ME = '/gateway/v1/me';

function createPeople(count: number): Somebody[] {
  return Array.from({ length: count }, (_, at) => {
    const name = `person${at}-${randomBytes(5).toString('hex')}`;
    return {
      name,
      subject: `s-${randomBytes(8).toString('hex')}`,
      email: `${name}@example.com`,
      displayName: `Display ${randomBytes(6).toString('hex')}`,
      groups: ['engineers'],
      password: `pw-${randomBytes(9).toString('base64url')}`,
    };
  });
}

/** Sets it all up; `await using` ends it. */
export async function createSite(options: { readonly people: number; readonly replicas?: number }): Promise<Site> {
  // Whatever has started ends, too, when something later does not start.
  await using parts = new AsyncDisposableStack();
  setGlobalDispatcher(new Agent({ connections: 64, localAddress: CALLER_ADDRESS }));
  const people = createPeople(options.people);
  const users = people.map(({ name, password }) => `${name}:${password}`).join(',');
  const standin = parts.use(await startStandin(['--transport', 'http', '--queue-name', QUEUE, '--users', users]));
  const stage = parts.use(await setStage());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const idp = parts.use(await createIdp({ gateways: [url], people }));
  const demo = await demoSignIn(idp, stage.folder);
  const section = {
    ...demo,
    replicas: 3,
    server: { publicUrl: url, trustedProxies: ['127.0.0.1/32'] },
    queues: [{ name: QUEUE, urls: [standin.url], allowInsecure: true }],
    credentials: [{ type: 'enrolled' }],
    limits: {
      mode: 'off',
      attempts: { requests: 1_000_000, window: '60s' },
      attemptsPerAddress: { requests: 1_000_000, window: '60s' },
    },
  };
  const replicas: GatewayProcess[] = [];
  const start = (changes: Record<string, unknown> = {}): Promise<GatewayProcess> =>
    stage.gateway({ ...section, ...changes });
  for (let at = 0; at < (options.replicas ?? 3); at++) replicas.push(await start());
  const balancer = parts.use(
    await startBalancer(
      port,
      replicas.map((replica) => replica.url),
      stage.folder,
    ),
  );
  const notes = createNotes();
  for (const { name, subject, email, displayName, password } of people) {
    notes.add('user name', name).add('subject', subject).add('e-mail', email);
    notes.add('display name', displayName).add('vovserver password', password);
  }
  const owned = parts.move();
  return {
    stage,
    standin,
    idp,
    balancer,
    url,
    people,
    replicas,
    notes,
    start,
    async roll(changes) {
      for (const [at, old] of replicas.entries()) {
        const next = await start(changes);
        await balancer.point(at, next.url);
        replicas[at] = next;
        await old[Symbol.asyncDispose]();
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What is shown to prove who one is. */
export interface Shown {
  readonly cookie?: string;
  readonly token?: string;
}

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly setCookie: readonly string[];
  /** Milliseconds. */
  readonly took: number;
}

/** Calls a replica, past the balancer, under the public name; `form` makes it a POST from one of the gateway's pages. */
export async function ask(
  site: Site,
  base: string,
  path: string,
  shown: Shown,
  form: Record<string, string> | null = null,
  origin = site.url,
): Promise<Reply> {
  const started = performance.now();
  const answer = await request(base + path, {
    method: form === null ? 'GET' : 'POST',
    headers: {
      host: new URL(site.url).host,
      accept: 'application/json',
      'sec-fetch-mode': 'cors',
      'sec-fetch-site': 'same-origin',
      ...(shown.cookie === undefined ? {} : { cookie: shown.cookie }),
      ...(shown.token === undefined ? {} : { authorization: `Bearer ${shown.token}` }),
      ...(form === null ? {} : { origin, 'content-type': 'application/x-www-form-urlencoded' }),
    },
    body: form === null ? null : String(new URLSearchParams(form)),
  });
  const body = await answer.body.text();
  const setCookie = [answer.headers['set-cookie'] ?? []].flat();
  return { status: answer.statusCode, body, setCookie, took: performance.now() - started };
}

/** The user that a replica sees behind what is shown; the status and the code of the error when it sees none. */
export async function whoIs(site: Site, base: string, shown: Shown): Promise<string> {
  const { status, body } = await ask(site, base, ME, shown);
  if (status === 200) return String((JSON.parse(body) as { user?: string }).user);
  return `${status} ${/GW_[A-Z_]+/.exec(body)?.[0] ?? 'of no gateway'}`;
}

/** A sign-in that was walked step by step. */
export interface SignIn {
  readonly way: Way;
  readonly person: Somebody;
  readonly browser: Browser;
  /** Replica that began it, and the one that took the provider's answer. */
  readonly began: string;
  readonly finished: string;
  /** The answer to the callback. */
  readonly end: Page;
  /** The session cookie as a Cookie header; empty when there is none. */
  readonly cookie: string;
}

/** What the provider sends to the gateway by the browser. */
export interface Callback {
  readonly url: string;
  /** Null: a GET. */
  readonly form: Readonly<Record<string, string>> | null;
  readonly cookie: string;
}

const isRedirect = (page: Page): boolean => page.status >= 300 && page.status < 400;

export const cookiesOf = (site: Site, browser: Browser): string =>
  [...browser.cookies(site.url)].map(([name, value]) => `${name}=${value}`).join('; ');

const sessionOf = (site: Site, browser: Browser): string => {
  const value = browser.cookies(site.url).get('vovgw') ?? '';
  return value === '' ? '' : `vovgw=${value}`;
};

/** Notes what a sign-in showed of secrets. */
function noteBrowser({ url, notes }: Site, browser: Browser): void {
  for (const [name, value] of browser.cookies(url)) {
    notes.add('cookie', value);
    // A sealed cookie begins with its version and the id of the key, as every sealed value in the store does.
    for (const part of value.split('.').filter(({ length }) => length >= 20))
      notes.add(`part of a ${name === 'vovgw' ? 'session' : 'flow'} cookie`, part);
  }
  for (const visit of browser.history) {
    for (const value of new URL(visit.slice(visit.indexOf(' ') + 1)).searchParams.values()) {
      if (/^[A-Za-z0-9_.-]{20,}$/.test(value)) notes.add('value in a URL of the sign-in', value);
    }
  }
}

/** Signs a person in through the balancer, one request after the other; `before` sees the callback before it is sent. */
export async function signIn(
  site: Site,
  way: Way,
  person: Somebody,
  before: (callback: Callback) => Promise<void> = async () => undefined,
): Promise<SignIn> {
  const browser = createBrowser();
  const callback = `${site.url}/${way}/${way}/${way === 'oidc' ? 'callback' : 'acs'}`;
  const replicaOf = (page: Page): string => page.headers.get(REPLICA) ?? 'none';
  let page = await browser.open(`${site.url}/${way}/${way}/login`, { follow: false });
  const began = replicaOf(page);
  for (let hop = 0; !page.url.startsWith(callback); hop++) {
    if (hop > 20) throw new Error(`${way}: lost at ${page.url}`);
    const cookie = cookiesOf(site, browser);
    if (isRedirect(page)) {
      const next = String(new URL(page.headers.get('location') ?? '', page.url));
      if (next.startsWith(callback)) await before({ url: next, form: null, cookie });
      page = await browser.open(next, { follow: false, from: page.url });
    } else {
      const asks = page.forms.find((form) => 'person' in form.choices);
      const [form] = page.forms;
      if (form === undefined) throw new Error(`${way}: ${page.status} at ${page.url}: ${page.body.slice(0, 300)}`);
      if (form.action === callback) {
        await before({ url: callback, form: form.fields, cookie });
        noteResponse(site, form.fields.SAMLResponse ?? '');
      }
      page = await browser.submit(page, asks === undefined ? {} : { person: person.name }, { follow: false });
    }
  }
  noteBrowser(site, browser);
  return { way, person, browser, began, finished: replicaOf(page), end: page, cookie: sessionOf(site, browser) };
}

function noteResponse({ notes }: Site, response: string): void {
  const xml = Buffer.from(response, 'base64').toString();
  for (const [, id = ''] of xml.matchAll(/\b(?:ID|InResponseTo|SessionIndex)="([^"]{16,})"/g))
    notes.add('id in a SAML response', id);
}

/** Opens a page of the portal through the balancer; notes its CSRF token. */
export async function openPage(site: Site, { browser }: Pick<SignIn, 'browser'>, path: string): Promise<Page> {
  const page = await browser.open(site.url + path);
  for (const form of page.forms) if (form.fields.csrf !== undefined) site.notes.add('CSRF token', form.fields.csrf);
  return page;
}

/** Makes an access token in the portal. */
export async function makeToken(site: Site, signedIn: SignIn, label: string): Promise<string> {
  const page = await openPage(site, signedIn, '/ui/tokens');
  const fields = { label, scopes: 'read', life: '86400000' };
  const made = await signedIn.browser.submit(page, fields, { form: (form) => form.blanks.includes('label') });
  const token = /vgw_\w+/.exec(made.body)?.[0];
  if (token === undefined) throw new Error(`no token: ${made.status} ${made.body.slice(0, 300)}`);
  site.notes.add('access token', token).add('secret of an access token', token.slice(17));
  return token;
}
