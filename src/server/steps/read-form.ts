import { timingSafeEqual } from 'node:crypto';
import type { Session } from '../../auth/index.ts';
import { GatewayError, type WebRequest } from '../../kernel/index.ts';
import type { CookieJar } from '../cookies.ts';
import type { Scope, Step } from '../scope.ts';
import { hasBody, readBody } from './collect-body.ts';

const FORM_BYTES = 65_536;
/** A SAML response of 128 KiB in base64, with its plus signs and slashes percent-encoded. */
const CALLBACK_BYTES = 262_144;
/** Callbacks come without any credential: their bodies must not fill the memory, whoever is slow to send them. */
const CALLBACKS_EACH = 8;
const CALLBACKS_ALL = 128;
const FORM = 'application/x-www-form-urlencoded';
/** More than any form of ours or of a provider has: parsing takes time for each field, however small. */
const FIELDS = 200;
const EMPTY = Buffer.alloc(0);

function checkCsrf(session: Session, form: URLSearchParams): void {
  const [given, expected] = [Buffer.from(form.get('csrf') ?? ''), Buffer.from(session.csrf)];
  if (given.length === expected.length && timingSafeEqual(given, expected)) return;
  throw new GatewayError('GW_CROSS_SITE', 'The form is not of this session; open the page again.');
}

function parseForm(body: Buffer): URLSearchParams {
  const text = body.toString('utf8');
  let at = -1;
  for (let fields = 0; fields < FIELDS; fields++) {
    at = text.indexOf('&', at + 1);
    if (at === -1) return new URLSearchParams(text);
  }
  throw new GatewayError('GW_BAD_BODY', `The form may have ${FIELDS} fields.`);
}

/** Counts bodies of callbacks that are being read, by address. */
function createCallbackCount() {
  const reading = new Map<string, number>();
  let all = 0;
  const add = (address: string, by: number): void => {
    const now = (reading.get(address) ?? 0) + by;
    all += by;
    if (now > 0) reading.set(address, now);
    else reading.delete(address);
  };
  return async <T>(address: string, read: () => Promise<T>): Promise<T> => {
    if (all >= CALLBACKS_ALL || (reading.get(address) ?? 0) >= CALLBACKS_EACH) {
      throw new GatewayError('GW_PROVIDER_UNAVAILABLE', 'Too many sign-ins come in at once.', { retryAfter: 3 });
    }
    add(address, 1);
    try {
      return await read();
    } finally {
      add(address, -1);
    }
  };
}

async function bodyOf(scope: Scope): Promise<Buffer> {
  if (!hasBody(scope.req)) return EMPTY;
  const most = scope.door === 'callback' ? CALLBACK_BYTES : FORM_BYTES;
  if (Number(scope.req.headers['content-length'] ?? 0) > most) {
    throw new GatewayError('GW_BODY_TOO_LARGE', `The body may have ${most} bytes.`);
  }
  if (scope.expectsContinue) scope.res.writeContinue();
  return readBody(scope.req, most);
}

function requestOf(
  scope: Scope,
  params: WebRequest['params'],
  cookies: WebRequest['cookies'],
  body: Buffer,
): WebRequest {
  const { req, meta } = scope;
  const contentType = (req.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const isForm = contentType === FORM;
  const query = meta.target.indexOf('?');
  return {
    method: meta.method,
    path: scope.path,
    params,
    query: new URLSearchParams(query === -1 ? '' : meta.target.slice(query + 1)),
    form: parseForm(isForm ? body : EMPTY),
    body: isForm ? EMPTY : body,
    contentType,
    cookies,
    queue: scope.queue ?? '',
    address: meta.address,
    requestId: meta.requestId,
    userAgent: (req.headers['user-agent'] ?? '').slice(0, 256),
    raw: req,
    leaving: scope.signal,
  };
}

/** Reads the body of a page's form or an endpoint's call, and checks the token of the session's forms. */
export function createReadForm(jar: CookieJar): Step {
  const counted = createCallbackCount();
  return async (scope) => {
    const { web } = scope;
    if (web === null) return;
    const cookies = jar.read(scope.req.headers.cookie);
    const isCallback = scope.door === 'callback' && hasBody(scope.req);
    const body = await (isCallback ? counted(scope.meta.address, () => bodyOf(scope)) : bodyOf(scope));
    const request = requestOf(scope, web.params, cookies, body);
    const { session, route } = web;
    if (route.method === 'POST' && route.needs === 'session' && session !== null) checkCsrf(session, request.form);
    web.request = request;
  };
}
