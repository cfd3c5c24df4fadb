import { execFile } from 'node:child_process';
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

async function wrk(url: string, seconds: number, connections: number, headers: readonly string[], core: string) {
  const { stdout } = await run('taskset', [
    '-c',
    core,
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...headers.flatMap((header) => ['-H', header]),
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
export async function load(
  url: string,
  options: { seconds: number; connections: number; headers: Readonly<Record<string, string>>; core: string },
): Promise<Load> {
  const { seconds, connections, headers, core } = options;
  if (await hasWrk()) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    return wrk(url, seconds, connections, lines, core);
  }
  const result = await autocannon({ url, duration: seconds, connections, headers });
  return {
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.errors + result.non2xx,
    requests: result.requests.total,
  };
}
