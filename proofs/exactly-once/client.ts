import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { each, pause } from '../pace.ts';
import { bodyOf } from './body.ts';

/** What one client process is to do: submit jobs as a patient user does. */
export interface Order {
  readonly urls: readonly string[];
  readonly token: string;
  /** Name of each submission: its key, and part of its log file and its command. */
  readonly names: readonly string[];
  readonly keyed: boolean;
  /** Submissions under way at once. */
  readonly atOnce: number;
  /** Milliseconds after which a submission is given up. */
  readonly patienceMs: number;
  /** Of Retry-After so much is waited. */
  readonly scale: number;
  /** Share of the attempts that the client itself breaks off, and after how many milliseconds at most. */
  readonly breaksOff: number;
  /** Also sends each submission to a second replica in the same moment. */
  readonly twice: boolean;
}

/** What became of one submission. */
export interface Fate {
  readonly name: string;
  /** `job`: it has this job. `refused`: it is said to have none. `open`: patience ended before it was known. */
  readonly end: 'job' | 'refused' | 'open';
  readonly jobIds: readonly number[];
  /** Answers on the way, in order: status with code, `2xx without a job`, or the name of a failure. */
  readonly seen: readonly string[];
  readonly replayed: boolean;
}

interface Met {
  readonly what: string;
  readonly jobId: number | null;
  readonly replayed: boolean;
  /** Milliseconds. */
  readonly retryAfter: number;
}

const REPEATED = /^(?:409|429|503|504|2xx|[A-Z]|AbortError|TimeoutError)/;

function jobIdOf(text: string): number | null {
  try {
    const { jobid } = JSON.parse(text) as { jobid?: unknown };
    return typeof jobid === 'number' ? jobid : null;
  } catch {
    return null;
  }
}

const agent = new Agent({ connections: 64, headersTimeout: 30_000, bodyTimeout: 30_000 });

async function post(order: Order, url: string, name: string): Promise<Met> {
  const leaves = Math.random() < order.breaksOff;
  const signal = AbortSignal.timeout(leaves ? Math.ceil(Math.random() * 60) : 30_000);
  const headers = {
    authorization: `Bearer ${order.token}`,
    'content-type': 'application/json',
    ...(order.keyed ? { 'idempotency-key': `"${name}"` } : {}),
  };
  try {
    const options = { dispatcher: agent, method: 'POST', headers, body: bodyOf(name), signal } as const;
    const answer = await request(`${url}/api/v3/jobs`, options);
    const text = await answer.body.text();
    const code = /GW_[A-Z_]+/.exec(text)?.[0] ?? '';
    const good = answer.statusCode >= 200 && answer.statusCode < 300;
    const jobId = good ? jobIdOf(text) : null;
    return {
      what: good && jobId === null ? '2xx without a job' : `${answer.statusCode} ${code}`.trim(),
      jobId,
      replayed: answer.headers['idempotent-replayed'] === 'true',
      retryAfter: Number(answer.headers['retry-after'] ?? 1) * 1000,
    };
  } catch (error) {
    const named = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
    return { what: named ?? (error as Error).name, jobId: null, replayed: false, retryAfter: 300 };
  }
}

/** Repeats one submission until its outcome is known or patience ends. */
async function submit(order: Order, name: string, at: number): Promise<Fate> {
  const end = Date.now() + order.patienceMs;
  const seen: string[] = [];
  const jobIds = new Set<number>();
  let replayed = false;
  for (let turn = at; ; turn += 1) {
    const targets = order.twice ? [turn, turn + 1] : [turn];
    const all = await Promise.all(targets.map((one) => post(order, order.urls[one % order.urls.length] ?? '', name)));
    for (const met of all) {
      seen.push(met.what);
      if (met.jobId !== null) jobIds.add(met.jobId);
      replayed ||= met.replayed;
    }
    const ids = [...jobIds];
    if (ids.length > 0) return { name, end: 'job', jobIds: ids, seen, replayed };
    if (all.some(({ what }) => !REPEATED.test(what))) return { name, end: 'refused', jobIds: ids, seen, replayed };
    if (Date.now() > end) return { name, end: 'open', jobIds: ids, seen, replayed };
    const later = Math.max(...all.map(({ retryAfter }) => retryAfter)) * order.scale;
    await pause(Math.min(3000, later) * (0.7 + Math.random() * 0.6));
  }
}

async function main(file: string): Promise<void> {
  const order = JSON.parse(readFileSync(file, 'utf8')) as Order;
  await each(order.names.entries(), order.atOnce, async ([at, name]) => {
    console.log(JSON.stringify(await submit(order, name, at)));
  });
  await agent.close();
}

await main(process.argv[2] ?? '');
