import { request as sendRequest } from 'undici';
import { readForms, type WebForm } from './browser-forms.ts';

/** A page or other answer as a browser without script shows it. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly forms: readonly WebForm[];
}

interface StoredCookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly sameSite: string;
  /** Milliseconds since the epoch; null: until the browser is closed. */
  readonly expires: number | null;
}

/** What a request is sent with. */
export interface Visit {
  readonly method?: 'GET' | 'POST';
  readonly form?: Readonly<Record<string, string>> | URLSearchParams;
  /** Page that the request comes from; for SameSite, Origin and Sec-Fetch-Site. */
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** False: the first answer, also when it sends on. */
  readonly follow?: boolean;
}

/** A browser without script: follows redirects, keeps cookies by origin, reads and submits forms. */
export interface Browser {
  open(url: string, visit?: Visit): Promise<Page>;
  /** Submits a form, by default the first; `fields` over its own. */
  submit(page: Page, fields?: Readonly<Record<string, string>>, options?: SubmitOptions): Promise<Page>;
  /** As a script would: submits forms that hold nothing to fill in and lead elsewhere, until there is something to do. */
  settle(page: Page): Promise<Page>;
  /** Cookies of an origin by name. */
  cookies(origin: string): ReadonlyMap<string, string>;
  /** Sets a cookie, or removes it with an empty value. */
  setCookie(origin: string, name: string, value: string): void;
  /** Every URL that was visited, with its method. */
  readonly history: readonly string[];
}

export interface SubmitOptions {
  readonly form?: (form: WebForm) => boolean;
  readonly follow?: boolean;
}

const MAX_HOPS = 30;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function parseCookie(line: string, url: URL, now: number): StoredCookie {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
  const at = pair.indexOf('=');
  const of = (name: string): string | null => {
    const found = attributes.find((one) => one.toLowerCase().startsWith(name));
    return found === undefined ? null : found.slice(found.indexOf('=') + 1);
  };
  const maxAge = of('max-age=');
  const expires = of('expires=');
  return {
    name: pair.slice(0, at),
    value: pair.slice(at + 1),
    path: of('path=') ?? url.pathname.replace(/[^/]*$/, ''),
    sameSite: (of('samesite=') ?? 'lax').toLowerCase(),
    expires: maxAge !== null ? now + Number(maxAge) * 1000 : expires !== null ? Date.parse(expires) : null,
  };
}

/** Cookies by origin. Loopback counts as secure, as in browsers of today. */
function createJar() {
  const jar = new Map<string, Map<string, StoredCookie>>();
  const of = (origin: string): Map<string, StoredCookie> => {
    const cookies = jar.get(origin) ?? new Map<string, StoredCookie>();
    jar.set(origin, cookies);
    return cookies;
  };
  return {
    of,
    take(url: URL, lines: readonly string[]): void {
      for (const line of lines) {
        const cookie = parseCookie(line, url, Date.now());
        const key = `${cookie.name} ${cookie.path}`;
        if (cookie.expires !== null && cookie.expires <= Date.now()) of(url.origin).delete(key);
        else of(url.origin).set(key, cookie);
      }
    },
    /** `crossSitePost`: only cookies with SameSite=None are sent. */
    header(url: URL, crossSitePost: boolean): string {
      return [...of(url.origin).values()]
        .filter((cookie) => url.pathname.startsWith(cookie.path))
        .filter((cookie) => !crossSitePost || cookie.sameSite === 'none')
        .map((cookie) => `${cookie.name}=${cookie.value}`)
        .join('; ');
    },
  };
}

interface Request {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly body: URLSearchParams | null;
  readonly from: string | null;
}

/** Sites are told apart by scheme and host, ports do not count (RFC 6265bis, 5.2). */
const siteOf = ({ protocol, hostname }: URL): string => `${protocol}//${hostname}`;
const isAway = (request: Request): boolean =>
  request.from !== null && siteOf(new URL(request.from)) !== siteOf(request.url);

/** The value of Sec-Fetch-Site (Fetch Metadata). */
function relationOf({ from, url }: Request): string {
  if (from === null) return 'none';
  if (new URL(from).origin === url.origin) return 'same-origin';
  return siteOf(new URL(from)) === siteOf(url) ? 'same-site' : 'cross-site';
}

function headersOf(request: Request, cookie: string, extra: Readonly<Record<string, string>>): Record<string, string> {
  const origin = request.from === null ? 'null' : new URL(request.from).origin;
  return {
    accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
    'sec-fetch-site': relationOf(request),
    ...(cookie === '' ? {} : { cookie }),
    ...(request.method === 'POST' ? { origin } : {}),
    ...extra,
  };
}

