import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { counted } from '../pollers.ts';
import type { Met, Order } from './client.ts';

const run = promisify(execFile);

/** Lets a client process carry out its order; what it met. */
export async function client(
  order: Partial<Order> & Pick<Order, 'kind' | 'urls' | 'tokens' | 'seconds'>,
): Promise<Met> {
  const whole: Order = { connections: 1, intervalMs: 100, jobs: [], name: 'job', ...order };
  const args = [join(import.meta.dirname, 'client.ts'), JSON.stringify(whole)];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as Met;
}

/** What several met, together. */
export function together(all: readonly Met[]): Met {
  const answers: Record<string, number> = {};
  for (const met of all) for (const [what, n] of Object.entries(met.answers)) answers[what] = (answers[what] ?? 0) + n;
  return { answers, times: all.flatMap(({ times }) => times) };
}

/** Text of answers, for a table. */
export const told = ({ answers }: Met): string => counted(new Map(Object.entries(answers)));
