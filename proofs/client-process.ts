import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

let orders = 0;

/**
 * Runs a client process to its end: it gets its order as a JSON file whose name is its argument, and tells one JSON value a line.
 * Throws when it fails.
 */
export async function runClient<Told>(
  script: string,
  folder: string,
  order: object,
  tell: (told: Told) => void,
): Promise<void> {
  orders += 1;
  const file = join(folder, `order-${orders}.json`);
  await writeFile(file, JSON.stringify(order), { mode: 0o600 });
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface({ input: child.stdout }).on('line', (line) => tell(JSON.parse(line) as Told));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`a client process ended with ${code}`);
}
