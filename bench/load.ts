import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import autocannon from 'autocannon';

const run = promisify(execFile);

/** What one run of the load generator measured. */
export interface Load {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were not 2xx, and connections that failed. */
  readonly errors: number;
  readonly requests: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function milliseconds(text: string | undefined): number {
  const [, value, unit] = /^([\d.]+)(us|ms|s|m)$/.exec(text ?? '') ?? [];
  return Number(value) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
}

/** True when wrk is installed. */
export async function hasWrk(): Promise<boolean> {
  return run('wrk', ['-v']).then(
    () => true,
    // wrk prints its version and exits with 1.
    (error: { code?: unknown }) => error.code === 1,
  );
}

/** What a load is. With `distinct` every request asks for a job of its own. */
export interface LoadOptions {
  readonly seconds: number;
  readonly connections: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly core: string;
  readonly distinct?: boolean;
}

async function wrk(url: string, { seconds, connections, headers, core, distinct }: LoadOptions): Promise<Load> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const { stdout } = await run('taskset', [
    '-c',
    core,
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...lines.flatMap((header) => ['-H', header]),
    ...(distinct === true ? ['-s', join(import.meta.dirname, 'distinct.lua')] : []),
    url,
  ]);
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? 0);
  const socketErrors =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  return {
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds(/^ +50% +(\S+)/m.exec(stdout)?.[1]),
    p99Ms: milliseconds(/^ +99% +(\S+)/m.exec(stdout)?.[1]),
    errors: number(/Non-2xx or 3xx responses: (\d+)/) + socketErrors.reduce((sum, n) => sum + Number(n), 0),
    requests: number(/(\d+) requests in/),
  };
}

/** Loads `url` for `seconds` over `connections` kept-alive connections, with wrk when it is there, else autocannon. */
export async function load(url: string, options: LoadOptions): Promise<Load> {
  if (await hasWrk()) return wrk(url, options);
  const { seconds, connections, headers, distinct } = options;
  let at = 0;
  const next = (request: { path?: string | undefined }) => {
    at = (at + 1) % 900_000;
    return { ...request, path: `/api/v3/jobs/${100_000 + at}` };
  };
  const own = distinct === true ? { requests: [{ setupRequest: next }] } : {};
  const result = await autocannon({ url, duration: seconds, connections, headers, ...own });
  return {
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.errors + result.non2xx,
    requests: result.requests.total,
  };
}
