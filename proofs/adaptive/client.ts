// A client process of the proof: callers that each ask for a list, and again as soon as it is there.

import { Agent, request } from 'undici';
import { pause } from '../pace.ts';

/** What the callers are to do; each has an address and a token, in turn. */
export interface Order {
  readonly urls: readonly string[];
  readonly tokens: readonly string[];
  readonly callers: number;
  readonly seconds: number;
  /** An answer that takes longer is of no use. */
  readonly inTimeMs: number;
  readonly path: string;
}

/** When answers in time came, in milliseconds since the epoch; and everything else, by what it was. */
export interface Met {
  readonly good: readonly number[];
  readonly longestMs: number;
  readonly other: Readonly<Record<string, number>>;
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const agent = new Agent({ connections: null, pipelining: 1, keepAliveTimeout: 60_000 });
const good: number[] = [];
const other: Record<string, number> = {};
let longestMs = 0;
const end = Date.now() + order.seconds * 1000;

async function ask(url: string, token: string): Promise<string> {
  try {
    const answer = await request(url + order.path, {
      dispatcher: agent,
      headers: { authorization: `Bearer ${token}` },
    });
    await answer.body.dump();
    return String(answer.statusCode);
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

async function caller(at: number): Promise<void> {
  const token = order.tokens[at % order.tokens.length] ?? '';
  for (let turn = at; Date.now() < end; ) {
    const began = Date.now();
    const what = await ask(order.urls[turn % order.urls.length] ?? '', token);
    const took = Date.now() - began;
    longestMs = Math.max(longestMs, took);
    if (what === '200' && took <= order.inTimeMs) good.push(Date.now());
    else other[what === '200' ? 'too late' : what] = (other[what === '200' ? 'too late' : what] ?? 0) + 1;
    if (what === '200') continue;
    // Another replica may be there.
    turn += 1;
    await pause(100);
  }
}

await Promise.all(Array.from({ length: order.callers }, (_, at) => caller(at)));
await agent.destroy();
// What is written to a pipe is cut off by an exit before it was read.
process.stdout.write(JSON.stringify({ good, longestMs, other } satisfies Met), () => process.exit());
