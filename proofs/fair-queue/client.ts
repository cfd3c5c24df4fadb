// A client process of the proof: its order is JSON on the command line, its figures are JSON on standard output.

import { Agent, request } from 'undici';
import { pause } from '../pace.ts';

/** What a client process is to do. Addresses and tokens are taken in turn. */
export interface Order {
  readonly kind: 'flood' | 'submit' | 'kill';
  readonly urls: readonly string[];
  readonly tokens: readonly string[];
  readonly seconds: number;
  /** Flood: connections. The others call at a steady pace, whatever the answers do. */
  readonly connections: number;
  readonly intervalMs: number;
  /** Jobs to read, or to kill one after the other. */
  readonly jobs: readonly number[];
  /** Part of the names of log files. */
  readonly name: string;
}

/** What a client process met: answers by status, and the milliseconds of its calls (of a flood none). */
export interface Met {
  readonly answers: Readonly<Record<string, number>>;
  readonly times: readonly number[];
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const agent = new Agent({ connections: order.kind === 'flood' ? null : 64, pipelining: 1, keepAliveTimeout: 60_000 });
const answers: Record<string, number> = {};
const times: number[] = [];
let count = 0;
const end = Date.now() + order.seconds * 1000;

async function call(at: number, method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<string> {
  const token = order.tokens[at % order.tokens.length];
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  let what: string;
  try {
    const sent = body === undefined ? null : JSON.stringify(body);
    const url = `${order.urls[at % order.urls.length]}/api/v3${path}`;
    const answer = await request(url, { dispatcher: agent, method, headers, body: sent });
    const text = await answer.body.text();
    what = String(answer.statusCode);
    if (answer.statusCode >= 400) what += ` ${/GW_[A-Z_]+/.exec(text)?.[0] ?? ''}`;
  } catch (error) {
    what = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  answers[what] = (answers[what] ?? 0) + 1;
  return what;
}

const submit = (at: number): Promise<string> => {
  count += 1;
  const logfile = `${order.name}-${process.pid}-${count}.log`;
  return call(at, 'POST', '/jobs', { command: 'sleep 9999', logfile, rundir: '/proj', env: 'BASE' });
};

/** A third of the connections each: reads, lists and submissions. Who is refused comes back at once, but not in the same instant. */
async function flood(at: number): Promise<void> {
  for (let turn = at; Date.now() < end; turn += 3) {
    const job = order.jobs[(turn * 7 + at) % order.jobs.length];
    // Different targets, so that equal reads do not share an answer.
    const list = `/query?select=idint&from=jobs&limit=${40 + (at % 60)}`;
    const kind = at % 3;
    const what = await (kind === 0 ? submit(at) : call(at, 'GET', kind === 1 ? `/jobs/${job}` : list));
    if (!what.startsWith('2')) await pause(25);
  }
}

/** One call each interval; its time counts from the moment that was meant for it. */
async function steady(): Promise<void> {
  const all: Promise<void>[] = [];
  let due = performance.now();
  for (let at = 0; order.kind === 'kill' || Date.now() < end; at += 1) {
    due += order.intervalMs * (0.5 + Math.random());
    await pause(Math.max(0, due - performance.now()));
    const began = Math.min(due, performance.now());
    const job = order.jobs[at];
    if (order.kind === 'kill' && job === undefined) break;
    const called = order.kind === 'submit' ? submit(at) : call(at, 'PUT', `/jobs/${job}`, { action: 'stop' });
    all.push(called.then(() => void times.push(performance.now() - began)));
  }
  await Promise.all(all);
}

if (order.kind === 'flood') await Promise.all(Array.from({ length: order.connections }, (_, at) => flood(at)));
else await steady();
await agent.destroy();
// What is written to a pipe is cut off by an exit before it was read.
process.stdout.write(JSON.stringify({ answers, times } satisfies Met), () => process.exit());
