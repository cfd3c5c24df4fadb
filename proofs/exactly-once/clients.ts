import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Fate, Order } from './client.ts';

/** Client processes at work; `fates` grows while they are. */
export interface Clients {
  readonly fates: Fate[];
  readonly done: Promise<void>;
}

let orders = 0;

/** Starts one process for each order. */
export function startClients(folder: string, all: readonly Order[]): Clients {
  const fates: Fate[] = [];
  const one = async (order: Order): Promise<void> => {
    orders += 1;
    const file = join(folder, `order-${orders}.json`);
    await writeFile(file, JSON.stringify(order), { mode: 0o600 });
    const child = spawn(process.execPath, [join(import.meta.dirname, 'client.ts'), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => fates.push(JSON.parse(line) as Fate));
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`a client process ended with ${code}`);
  };
  return { fates, done: Promise.all(all.map(one)).then(() => undefined) };
}
