// A client process of the failover proof: every account reads and submits in turn, without pause for anybody’s Retry-After.

import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { pause } from '../pace.ts';

/** What a client process is told. */
export interface Order {
  readonly accounts: readonly { readonly name: string; readonly token: string }[];
  readonly urls: readonly string[];
  readonly seconds: number;
  readonly intervalMs: number;
}

/** One answer: who, when it was asked for and when it came (milliseconds since the epoch), and what it was. */
export type Answered = readonly [account: string, asked: number, came: number, method: string, what: string];

type Answer = Awaited<ReturnType<typeof request>>;

function whatOf({ statusCode, headers }: Answer, body: string): string {
  if (statusCode >= 200 && statusCode < 300) return '2xx';
  const code = /GW_[A-Z_]+/.exec(body)?.[0] ?? 'no code';
  const seconds = Number(headers['retry-after']);
  const later = Number.isInteger(seconds) && seconds > 0 ? '' : ' without Retry-After';
  const proxy = code !== 'GW_UPSTREAM_DOWN' || headers['proxy-status'] === undefined ? '' : ' destination_unavailable';
  return `${statusCode} ${code}${statusCode === 503 ? later : ''}${proxy}`;
}

async function run({ accounts, urls, seconds, intervalMs }: Order): Promise<void> {
  const agent = new Agent({ connections: 32 });
  const end = Date.now() + seconds * 1000;
  const call = async (name: string, token: string, turn: number): Promise<Answered> => {
    const asked = Date.now();
    const method = turn % 3 === 2 ? 'POST' : 'GET';
    const job = { command: 'sleep 1', logfile: `log.${name}.${turn}`, rundir: `/proj/${name}`, env: 'BASE' };
    const url = `${urls[turn % urls.length]}/api/v3/${method === 'GET' ? 'project/1/project' : 'jobs'}`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = method === 'GET' ? null : JSON.stringify(job);
    try {
      const answer = await request(url, { dispatcher: agent, method, headers, body, headersTimeout: 60_000 });
      const text = await answer.body.text();
      return [name, asked, Date.now(), method, whatOf(answer, text)];
    } catch (error) {
      const what = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      return [name, asked, Date.now(), method, `no answer: ${what}`];
    }
  };
  const one = async ({ name, token }: Order['accounts'][number], at: number): Promise<void> => {
    await pause(Math.random() * intervalMs);
    for (let turn = at; Date.now() < end; turn += 1) {
      const answered = await call(name, token, turn);
      process.stdout.write(`${JSON.stringify(answered)}\n`);
      await pause(Math.max(0, intervalMs - (Date.now() - answered[1])));
    }
  };
  await Promise.all(accounts.map(one));
  await agent.close();
}

const [file] = process.argv.slice(2);
if (file !== undefined) await run(JSON.parse(await readFile(file, 'utf8')) as Order);
