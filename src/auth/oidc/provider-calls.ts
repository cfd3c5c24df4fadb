import { Agent, request } from 'undici';
import { type Clock, messageOf } from '../../kernel/index.ts';
import type { Report } from '../../observe/index.ts';
import { createTlsMaterial, type TlsMaterial } from '../../platform/index.ts';
import { ProviderUnreachable } from './unreachable.ts';

/** What may be sent to an identity provider. */
export interface ProviderCall {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** The answer, read whole. */
export interface ProviderAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Calls to an identity provider: bounded in time and size, no redirects followed, `http://` to this machine only. */
export interface ProviderCalls extends AsyncDisposable {
  /** Throws {@link ProviderUnreachable} when there is no answer, and for 5xx and 429. */
  call(url: string, call: ProviderCall): Promise<ProviderAnswer>;
  /** The JSON object below a URL. Throws {@link ProviderUnreachable}. */
  json(url: string): Promise<Readonly<Record<string, unknown>>>;
}

export interface ProviderCallsOptions {
  readonly caFile?: string | undefined;
  readonly clock: Clock;
  readonly report: Pick<Report, 'log'>;
  /** Milliseconds for one call, all of it. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT = 10_000;
const MAX_ANSWER = 512 * 1024;
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/** Whether a URL may be called: https, or http to this machine. */
export function isCallable(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.username !== '' || parsed.password !== '') return false;
  return parsed.protocol === 'https:' || (parsed.protocol === 'http:' && LOOPBACK.test(parsed.hostname));
}

function createAgent(material: TlsMaterial | null, timeout: number): Agent {
  return new Agent({
    connections: 8,
    connect: { timeout, ...(material === null ? {} : { ca: material.current().ca }) },
    headersTimeout: timeout,
    bodyTimeout: timeout,
    maxResponseSize: MAX_ANSWER,
  });
}

const flat = (headers: NodeJS.Dict<string | string[]>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]));

/** Creates the calls. Throws TlsFileError when the CA bundle cannot be used. */
export function createProviderCalls(options: ProviderCallsOptions): ProviderCalls {
  const { caFile, clock, report, timeoutMs = TIMEOUT } = options;
  const onError = (error: unknown): void =>
    report.log.error({ event: 'provider_ca', reason: messageOf(error) }, 'the CA bundle of a provider cannot be used');
  const material = caFile === undefined ? null : createTlsMaterial({ caFile }, { clock, onError });
  let agent = createAgent(material, timeoutMs);
  const watch = material?.onChange(() => {
    void agent.close();
    agent = createAgent(material, timeoutMs);
  });

  const call: ProviderCalls['call'] = async (url, { method, headers, body }) => {
    if (!isCallable(url)) throw new ProviderUnreachable(`${url} is neither https nor on this machine`);
    const answer = await send(agent, url, { method, headers, body: body ?? null }, timeoutMs);
    if (answer.status < 500 && answer.status !== 429) return answer;
    throw new ProviderUnreachable(`${placeOf(url)} answered ${answer.status}`);
  };
  return {
    call,
    async json(url) {
      const { status, body } = await call(url, { method: 'GET', headers: { accept: 'application/json' } });
      if (status !== 200) throw new ProviderUnreachable(`${placeOf(url)} answered ${status}`);
      return parseObject(url, body);
    },
    async [Symbol.asyncDispose]() {
      watch?.[Symbol.dispose]();
      material?.[Symbol.dispose]();
      // Calls under way may finish: a reload of the configuration must not break a sign-in.
      await agent.close();
    },
  };
}

/** A URL without its query, for messages. */
const placeOf = (url: string): string => url.split('?', 1)[0] ?? '';

type Message = {
  readonly method: 'GET' | 'POST';
  readonly headers: ProviderCall['headers'];
  readonly body: string | null;
};

async function send(agent: Agent, url: string, message: Message, timeoutMs: number): Promise<ProviderAnswer> {
  try {
    const answer = await request(url, { dispatcher: agent, ...message, signal: AbortSignal.timeout(timeoutMs) });
    const body = Buffer.from(await answer.body.arrayBuffer());
    return { status: answer.statusCode, headers: flat(answer.headers), body };
  } catch (error) {
    throw new ProviderUnreachable(`${placeOf(url)}: ${messageOf(error)}`, { cause: error });
  }
}

function parseObject(url: string, body: Buffer): Readonly<Record<string, unknown>> {
  const refuse = (): never => {
    throw new ProviderUnreachable(`${placeOf(url)} answered no JSON object`);
  };
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? value : refuse();
  } catch {
    return refuse();
  }
}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
