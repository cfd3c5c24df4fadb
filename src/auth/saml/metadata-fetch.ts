import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import type { Clock } from '../../kernel/index.ts';
import { SamlFault } from './fault.ts';
import { isSafeUrl, METADATA_BYTES } from './idp-metadata.ts';

export interface MetadataFetchOptions {
  readonly url: string;
  /** CA bundle, PEM, read anew each time; undefined: the system's authorities. */
  readonly caFile: string | undefined;
  readonly clock: Clock;
}

const TIME_LIMIT_MS = 10_000;
const MOST_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

type Step = { readonly body: Buffer } | { readonly next: string };

async function ask(url: string, dispatcher: Agent, signal: AbortSignal): Promise<Step> {
  const { statusCode, headers, body } = await request(url, {
    dispatcher,
    signal,
    headers: { accept: 'application/samlmetadata+xml, application/xml, text/xml' },
  });
  if (statusCode === 200) return { body: Buffer.from(await body.arrayBuffer()) };
  await body.dump();
  const { location } = headers;
  if (!REDIRECTS.has(statusCode) || typeof location !== 'string')
    throw new SamlFault(`metadata: the server answered ${statusCode}`);
  const next = URL.parse(location, url)?.href ?? '';
  if (!isSafeUrl(next)) throw new SamlFault('metadata: redirected to a URL without https');
  return { next };
}

/**
 * Fetches metadata over a connection of its own: at most 10 s, 2 MiB and three redirects, none of them to plain http
 * beyond this machine.
 */
export async function fetchMetadata({ url, caFile, clock }: MetadataFetchOptions): Promise<Buffer> {
  const limit = new AbortController();
  using _timer = clock.after(TIME_LIMIT_MS, () => limit.abort(new SamlFault('metadata: no answer in time')));
  const ca = caFile === undefined ? {} : { ca: await readFile(caFile) };
  const dispatcher = new Agent({ connect: { ...ca, timeout: TIME_LIMIT_MS }, maxResponseSize: METADATA_BYTES });
  try {
    let next = url;
    for (let turn = 0; turn <= MOST_REDIRECTS; turn += 1) {
      const step = await ask(next, dispatcher, limit.signal);
      if ('body' in step) return step.body;
      next = step.next;
    }
    throw new SamlFault('metadata: too many redirects');
  } finally {
    await dispatcher.destroy();
  }
}
