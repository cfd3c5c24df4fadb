import { readFileSync } from 'node:fs';
import { Agent } from 'undici';
import { each, pause } from '../pace.ts';
import { type Ask, post, type Told, wasAccepted, wasRefused } from './post.ts';

/** What one client process is to do: everything once, at the gateways in turn. */
export interface Order {
  readonly urls: readonly string[];
  readonly tokens: Readonly<Record<string, string>>;
  readonly asks: readonly Ask[];
  readonly atOnce: number;
  /** Goes through the list again and again for so many milliseconds, each time with a name of its own; 0: once. */
  readonly lastsMs: number;
  /** After a refusal so many milliseconds are waited. */
  readonly restsMs: number;
  /** What is neither accepted nor refused by a quota is repeated with its key for so many milliseconds. */
  readonly patienceMs: number;
}

async function main(file: string): Promise<void> {
  const order = JSON.parse(readFileSync(file, 'utf8')) as Order;
  const { urls, tokens, asks, atOnce, lastsMs, restsMs, patienceMs } = order;
  const agent = new Agent({ connections: atOnce });
  const end = Date.now() + lastsMs;
  let turn = process.pid;
  const once = (ask: Ask): Promise<Told> => {
    turn += 1;
    return post(agent, urls[turn % urls.length] ?? '', tokens[ask.who] ?? '', ask);
  };
  function* all(): Iterable<Ask> {
    yield* asks;
    for (let round = 1; Date.now() < end; round += 1) {
      for (const ask of asks) if (Date.now() < end) yield { ...ask, name: `${ask.name}-${round}` };
    }
  }
  await each(all(), atOnce, async (ask) => {
    const until = Date.now() + patienceMs;
    let told = await once(ask);
    while (!wasAccepted(told) && !wasRefused(told) && Date.now() < until) {
      await pause(300);
      told = await once(ask);
    }
    console.log(JSON.stringify(told));
    if (!wasAccepted(told)) await pause(restsMs);
  });
  await agent.close();
}

await main(process.argv[2] ?? '');
