import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { Client, errors } from 'undici';
import { messageOf } from '../kernel/index.ts';
import { VERSION } from './version.ts';

/** What the gateway answered; `body` is empty when it was no JSON object. */
export interface GatewayAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** Seconds of Retry-After, 0 without. */
  readonly retryAfter: number;
}

/** No answer: `certificate` when the gateway is not believed, so that nothing was sent; `away` for anything else. */
export class GatewayFault extends Error {
  readonly kind: 'certificate' | 'away';

  constructor(kind: 'certificate' | 'away', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Calls to one gateway. Both throw {@link GatewayFault}. */
export interface GatewayClient extends AsyncDisposable {
  get(path: string, token: string): Promise<GatewayAnswer>;
  post(path: string, form: Readonly<Record<string, string>>): Promise<GatewayAnswer>;
}

const TIMEOUT = 15_000;
const MAX_BODY = 1_048_576;

/** Codes of OpenSSL's certificate verification (X509_V_ERR_…) and of Node's host name check. */
const CERTIFICATE =
  /^(CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_|ERR_TLS_CERT_)/;
/** What a TLS stack says to a server that speaks something else. */
const TLS = /^ERR_(SSL|TLS)_/;

function authorities(caFile: string | null): string | string[] {
  // A company's own authority is usually among those of the system, which Node does not read by itself.
  if (caFile === null) return [...getCACertificates('default'), ...getCACertificates('system')];
  try {
    return readFileSync(caFile, 'utf8');
  } catch (error) {
    throw new Error(`--ca-file ${caFile} cannot be read: ${messageOf(error)}`);
  }
}

function faultOf(error: unknown, origin: string, caFile: string | null): GatewayFault {
  const code = String((error instanceof Error && Reflect.get(error, 'code')) || '');
  if (CERTIFICATE.test(code)) {
    const mend =
      caFile === null
        ? 'Name the certificate of your company’s authority: --ca-file FILE.'
        : `Does --ca-file ${caFile} hold the right authority, and the URL the right host name?`;
    return new GatewayFault('certificate', `the certificate of ${origin} is not trusted (${code}). ${mend}`);
  }
  if (TLS.test(code)) return new GatewayFault('certificate', `${origin} does not speak TLS as it should (${code})`);
  const slow = error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError;
  return new GatewayFault('away', `${origin} does not answer (${slow ? 'timed out' : code || messageOf(error)})`);
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Creates a client of the gateway at `origin`; certificates are always verified. Throws when `caFile` cannot be read. */
export function createGatewayClient(origin: string, caFile: string | null): GatewayClient {
  const client = new Client(origin, {
    // Said outright, since an environment variable could turn it off otherwise.
    connect: { ca: authorities(caFile), rejectUnauthorized: true, timeout: TIMEOUT, minVersion: 'TLSv1.2' },
    headersTimeout: TIMEOUT,
    bodyTimeout: TIMEOUT,
    maxResponseSize: MAX_BODY,
    allowH2: false,
  });
  const call = async (
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body: string | null,
  ): Promise<GatewayAnswer> => {
    try {
      const sent = { ...headers, accept: 'application/json', 'user-agent': `vovgw/${VERSION}` };
      const answer = await client.request({ method, path, headers: sent, body });
      const seconds = Number(answer.headers['retry-after']);
      const text = await answer.body.text();
      return { status: answer.statusCode, body: objectOf(text), retryAfter: seconds > 0 ? seconds : 0 };
    } catch (error) {
      throw faultOf(error, origin, caFile);
    }
  };
  return {
    get: (path, token) => call('GET', path, { authorization: `Bearer ${token}` }, null),
    post: (path, form) =>
      call('POST', path, { 'content-type': 'application/x-www-form-urlencoded' }, new URLSearchParams(form).toString()),
    [Symbol.asyncDispose]: () => client.destroy(),
  };
}
