import { join } from 'node:path';
import { runClient } from '../client-process.ts';
import type { Fate, Order } from './client.ts';

/** Client processes at work; `fates` grows while they are. */
export interface Clients {
  readonly fates: Fate[];
  readonly done: Promise<void>;
}

/** Starts one process for each order. */
export function startClients(folder: string, all: readonly Order[]): Clients {
  const fates: Fate[] = [];
  const script = join(import.meta.dirname, 'client.ts');
  const tell = (fate: Fate): void => void fates.push(fate);
  const done = Promise.all(all.map((order) => runClient(script, folder, order, tell)));
  return { fates, done: done.then(() => undefined) };
}