/** The request that a redirect leads to: 307 and 308 keep method and body. */
function redirected(request: Request, answer: Response): Request {
  const url = new URL(answer.headers.get('location') ?? '', request.url);
  const keeps = answer.status === 307 || answer.status === 308;
  return keeps ? { ...request, url } : { ...request, url, method: 'GET', body: null };
}

/** Opens a browser with no cookies. */
export function createBrowser(): Browser {
  const jar = createJar();
  const history: string[] = [];

  const send = async (request: Request, extra: Readonly<Record<string, string>>): Promise<Response> => {
    history.push(`${request.method} ${request.url}`);
    const cookie = jar.header(request.url, request.method === 'POST' && isAway(request));
    const form = request.body === null ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
    // `fetch` would say by itself that it is a script.
    const { statusCode, headers, body } = await sendRequest(request.url, {
      method: request.method,
      headers: { ...headersOf(request, cookie, extra), ...form },
      body: request.body === null ? null : String(request.body),
    });
    const fields = Object.entries(headers).flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value ?? '']).map((one): [string, string] => [name, one]),
    );
    const bytes = await body.arrayBuffer();
    const answer = new Response(bytes.byteLength === 0 ? null : bytes, { status: statusCode, headers: fields });
    jar.take(request.url, answer.headers.getSetCookie());
    return answer;
  };

  const run = async (first: Request, follow: boolean, extra: Readonly<Record<string, string>>): Promise<Page> => {
    let request = first;
    for (let hop = 0; hop < MAX_HOPS; hop += 1) {
      const answer = await send(request, extra);
      const body = await answer.text();
      const url = String(request.url);
      if (!follow || !REDIRECTS.has(answer.status) || !answer.headers.has('location')) {
        return { url, status: answer.status, headers: answer.headers, body, forms: readForms(body, url) };
      }
      request = redirected(request, answer);
    }
    throw new Error(`more than ${MAX_HOPS} redirects, from ${first.url}`);
  };

  const submit: Browser['submit'] = (page, fields = {}, options = {}) => {
    const form = page.forms.find(options.form ?? (() => true));
    if (form === undefined) throw new Error(`no such form at ${page.url} (${page.status}): ${page.body.slice(0, 500)}`);
    const body = new URLSearchParams({ ...form.fields, ...fields });
    const url = new URL(form.action);
    if (form.method === 'GET') url.search = String(body);
    const request = { url, method: form.method, body: form.method === 'GET' ? null : body, from: page.url };
    return run(request, options.follow ?? true, {});
  };

  return {
    open(url, visit = {}) {
      const body = visit.form === undefined ? null : new URLSearchParams(visit.form);
      const method = visit.method ?? (body === null ? 'GET' : 'POST');
      const request = { url: new URL(url), method, body, from: visit.from ?? null };
      return run(request, visit.follow ?? true, visit.headers ?? {});
    },
    submit,
    async settle(page) {
      let now = page;
      for (let hop = 0; hop < MAX_HOPS; hop += 1) {
        const only = now.forms.length === 1 ? now.forms[0] : undefined;
        const elsewhere = only !== undefined && new URL(only.action).origin !== new URL(now.url).origin;
        const byItself = now.body.includes('.submit()') || (elsewhere && only.blanks.length === 0);
        if (only?.method !== 'POST' || !byItself) return now;
        now = await submit(now);
      }
      throw new Error(`pages that post themselves without end, at ${now.url}`);
    },
    cookies: (origin) => new Map([...jar.of(origin).values()].map((cookie) => [cookie.name, cookie.value])),
    setCookie(origin, name, value) {
      for (const [key, cookie] of jar.of(origin)) if (cookie.name === name) jar.of(origin).delete(key);
      if (value === '') return;
      jar.of(origin).set(`${name} /`, { name, value, path: '/', sameSite: 'lax', expires: null });
    },
    history,
  };
}

/**
 * Signs a person in at the demo identity provider: opens the gateway's login of a provider, says who it is, and comes back.
 * `provider` is `oidc/<name>` or `saml/<name>`; a bare `oidc` or `saml` is the provider of that name. Gives the page where
 * it ends.
 */
export async function signInAs(
  gatewayUrl: string,
  provider: string,
  person: string,
  browser: Browser = createBrowser(),
): Promise<{ readonly browser: Browser; readonly page: Page }> {
  const path = provider.includes('/') ? provider : `${provider}/${provider}`;
  let page = await browser.settle(await browser.open(`${gatewayUrl}/${path}/login`));
  const asks = page.forms.some((form) => new URL(form.action).pathname === '/login' && 'person' in form.choices);
  if (asks) page = await browser.settle(await browser.submit(page, { person }));
  return { browser, page };
}
